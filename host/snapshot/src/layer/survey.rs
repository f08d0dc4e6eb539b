// SPDX-License-Identifier: Apache-2.0
//! Compares an upper directory with what lies below it. Changes nothing but files that the host lent and the step
//! appended to, which are taken back first.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Stat};

use super::emit::WHITEOUT;
use super::node::{Directory, File, FileId, Kind, Node, Standing, enter, kind_of};
use crate::disk;
use crate::normalise::NormaliseError;
use crate::xattrs;

mod equal;
mod lent;

/// The same directory in the places that matter.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// What the step wrote.
    pub(crate) upper: BorrowedFd<'a>,
    /// What it would see without its own changes and without what the host lent.
    pub(crate) below: Option<BorrowedFd<'a>>,
    /// What the host lent.
    pub(crate) plumbing: Option<BorrowedFd<'a>>,
    /// Whether an opaque directory hides what is below, here or further out.
    pub(crate) is_hidden: bool,
}

/// The names of one file in the upper directory, and whether they can be dropped together.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// What each name is below; none where it differs.
    below: Vec<Option<FileId>>,
}

impl Group {
    /// Returns whether all names are what they were, and were names of one file before.
    pub(crate) fn is_equal(&self) -> bool {
        self.below[0].is_some() && self.below.iter().all(|below| *below == self.below[0])
    }
}

/// What a name is in the places that matter.
struct Stats {
    upper: Stat,
    below: Option<Stat>,
    plumbing: Option<Stat>,
}

/// Walks an upper directory.
#[derive(Default)]
pub(crate) struct Survey {
    path: Vec<u8>,
    pub(crate) groups: BTreeMap<FileId, Group>,
}

impl Survey {
    /// Returns the tree of `place.upper`, each entry with its standing.
    pub(crate) fn root(&mut self, place: Place<'_>) -> Result<Node, NormaliseError> {
        let stat = rustix::fs::fstat(place.upper).map_err(|error| self.unread(error.into()))?;
        let below = match place.below {
            Some(below) => Some(rustix::fs::fstat(below).map_err(|error| self.unread(error.into()))?),
            None => None,
        };
        let directory = self.directory(place, 0)?;
        let mut node = Node::new(Vec::new(), &stat, Kind::Directory(directory));
        self.compare_directory(&mut node, place, below.as_ref(), None)?;
        Ok(node)
    }

    fn directory(&mut self, mut place: Place<'_>, depth: usize) -> Result<Directory, NormaliseError> {
        disk::check_depth(depth).map_err(|source| self.unread(source))?;
        let xattrs = xattrs::read(place.upper).map_err(|source| self.unread(source))?;
        if xattrs.marks.redirected {
            return Err(NormaliseError::Redirected { path: disk::path_of(&self.path) });
        }
        place.is_hidden |= xattrs.marks.opaque;
        let mut children = Vec::new();
        for name in disk::names(place.upper).map_err(|source| self.unread(source))? {
            let length = enter(&mut self.path, &name);
            if name.starts_with(WHITEOUT) {
                return Err(NormaliseError::Reserved { path: disk::path_of(&self.path) });
            }
            let stats = self.look(place, &name)?;
            children.push(match disk::kind(&stats.upper) {
                FileType::Directory => self.inner(place, &name, &stats, depth)?,
                _ => self.other(place, &name, stats)?,
            });
            self.path.truncate(length);
        }
        if let (true, Some(below)) = (place.is_hidden, place.below) {
            add_whiteouts(&mut children, below).map_err(|source| self.unread(source))?;
        }
        Ok(Directory { children, xattrs, opaque: false })
    }

    fn look(&self, place: Place<'_>, name: &[u8]) -> Result<Stats, NormaliseError> {
        let look = |dir: Option<BorrowedFd<'_>>| {
            dir.map_or(Ok(None), |dir| disk::look(dir, name)).map_err(|source| self.unread(source))
        };
        let gone = || self.unread(io::ErrorKind::NotFound.into());
        Ok(Stats {
            upper: look(Some(place.upper))?.ok_or_else(gone)?,
            // A single layer is looked at as it is on disk, whiteouts and all.
            below: look(place.below)?.filter(|stat| !disk::is_whiteout(stat)),
            plumbing: look(place.plumbing)?,
        })
    }

    /// Looks at an entry that is no directory.
    fn other(&mut self, place: Place<'_>, name: &[u8], stats: Stats) -> Result<Node, NormaliseError> {
        let Stats { upper: mut stat, below, plumbing } = stats;
        let mut is_lent = false;
        if let (Some(dir), Some(lent)) = (place.plumbing, &plumbing) {
            is_lent = self.take_back(place, dir, name, (&mut stat, below.as_ref(), lent))?;
        }
        let mut kind = kind_of(place.upper, name, &stat).map_err(|source| self.unread(source))?;
        if let Kind::Unfit { hides, .. } = &mut kind {
            *hides = below.is_some();
        }
        let mut node = Node::new(name.to_vec(), &stat, kind);
        let is_equal = match (place.below, &below) {
            (Some(dir), Some(below)) => {
                equal::entry(&node, place.upper, below, dir).map_err(|source| self.unread(source))?
            }
            _ => false,
        };
        let is_idle = is_lent || (below.is_none() && matches!(node.kind, Kind::Whiteout { .. }));
        node.standing = match &below {
            _ if is_idle => Standing::Idle,
            Some(below) if is_equal => Standing::Equal(below.st_mtime),
            Some(below) if disk::kind(below) == disk::kind(&stat) => Standing::Changed(below.st_mtime),
            _ => Standing::New,
        };
        if let Kind::File(File { link: Some(id), .. }) = node.kind {
            let below = below.filter(|_| is_equal && !is_idle).map(|below| (below.st_dev, below.st_ino));
            self.groups.entry(id).or_default().below.push(below);
        }
        Ok(node)
    }

    fn inner(&mut self, place: Place<'_>, name: &[u8], stats: &Stats, depth: usize) -> Result<Node, NormaliseError> {
        let is_directory = |stat: &Stat| disk::kind(stat) == FileType::Directory;
        let below = stats.below.filter(is_directory);
        let plumbing = stats.plumbing.filter(is_directory);
        let open = |dir: Option<BorrowedFd<'_>>, stat: &Option<Stat>| -> io::Result<Option<OwnedFd>> {
            dir.filter(|_| stat.is_some()).map(|dir| disk::open_dir(dir, name)).transpose()
        };
        let upper = disk::open_dir(place.upper, name).map_err(|source| self.unread(source))?;
        let below_dir = open(place.below, &below).map_err(|source| self.unread(source))?;
        let plumbing_dir = open(place.plumbing, &plumbing).map_err(|source| self.unread(source))?;
        let place = Place {
            is_hidden: place.is_hidden,
            upper: upper.as_fd(),
            below: below_dir.as_ref().map(AsFd::as_fd),
            plumbing: plumbing_dir.as_ref().map(AsFd::as_fd),
        };
        let directory = self.directory(place, depth + 1)?;
        let mut node = Node::new(name.to_vec(), &stats.upper, Kind::Directory(directory));
        self.compare_directory(&mut node, place, below.as_ref(), plumbing.as_ref())?;
        Ok(node)
    }

    /// Compares a directory's own attributes. Those that it has from the host's directory count as those below.
    fn compare_directory(
        &self,
        node: &mut Node,
        place: Place<'_>,
        below: Option<&Stat>,
        plumbing: Option<&Stat>,
    ) -> Result<(), NormaliseError> {
        let same = |stat: Option<&Stat>, dir: Option<BorrowedFd<'_>>| match (stat, dir) {
            (Some(stat), Some(dir)) => equal::directory(node, stat, dir).map_err(|source| self.unread(source)),
            _ => Ok(false),
        };
        let is_equal = same(below, place.below)?;
        let is_lent = !is_equal && same(plumbing, place.plumbing)?;
        node.standing = match below {
            Some(below) if is_equal => Standing::Equal(below.st_mtime),
            Some(below) if is_lent => Standing::Adopted(below.st_mtime),
            Some(below) => Standing::Changed(below.st_mtime),
            None if is_lent => Standing::Idle,
            None => Standing::New,
        };
        if let (Standing::Adopted(_), Some(below), Some(dir)) = (node.standing, below, place.below) {
            node.mode = below.st_mode & disk::MODE_BITS;
            node.owner = (below.st_uid, below.st_gid);
            if let Kind::Directory(directory) = &mut node.kind {
                directory.xattrs.carried = xattrs::read(dir).map_err(|source| self.unread(source))?.carried;
            }
        }
        Ok(())
    }

    /// Takes back what the host lent. Returns whether the file is nothing but that.
    fn take_back(
        &self,
        place: Place<'_>,
        plumbing: BorrowedFd<'_>,
        name: &[u8],
        (stat, below, lent): (&mut Stat, Option<&Stat>, &Stat),
    ) -> Result<bool, NormaliseError> {
        let both_files = disk::kind(stat) == FileType::RegularFile && disk::kind(lent) == FileType::RegularFile;
        if !both_files {
            return lent::is_same_link(place.upper, plumbing, name, stat, lent).map_err(|source| self.unread(source));
        }
        let below_dir = place.below.filter(|_| below.is_some_and(|stat| disk::kind(stat) == FileType::RegularFile));
        match lent::compare(place.upper, plumbing, name).map_err(|source| self.unread(source))? {
            lent::Lent::Same => Ok(true),
            lent::Lent::Other => Ok(false),
            lent::Lent::Appended(at) => {
                lent::restore(place.upper, below_dir, name, at).map_err(|source| self.unread(source))?;
                let look = disk::look(place.upper, name).map_err(|source| self.unread(source))?;
                *stat = look.ok_or_else(|| self.unread(io::ErrorKind::NotFound.into()))?;
                Ok(false)
            }
        }
    }

    fn unread(&self, source: io::Error) -> NormaliseError {
        NormaliseError::Read { path: disk::path_of(&self.path), source }
    }
}

/// Says of every name below that is not here that it is gone, which is what an opaque directory says at once.
fn add_whiteouts(children: &mut Vec<Node>, below: BorrowedFd<'_>) -> io::Result<()> {
    for name in disk::names(below)? {
        let Some(stat) = disk::look(below, &name)?.filter(|stat| !disk::is_whiteout(stat)) else { continue };
        if let Err(at) = children.binary_search_by(|child| child.name.cmp(&name)) {
            children.insert(at, Node::new(name, &stat, Kind::Whiteout { made: false }));
        }
    }
    Ok(())
}
