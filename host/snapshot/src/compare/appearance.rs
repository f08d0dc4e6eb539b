// SPDX-License-Identifier: Apache-2.0
//! What can be said of a name of a tree, and in what two differ.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{FileType, Stat};

use crate::{disk, xattrs};

/// What a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A device or a socket, which no layer of ours has.
    Special,
}

/// In what two things of one name differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// They are not of the same shape.
    Type,
    /// The bytes of a file.
    Content,
    /// What a link says.
    Target,
    /// Mode bits.
    Mode,
    /// User or group.
    Owner,
    /// Extended attributes.
    Xattrs,
    /// The modification time. Of a directory only where the same names are in it.
    Time,
}

/// What can be said of something without reading its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appearance {
    /// What it is.
    pub shape: Shape,
    /// Mode bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Length of a file in bytes; 0 for what is none.
    pub size: u64,
    /// Modification time in seconds since 1970.
    pub modified: i64,
    /// What a link says.
    pub target: Vec<u8>,
    /// Extended attributes that a layer carries, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Appearance {
    /// Looks at a name in a directory. Follows no link.
    pub(super) fn of(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<Option<Self>> {
        let Some(stat) = disk::look(dir, name)? else { return Ok(None) };
        let mut seen = Self::from_stat(&stat);
        match seen.shape {
            Shape::Symlink => seen.target = disk::read_link(dir, name)?,
            Shape::File => seen.xattrs = xattrs::read(disk::open_file(dir, name)?.as_fd())?.carried,
            Shape::Directory => seen.xattrs = xattrs::read(disk::open_dir(dir, name)?.as_fd())?.carried,
            Shape::Fifo | Shape::Special => {}
        }
        Ok(Some(seen))
    }

    /// Looks at an open directory.
    pub(super) fn of_directory(dir: BorrowedFd<'_>) -> io::Result<Self> {
        let mut seen = Self::from_stat(&rustix::fs::fstat(dir)?);
        seen.xattrs = xattrs::read(dir)?.carried;
        Ok(seen)
    }

    fn from_stat(stat: &Stat) -> Self {
        let shape = match disk::kind(stat) {
            FileType::RegularFile => Shape::File,
            FileType::Directory => Shape::Directory,
            FileType::Symlink => Shape::Symlink,
            FileType::Fifo => Shape::Fifo,
            _ => Shape::Special,
        };
        let size = if shape == Shape::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        Self {
            shape,
            mode: stat.st_mode & disk::MODE_BITS,
            owner: (stat.st_uid, stat.st_gid),
            size,
            modified: stat.st_mtime,
            target: Vec::new(),
            xattrs: Vec::new(),
        }
    }

    /// Returns in what the two differ. `inside` is asked where that cannot be seen from outside: whether the content of files
    /// of one size, or the names in directories of different times differ.
    pub(super) fn aspects<E>(
        &self,
        other: &Self,
        inside: impl FnOnce(Shape) -> Result<bool, E>,
    ) -> Result<Vec<Aspect>, E> {
        if self.shape != other.shape {
            return Ok(vec![Aspect::Type]);
        }
        let is_later = self.modified != other.modified;
        let mut has_time = is_later;
        let own = match self.shape {
            Shape::File => (self.size != other.size || inside(Shape::File)?).then_some(Aspect::Content),
            Shape::Directory => {
                // That its time changes with the names in it goes without saying.
                has_time = is_later && !inside(Shape::Directory)?;
                None
            }
            Shape::Symlink => (self.target != other.target).then_some(Aspect::Target),
            Shape::Fifo | Shape::Special => None,
        };
        let mut aspects: Vec<Aspect> = own.into_iter().collect();
        // The mode of a link means nothing.
        let has_mode = self.mode != other.mode && self.shape != Shape::Symlink;
        let rest = [
            (has_mode, Aspect::Mode),
            (self.owner != other.owner, Aspect::Owner),
            (self.xattrs != other.xattrs, Aspect::Xattrs),
            (has_time, Aspect::Time),
        ];
        aspects.extend(rest.into_iter().filter(|(differs, _)| *differs).map(|(_, aspect)| aspect));
        Ok(aspects)
    }
}
