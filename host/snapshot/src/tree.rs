// SPDX-License-Identifier: Apache-2.0
//! Files as a source: which are chosen, and the digest that names them.

mod digest;
mod find;
mod patterns;
mod select;
mod since;
mod walk;

pub use digest::{Coverage, DigestError, FORMAT_VERSION, tree_digest};
pub(crate) use digest::{check_unchanged, open_unchanged};
pub use find::find;
pub use patterns::{PatternError, Patterns};
pub use select::{Choice, SelectError, select};
pub use walk::TreeError;

use std::path::PathBuf;

use wythe_image::Digest;

use crate::normalise::LeftOut;

/// Files, directories and links of a source, in the order of their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Sorted by [`Leaf::at`], component by component; each place once.
    pub leaves: Vec<Leaf>,
    /// Whether it is one file, the only one that was named or matched: it may be given another name.
    pub is_single: bool,
    /// Sockets, pipes and devices, which are passed over.
    pub left_out: Vec<LeftOut>,
}

/// One file, directory or link of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Where it is, relative to the source.
    pub path: PathBuf,
    /// Where it goes, relative to the destination; empty for the source's own directory.
    pub at: PathBuf,
    /// What it is.
    pub kind: LeafKind,
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// By what a change of it is noticed.
    pub stamp: Stamp,
}

/// What a leaf is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeafKind {
    /// A directory.
    Directory,
    /// A file and the digest of its content, where that is known.
    File(Option<Digest>),
    /// A symbolic link that says this.
    Symlink(Vec<u8>),
}

/// What the file system says about a file without reading it. As long as it stays the same, so does the content; a change
/// within the clock's grain of the last one can go unnoticed, so do not keep a stamp that is younger than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified: i128,
    /// Time of the last change of content or attributes, in nanoseconds since 1970.
    pub changed: i128,
}

impl Stamp {
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        let time = |seconds: i64, nanoseconds: u64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}
