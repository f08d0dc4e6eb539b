// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a layout.

use std::io;
use std::path::PathBuf;

use wythe_image::{Digest, Platform, UnpackError};

/// A layout of which no image can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLayoutError {
    /// It is no layout.
    #[error("`{}` is not an OCI image layout: it has no file `oci-layout`", dir.display())]
    NotALayout {
        /// The directory.
        dir: PathBuf,
    },
    /// Something in it cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It names no image.
    #[error("the index of `{}` names no image", dir.display())]
    Empty {
        /// The directory.
        dir: PathBuf,
    },
    /// What is wanted is not there, or more than that is.
    #[error("`{}` has {what}; there is: {}", dir.display(), listed(.known))]
    Absent {
        /// The directory.
        dir: PathBuf,
        /// What of that it has.
        what: String,
        /// What can be named, as it is written behind the path.
        known: Vec<String>,
    },
    /// There is an image for other platforms only.
    #[error("there is no image for {platform}; there is: {}", listed(.known))]
    OtherPlatform {
        /// The one that is wanted.
        platform: Platform,
        /// Those that are there.
        known: Vec<String>,
    },
    /// An index lists an index.
    #[error("the index lists another index, {digest}, for the platform, where a manifest is expected")]
    Nested {
        /// The inner one.
        digest: Digest,
    },
    /// A manifest is of something else.
    #[error("{digest} is not an image: its configuration is of the type `{}`", media_type.escape_debug())]
    NotAnImage {
        /// The manifest.
        digest: Digest,
        /// The type of what it calls its configuration.
        media_type: String,
    },
    /// A layer is of a type that cannot be unpacked.
    #[error("the layer {digest} is of the type `{}`, which cannot be unpacked", media_type.escape_debug())]
    NotALayer {
        /// The layer.
        digest: Digest,
        /// Its type.
        media_type: String,
    },
    /// A digest of another algorithm.
    #[error("`{}` is not a digest of SHA-256, and others are not understood", digest.escape_debug())]
    Algorithm {
        /// As it is written.
        digest: String,
    },
    /// A part is not there.
    #[error("the {what} {digest} is missing: there is no file `{}`", path.display())]
    Missing {
        /// Which kind of part.
        what: &'static str,
        /// Its name.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
    },
    /// A part is not what its descriptor says.
    #[error(
        "the {what} {digest} is damaged: expected {size} bytes, found {found_size}{} bytes with digest {found}",
        at_least(*.size, *.found_size)
    )]
    Damaged {
        /// Which kind of part.
        what: &'static str,
        /// Its name.
        digest: Digest,
        /// The length that its descriptor says.
        size: u64,
        /// The digest of what was read.
        found: Digest,
        /// The length of what was read.
        found_size: u64,
    },
    /// A small part is not small.
    #[error("the {what} is larger than 16 MiB")]
    TooLarge {
        /// Which kind of part.
        what: &'static str,
    },
    /// A part makes no sense.
    #[error("the {what} cannot be understood")]
    Malformed {
        /// Which kind of part.
        what: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Manifest and configuration make no image.
    #[error("manifest and configuration do not fit each other")]
    Unpack(#[from] UnpackError),
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
}

/// What is longer than it should be is not read to its end.
fn at_least(size: u64, found: u64) -> &'static str {
    if found > size { " or more" } else { "" }
}
