// SPDX-License-Identifier: Apache-2.0
//! Layer directories and their archives.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use wythe_image::Digest;

use crate::disk;
use crate::tar::stream::{Stream, StreamError};

pub(crate) mod apply;
pub(crate) mod emit;
pub(crate) mod marks;
pub(crate) mod node;
pub(crate) mod parts;
pub(crate) mod prune;
pub(crate) mod survey;

pub use apply::{Applied, ApplyError, apply_layer};
use emit::{EmitError, Emitter, Manner};
pub use marks::Marks;
use node::Unread;
use parts::Joined;

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

impl From<Unread> for WriteTarError {
    fn from(Unread { path, source }: Unread) -> Self {
        Self::Read { path, source }
    }
}

impl From<EmitError> for WriteTarError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Read { path, source } => Self::Read { path, source },
            EmitError::Output(source) => Self::Output(source),
        }
    }
}

/// Writes the archive of a layer. Returns its digest and its length.
///
/// A layer lies in one directory, or in several of which each later one says what is otherwise in those before it, without
/// hiding any name of them. The bytes are a function of the tree alone: the digest is the one that
/// [`normalise`](crate::normalise) returned for it, on every machine and for every user, in however many parts it lies.
/// The tree is only read.
///
/// # Errors
///
/// When a directory cannot be read, changes while it is read, or `out` fails; when a part hides names of another one.
pub fn write_tar(parts: &[impl AsRef<Path>], out: &mut dyn Write) -> Result<(Digest, u64), WriteTarError> {
    let (dirs, joined) = join(parts)?;
    emit(Emitter::new(Stream::new(Some(out)), Manner::Reading), &dirs, &joined)
}

/// Returns the digest and the length of a layer's archive, without writing it. Otherwise like [`write_tar`].
///
/// # Errors
///
/// When a directory cannot be read or changes while it is read; when a part hides names of another one.
pub fn layer_digest(parts: &[impl AsRef<Path>]) -> Result<(Digest, u64), WriteTarError> {
    layer_digest_from(parts, &Marks::default())
}

/// Does what [`layer_digest`] does, and reads nothing of the lowest part that stands before what is otherwise in the others:
/// `marks` are those of that part's archive.
///
/// # Errors
///
/// See [`layer_digest`].
pub fn layer_digest_from(parts: &[impl AsRef<Path>], marks: &Marks) -> Result<(Digest, u64), WriteTarError> {
    let (dirs, joined) = join(parts)?;
    let mark = joined.first_change.as_deref().and_then(|path| marks.before(path));
    // The names of a file before the mark would not be known.
    let mark = mark.filter(|_| parts::has_no_links(&joined.tree));
    let resumed = mark.and_then(Emitter::resume);
    emit(resumed.unwrap_or_else(|| Emitter::new(Stream::new(None), Manner::Reading)), &dirs, &joined)
}

/// Opens the parts of a layer, and reads what they are together.
fn join(parts: &[impl AsRef<Path>]) -> Result<(Vec<OwnedFd>, Joined), WriteTarError> {
    let open = |part| disk::open_path(part).map_err(|source| WriteTarError::Read { path: PathBuf::new(), source });
    let dirs: Vec<_> = parts.iter().map(AsRef::as_ref).map(open).collect::<Result<_, _>>()?;
    let joined = parts::read(&dirs)?;
    Ok((dirs, joined))
}

fn emit(emitter: Emitter<'_>, dirs: &[OwnedFd], joined: &Joined) -> Result<(Digest, u64), WriteTarError> {
    let (stream, _) = emitter.tree(dirs, &joined.tree)?;
    let finished = stream.finish().map_err(|error| match error {
        StreamError::Read(source) | StreamError::Write(source) => EmitError::Output(source),
    })?;
    Ok((finished.digest, finished.length))
}
