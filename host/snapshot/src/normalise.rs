// SPDX-License-Identifier: Apache-2.0
//! From what a step left in its upper directory to a layer.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use wythe_image::Digest;
use wythe_sys::root::Root;

use crate::disk;
use crate::layer::Marks;
use crate::layer::emit::{EmitError, Emitter, Manner};
use crate::layer::node::{Kind, Node, Standing};
use crate::layer::prune::Prune;
use crate::layer::survey::{Place, Survey};
use crate::tar::stream::{Finished, Stream, StreamError};
use crate::xattrs;

/// Mode of the root of a file system that nobody gave another one.
const ROOT_MODE: u32 = 0o755;

/// A layer directory in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// Digest of its archive.
    pub diff_id: Digest,
    /// Length of its archive in bytes.
    pub size: u64,
    /// Number of entries in its archive.
    pub entries: u64,
    /// Where the digest of an archive that begins as this one does can be computed on.
    pub marks: Marks,
    /// What the step made and a layer cannot hold.
    pub left_out: Vec<LeftOut>,
}

/// Something that did not become part of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Relative to the root.
    pub path: PathBuf,
    /// What it is, in words.
    pub kind: &'static str,
}

/// Why an upper directory did not become a layer. It is then in no defined state and should be dropped.
#[derive(Debug, thiserror::Error)]
pub enum NormaliseError {
    /// A directory that the caller named could not be opened.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// On the machine.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something the step wrote, or what lies below it, could not be read.
    #[error("cannot read `/{}`", path.display())]
    Read {
        /// Relative to the root.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something the step wrote could not be brought into the normal form.
    #[error("cannot normalise `/{}`", path.display())]
    Change {
        /// Relative to the root.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The name means something else in an archive of a layer.
    #[error("`/{}` begins with `.wh.`, which marks a deletion in a layer", path.display())]
    Reserved {
        /// Relative to the root.
        path: PathBuf,
    },
    /// Overlay kept the content elsewhere, which its mount options forbid.
    #[error("`/{}` is redirected by overlay and is no plain file or directory", path.display())]
    Redirected {
        /// Relative to the root.
        path: PathBuf,
    },
    /// The digest could not be computed.
    #[error("cannot compute the layer's digest")]
    Digest(#[source] io::Error),
}

/// Gives the root of an empty upper directory the attributes of the root below: they are the ones that are seen.
///
/// Without anything below they are mode 0755, owner 0:0. To be called before an upper directory is mounted for the first time.
///
/// # Errors
///
/// When a directory cannot be opened or changed.
pub fn prepare(upper: &Path, below: Option<&Root>) -> Result<(), NormaliseError> {
    let dir = open(upper)?;
    let change = |source| NormaliseError::Change { path: PathBuf::new(), source };
    let Some(root) = open_below(below)? else {
        disk::set_owner(&dir, (0, 0)).and_then(|()| disk::set_mode(&dir, ROOT_MODE)).map_err(change)?;
        return disk::set_time(&dir, 0).map_err(change);
    };
    take_attributes(dir.as_fd(), root.as_fd()).map_err(change)
}

/// Gives a directory the owner, mode, attributes and time of another one.
pub(crate) fn take_attributes(dir: std::os::fd::BorrowedFd<'_>, from: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    disk::set_owner(dir, (stat.st_uid, stat.st_gid))?;
    disk::set_mode(dir, stat.st_mode)?;
    xattrs::replace(dir, &xattrs::read(from)?.carried)?;
    disk::set_time(dir, stat.st_mtime)
}

/// Brings an upper directory into the normal form of a layer and returns its digest. None: nothing was changed, and
/// the directory is empty.
///
/// `below` is the state that the step started from, merged, without `plumbing`, the directory that the host put on top of
/// it for the time of the run. `epoch` is the time that the build pretends it is. The directory must not be
/// mounted or written to meanwhile. Idempotent. What exactly the normal form is, is written in `docs/formats/layer.md`.
///
/// # Errors
///
/// See [`NormaliseError`]; the directory is then half done.
pub fn normalise(
    upper: &Path,
    below: Option<&Root>,
    plumbing: Option<&Path>,
    epoch: u64,
) -> Result<Option<Normalised>, NormaliseError> {
    let dir = open(upper)?;
    let plumbing = plumbing.map(open).transpose()?;
    let below = open_below(below)?;
    let mut survey = Survey::default();
    let place = Place {
        upper: dir.as_fd(),
        below: below.as_ref().map(AsFd::as_fd),
        plumbing: plumbing.as_ref().map(AsFd::as_fd),
        is_hidden: false,
    };
    let mut tree = survey.root(place)?;
    let mut prune = Prune::new(epoch, &survey.groups);
    prune.directory(dir.as_fd(), &mut tree)?;
    if !is_change(&tree) {
        return Ok(None);
    }
    let emitter = Emitter::new(Stream::new(None), Manner::Stripping);
    let (stream, entries) = emitter.tree(std::slice::from_ref(&dir), &tree)?;
    let finished = stream.finish().map_err(|error| match error {
        StreamError::Read(source) | StreamError::Write(source) => NormaliseError::Digest(source),
    })?;
    let Finished { digest: diff_id, length: size, marks } = finished;
    Ok(Some(Normalised { diff_id, size, entries, marks, left_out: prune.left_out }))
}

impl From<EmitError> for NormaliseError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::Read { path, source } => Self::Read { path, source },
            EmitError::Output(source) => Self::Digest(source),
        }
    }
}

/// Returns whether a pruned tree says anything.
fn is_change(root: &Node) -> bool {
    let Kind::Directory(directory) = &root.kind else { return false };
    match root.standing {
        _ if !directory.children.is_empty() => true,
        Standing::Changed(_) => true,
        Standing::New => (root.mode, root.owner) != (ROOT_MODE, (0, 0)) || !directory.xattrs.carried.is_empty(),
        Standing::Equal(_) | Standing::Adopted(_) | Standing::Idle => false,
    }
}

fn open(path: &Path) -> Result<OwnedFd, NormaliseError> {
    disk::open_path(path).map_err(|source| NormaliseError::Open { path: path.into(), source })
}

/// Opens the root of the state below for reading: what is given may be a place to start from and no more, as a mount is.
pub(crate) fn open_below(below: Option<&Root>) -> Result<Option<OwnedFd>, NormaliseError> {
    let root = below.map(|below| disk::open_dir(below.as_fd(), b".")).transpose();
    root.map_err(|source| NormaliseError::Read { path: PathBuf::new(), source })
}
