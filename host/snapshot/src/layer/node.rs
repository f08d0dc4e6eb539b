// SPDX-License-Identifier: Apache-2.0
//! A layer's tree in memory, without the contents of its files.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, Stat};

use crate::abreast::{EntryOf, Listing, Look, list};
use crate::disk;
use crate::xattrs::{self, Xattrs};

/// An entry of a layer directory.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its name in the directory; empty for the root.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Modification time as it is on disk.
    pub(crate) mtime: (i64, u32),
    /// How it compares with what lies below. Always `New` where nothing is compared.
    pub(crate) standing: Standing,
    /// The part of the layer in which it lies; 0 for a layer of one part.
    pub(crate) part: usize,
}

/// What an entry is.
#[derive(Debug)]
pub(crate) enum Kind {
    Directory(Directory),
    File(File),
    /// What the link says.
    Symlink(Vec<u8>),
    Fifo,
    /// The name is gone; `made` tells whether the mark is on disk already.
    Whiteout {
        made: bool,
    },
    /// What a layer cannot hold, a socket or a device, and whether something below has its name.
    Unfit {
        kind: FileType,
        hides: bool,
    },
}

/// The part of an entry that only directories have.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Sorted by name.
    pub(crate) children: Vec<Node>,
    pub(crate) xattrs: Xattrs,
    /// Whether nothing below is seen. At first as on disk; false in the normal form of a step's changes.
    pub(crate) opaque: bool,
}

/// The part of an entry that only files have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct File {
    pub(crate) size: u64,
    /// Which file it is, where it has several names.
    pub(crate) link: Option<FileId>,
}

/// Device and inode.
pub(crate) type FileId = (u64, u64);

/// How an entry compares with what lies below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing of this type was there.
    New,
    /// Something of this type was there and differs. For directories, with the modification time that it had.
    Changed(i64),
    /// It is what was there.
    Equal(i64),
    /// A directory that was there, seen through one that the host lent: it gets back the attributes that it had.
    Adopted(i64),
    /// It is as if it were not there: the host lent it, or it hides nothing.
    Idle,
}

impl Node {
    /// Returns an entry that has just been looked at. Directories still have to be read.
    pub(crate) fn new(name: Vec<u8>, stat: &Stat, kind: Kind) -> Self {
        Self {
            name,
            kind,
            mode: stat.st_mode & disk::MODE_BITS,
            owner: (stat.st_uid, stat.st_gid),
            mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            standing: Standing::New,
            part: 0,
        }
    }

    /// Returns the modification time in the form in which a layer can hold it.
    pub(crate) fn seconds(&self) -> u64 {
        u64::try_from(self.mtime.0).unwrap_or(0)
    }

    /// Returns its children; none for what is no directory.
    pub(crate) fn children(&self) -> &[Self] {
        match &self.kind {
            Kind::Directory(directory) => &directory.children,
            _ => &[],
        }
    }
}

/// Returns what an entry is, for everything but directories.
pub(crate) fn kind_of(dir: impl AsFd, name: &[u8], stat: &Stat) -> io::Result<Kind> {
    Ok(match disk::kind(stat) {
        FileType::RegularFile => Kind::File(File {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            link: (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino)),
        }),
        FileType::Symlink => Kind::Symlink(disk::read_link(dir, name)?),
        FileType::Fifo => Kind::Fifo,
        _ if disk::is_whiteout(stat) => Kind::Whiteout { made: true },
        kind => Kind::Unfit { kind, hides: false },
    })
}

/// A place that could not be read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// Relative to the layer.
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

/// Reads the whole tree of a layer directory.
pub(crate) fn read(root: BorrowedFd<'_>) -> Result<Node, Unread> {
    let stat = rustix::fs::fstat(root).map_err(|source| Unread { path: PathBuf::new(), source: source.into() })?;
    let listing = list(&Reading, root, Way { path: Vec::new(), depth: 0 })?;
    Ok(Node::new(Vec::new(), &stat, directory_of(listing)))
}

fn directory_of(mut listing: Listing<Reading>) -> Kind {
    let xattrs = listing.take_own();
    let mut children = Vec::new();
    listing.each(&mut |(name, stat, kind), inner| {
        let kind = kind.or_else(|| inner.map(directory_of));
        children.extend(kind.map(|kind| Node::new(name, &stat, kind)));
    });
    Kind::Directory(Directory { opaque: xattrs.marks.opaque, xattrs, children })
}

/// How a layer is read.
struct Reading;

/// A directory of it.
struct Way {
    path: Vec<u8>,
    depth: usize,
}

impl Look for Reading {
    type Way = Way;
    /// Its name, and what it is; directories have yet to be read.
    type Entry = (Vec<u8>, Stat, Option<Kind>);
    type Own = Xattrs;
    type Error = Unread;

    fn directory(&self, dir: BorrowedFd<'_>, way: &Way) -> Result<Xattrs, Unread> {
        let checked = disk::check_depth(way.depth);
        checked.and_then(|()| xattrs::read(dir)).map_err(|source| self.unread(way, source))
    }

    fn entry(&self, dir: BorrowedFd<'_>, name: &[u8], way: &Way) -> EntryOf<Self> {
        let next = || {
            let mut path = way.path.clone();
            enter(&mut path, name);
            Way { path, depth: way.depth + 1 }
        };
        let look = disk::look(dir, name).map_err(|source| self.unread(&next(), source))?;
        let stat = look.ok_or_else(|| self.unread(&next(), io::ErrorKind::NotFound.into()))?;
        if disk::kind(&stat) == FileType::Directory {
            return Ok(Some(((name.to_vec(), stat, None), Some(next()))));
        }
        let kind = kind_of(dir, name, &stat).map_err(|source| self.unread(&next(), source))?;
        Ok(Some(((name.to_vec(), stat, Some(kind)), None)))
    }

    fn unread(&self, way: &Way, source: io::Error) -> Unread {
        Unread { path: disk::path_of(&way.path), source }
    }
}

/// Appends a component to a path and returns the length to go back to.
pub(crate) fn enter(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let length = path.len();
    if length > 0 {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    length
}
