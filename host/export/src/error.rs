// SPDX-License-Identifier: Apache-2.0
//! What can go wrong when an image is saved.

use std::io;
use std::path::{Path, PathBuf};

use wythe_image::{Digest, LayerRef};

use crate::LayerError;

/// An image that was not saved. Nothing of it is on the medium.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// A layer cannot be read from where it is kept.
    #[error("cannot read layer {diff_id}")]
    Layer {
        /// The layer.
        diff_id: Digest,
        /// What its keeper says.
        source: LayerError,
    },
    /// A layer is not what the image says it is.
    #[error(
        "layer {} is damaged: expected {} bytes, found {found_size} bytes with digest {found}",
        expected.diff_id,
        expected.size
    )]
    Damaged {
        /// The layer as the image names it.
        expected: LayerRef,
        /// The digest of what was read.
        found: Digest,
        /// The length of what was read.
        found_size: u64,
    },
    /// The medium cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The threads that compress did not start.
    #[error("cannot start the threads that compress")]
    Threads(#[source] io::Error),
    /// There is something in the place that an export must not touch.
    #[error("`{}` is there already and is not {what}", path.display())]
    InTheWay {
        /// The place.
        path: PathBuf,
        /// What could be replaced or added to.
        what: &'static str,
    },
    /// The index of the layout that is there cannot be understood, so nothing can be added to it.
    #[error("`{}` is not an image index", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
}

/// Adds the path to an error of the system.
pub(crate) fn write_error(path: &Path) -> impl FnOnce(io::Error) -> SaveError {
    move |source| SaveError::Write { path: path.to_owned(), source }
}
