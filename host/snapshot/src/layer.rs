// SPDX-License-Identifier: Apache-2.0
//! Layer directories and their archives.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use wythe_image::Digest;

use crate::disk;
use crate::tar::stream::Stream;

pub(crate) mod apply;
pub(crate) mod emit;
pub(crate) mod node;
pub(crate) mod prune;
pub(crate) mod survey;

pub use apply::{Applied, ApplyError, apply_layer};
use emit::{EmitError, Emitter, Manner};

/// Why a layer's archive was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteTarError {
    /// Something in the layer directory could not be read.
    #[error("cannot read `{}` of the layer", path.display())]
    Read {
        /// Relative to the layer.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The receiver did not take the bytes.
    #[error("cannot pass the layer's archive on")]
    Output(#[source] io::Error),
}

impl From<EmitError> for WriteTarError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Read { path, source } => Self::Read { path, source },
            EmitError::Output(source) => Self::Output(source),
        }
    }
}

/// Writes the archive of a layer directory. Returns its digest and its length.
///
/// The bytes are a function of the tree alone: the digest is the one that [`normalise`](crate::normalise) returned for it,
/// on every machine and for every user. The tree is only read.
///
/// # Errors
///
/// When the directory cannot be read, changes while it is read, or `out` fails.
pub fn write_tar(layer_fs: &Path, out: &mut dyn Write) -> Result<(Digest, u64), WriteTarError> {
    archive(layer_fs, Some(out))
}

/// Returns the digest and the length of a layer directory's archive, without writing it.
///
/// # Errors
///
/// When the directory cannot be read or changes while it is read.
pub fn layer_digest(layer_fs: &Path) -> Result<(Digest, u64), WriteTarError> {
    archive(layer_fs, None)
}

fn archive(layer_fs: &Path, out: Option<&mut dyn Write>) -> Result<(Digest, u64), WriteTarError> {
    let root = disk::open_path(layer_fs).map_err(|source| WriteTarError::Read { path: PathBuf::new(), source })?;
    let tree =
        node::read(root.as_fd()).map_err(|unread| WriteTarError::Read { path: unread.path, source: unread.source })?;
    let (stream, _) = Emitter::new(Stream::new(out), Manner::Reading).tree(root.as_fd(), &tree)?;
    Ok(stream.finish().map_err(|error| match error {
        crate::tar::stream::StreamError::Read(source) | crate::tar::stream::StreamError::Write(source) => {
            EmitError::Output(source)
        }
    })?)
}
