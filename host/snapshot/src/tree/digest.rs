// SPDX-License-Identifier: Apache-2.0
//! The digest of a selection (`docs/formats/tree-digest.md`).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rayon::prelude::*;
use rustix::fs::OFlags;
use wythe_image::{Digest, Hasher};
use wythe_sys::root::Root;

use super::{Leaf, LeafKind, Selection, Stamp};

/// Version of the encoding, which is its first line.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes read at a time.
const BUFFER: usize = 256 * 1024;

/// Which attributes a digest covers, besides places, types, modes and contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coverage {
    /// Nothing else: for files of a build context, whose owner and times differ from machine to machine.
    Content,
    /// Owners too: for files of a state.
    Owners,
}

/// Why a selection has no digest.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// A file could not be read.
    #[error("cannot read `{}` of the source", path.display().to_string().escape_debug())]
    Read {
        /// Relative to the source.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file was written to while it was read.
    #[error("`{}` of the source changed while it was being read", path.display().to_string().escape_debug())]
    Changed {
        /// Relative to the source.
        path: PathBuf,
    },
    /// The content of a file has not been read.
    #[error("the content of `{}` is not known", path.display().to_string().escape_debug())]
    Unread {
        /// Relative to the source.
        path: PathBuf,
    },
}

impl Selection {
    /// Reads the contents whose digests are not known yet, on all cores.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is not any more what it was when it was chosen.
    pub fn read_contents(&mut self, root: &Root) -> Result<(), DigestError> {
        self.leaves.par_iter_mut().try_for_each_init(
            || vec![0; BUFFER],
            |buffer, leaf| {
                if leaf.kind == LeafKind::File(None) {
                    leaf.kind = LeafKind::File(Some(content(root, leaf, buffer)?));
                }
                Ok(())
            },
        )
    }

    /// Returns the digest of the selection. All contents have to be known.
    ///
    /// # Errors
    ///
    /// When a content is not known.
    pub fn digest(&self, coverage: Coverage) -> Result<Digest, DigestError> {
        let mut hasher = Hasher::new();
        let mut bytes = self.head(coverage);
        for leaf in &self.leaves {
            append(&mut bytes, leaf, coverage)?;
            hasher.update(&bytes);
            bytes.clear();
        }
        hasher.update(&bytes);
        Ok(hasher.finish())
    }

    /// Returns what the digest of the selection is the digest of. All contents have to be known.
    ///
    /// # Errors
    ///
    /// When a content is not known.
    pub fn list(&self, coverage: Coverage) -> Result<Vec<u8>, DigestError> {
        let mut bytes = self.head(coverage);
        self.leaves.iter().try_for_each(|leaf| append(&mut bytes, leaf, coverage))?;
        Ok(bytes)
    }

    pub(super) fn head(&self, coverage: Coverage) -> Vec<u8> {
        let mut bytes = format!("wythe tree {FORMAT_VERSION} {}\n", coverage.name()).into_bytes();
        bytes.push(u8::from(self.is_single));
        bytes
    }
}

/// Returns the digest of all that is chosen: [`Selection::read_contents`] and [`Selection::digest`] at once.
///
/// # Errors
///
/// When a file cannot be read, or changes meanwhile.
pub fn tree_digest(root: &Root, selection: &mut Selection, coverage: Coverage) -> Result<Digest, DigestError> {
    selection.read_contents(root)?;
    selection.digest(coverage)
}

impl Coverage {
    fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Owners => "owners",
        }
    }
}

pub(super) fn append(bytes: &mut Vec<u8>, leaf: &Leaf, coverage: Coverage) -> Result<(), DigestError> {
    append_counted(bytes, leaf.at.as_os_str().as_bytes());
    let (kind, mode) = match &leaf.kind {
        LeafKind::Directory => (b'd', leaf.mode),
        LeafKind::File(_) => (b'f', leaf.mode),
        // Systems differ in what they say about the mode of a link.
        LeafKind::Symlink(_) => (b'l', 0o777),
    };
    bytes.push(kind);
    bytes.extend_from_slice(&mode.to_le_bytes());
    if coverage == Coverage::Owners {
        bytes.extend_from_slice(&leaf.owner.0.to_le_bytes());
        bytes.extend_from_slice(&leaf.owner.1.to_le_bytes());
    }
    match &leaf.kind {
        LeafKind::Directory => {}
        LeafKind::Symlink(target) => append_counted(bytes, target),
        LeafKind::File(None) => return Err(DigestError::Unread { path: leaf.path.clone() }),
        LeafKind::File(Some(digest)) => {
            bytes.extend_from_slice(&leaf.stamp.size.to_le_bytes());
            bytes.extend_from_slice(digest.hex().as_bytes());
        }
    }
    Ok(())
}

fn append_counted(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn content(root: &Root, leaf: &Leaf, buffer: &mut [u8]) -> Result<Digest, DigestError> {
    let failed = |source| DigestError::Read { path: leaf.path.clone(), source };
    let mut file = open_unchanged(root, leaf)?;
    let mut hasher = Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    check_unchanged(&file, leaf)?;
    Ok(hasher.finish())
}

/// Opens a file that was chosen, if it still is what it was.
pub(crate) fn open_unchanged(root: &Root, leaf: &Leaf) -> Result<File, DigestError> {
    let failed = |source| DigestError::Read { path: leaf.path.clone(), source };
    // A file that a pipe has replaced must not make us wait.
    let file = root.resolve(&leaf.path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed)?;
    let file = File::from(file);
    check_unchanged(&file, leaf)?;
    Ok(file)
}

/// Checks that a file is what it was when it was chosen.
pub(crate) fn check_unchanged(file: &File, leaf: &Leaf) -> Result<(), DigestError> {
    let stat =
        rustix::fs::fstat(file).map_err(|error| DigestError::Read { path: leaf.path.clone(), source: error.into() })?;
    if Stamp::of(&stat) == leaf.stamp { Ok(()) } else { Err(DigestError::Changed { path: leaf.path.clone() }) }
}
