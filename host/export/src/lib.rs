// SPDX-License-Identifier: Apache-2.0
//! Images on media that other programs read: an OCI image layout, an OCI archive, an archive for `docker load`; and images out
//! of layouts that other programs wrote.
//!
//! This room refuses to know where layers are kept: whoever calls gives a function that writes a layer's archive. What
//! that function wrote is compared with what the image names, and a layer that differs ends the export. It promises that
//!
//! - the bytes of a medium depend on the image, its names and the compression, not on the number of threads, the
//!   machine or the time;
//! - without compression the manifest, and so the digest, is the one that the image has in the store;
//! - a medium is there as a whole or not at all: everything is written beside its place and moved there at the end, and
//!   an export that fails takes away what it wrote;
//! - what is read out of a layout has the length and the digest that it is named by;
//! - memory is bounded by a few blocks a thread, whatever the size of a layer.
//!
//! ```text
//! DIR/                          FILE.tar, OCI                 FILE.tar, Docker
//! ├── oci-layout                ├── oci-layout                ├── oci-layout
//! ├── blobs/sha256/…            ├── blobs/sha256/…            ├── blobs/sha256/…
//! └── index.json                └── index.json                ├── index.json
//!                                                             └── manifest.json
//! ```
//!
//! What is in these files is written down in `docs/formats/image.md`.
//!
//! ```
//! use wythe_export::{Compression, Export, save_layout};
//! use wythe_image::{Image, Platform};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let image = Image::scratch(Platform::linux_amd64());
//! let names = ["example:1".parse()?];
//! let export = Export {
//!     compression: "zstd:3".parse::<Compression>()?,
//!     ..Export::new(&image, "2026-11-01T00:00:00Z", &names, &|_, _| unreachable!("the image has no layers"))
//! };
//! let descriptor = save_layout(&export, &dir.path().join("layout"))?;
//! assert_eq!(descriptor.digest().to_string(), image.pack("2026-11-01T00:00:00Z").digest.to_string());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod archive;
mod compression;
mod error;
mod export;
mod index;
mod layout;
mod press;
mod read;
mod tarball;
mod unfinished;

pub use archive::{save_docker_archive, save_oci_archive};
pub use compression::{Compression, ParseCompressionError};
pub use error::SaveError;
pub use export::{Export, LayerBytes, LayerError};
pub use layout::save_layout;
pub use read::{LayoutImage, LayoutLayer, ReadLayoutError, Wanted, read_layout};
