// SPDX-License-Identifier: Apache-2.0
//! OCI nouns as values: digests, references, configurations, and the image they add up to.
//!
//! This room refuses to know where bytes live and how they travel. It parses strictly into values that
//! cannot be wrong afterwards, and serialises canonically: the same value gives the same bytes, so that a
//! digest says something about the value and not about the machine that wrote it.
//!
//! ```
//! use wythe_image::{Config, Image, Platform};
//!
//! let image = Image::scratch(Platform::linux_amd64())
//!     .with_config(Config::default().with_env("LANG", "C.UTF-8"), "env LANG");
//! assert_eq!(image.layers().len(), 0);
//! assert_eq!(image.history()[0].created_by, "env LANG");
//! ```
#![forbid(unsafe_code)]

mod canonical;
mod config;
mod digest;
mod image;
mod platform;
mod reference;

pub use canonical::to_canonical_json;
pub use config::{Config, Healthcheck};
pub use digest::{Digest, Hasher, Midway, ParseDigestError};
pub use image::{History, Image, LayerRef, Packed, UnpackError};
pub use platform::{NamePlatformError, ParsePlatformError, Platform};
pub use reference::{ParseReferenceError, Reference};
