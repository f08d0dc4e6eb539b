// SPDX-License-Identifier: Apache-2.0
//! A merged tree that is edited without being mounted: what is written goes straight into the upper directory, in the
//! form in which overlay would have put it there.
//!
//! Writing through a mounted overlay costs half as much again for each file, and its unmount writes the whole file
//! system to disk. Reading needs the layers below as one directory, which is a read-only mount.
//!
//! Every name is taken one component at a time from descriptors, without the kernel following a link: links are
//! followed here, inside the tree. What another process does to the tree meanwhile cannot lead outside.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FileType, Mode, Stat};
use rustix::io::Errno;

use crate::disk;
use crate::normalise::take_attributes;
use crate::xattrs;

mod edit;

/// How many links may lie on a way, as in the kernel.
const MAX_LINKS: u32 = 40;

/// Mode of directories that are made because something is to be put into them.
pub(crate) const PARENT_MODE: u32 = 0o755;

/// A merged tree: an upper directory over what is only read.
#[derive(Debug)]
pub(crate) struct Union {
    root: Place,
    /// The directory that nothing leads out of, where it is not the root.
    inside: Option<Place>,
    /// Directories that were made only because something was put into them.
    made: Vec<Vec<u8>>,
    /// Whose they are.
    owner: (u32, u32),
    /// Where the last look went. Most names come from the directory of the name before.
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    path: Vec<u8>,
    place: Place,
    /// Whether the path has no link on its way, so that its beginnings name the levels.
    is_plain: bool,
}

/// A directory of the merged tree, with the directories that it lies in.
#[derive(Debug, Clone)]
pub(crate) struct Place(Vec<Arc<Level>>);

#[derive(Debug)]
struct Level {
    name: Vec<u8>,
    /// In the upper directory, as soon as there is something to write.
    upper: OnceLock<OwnedFd>,
    /// In what is only read, where nothing above hides it.
    below: Option<OwnedFd>,
}

/// What a name means.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    Directory(Place),
    Other(Other),
}

/// Something that is no directory, and the directory that it is to be read from.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) stat: Stat,
    pub(crate) is_upper: bool,
}

/// What to do about a directory that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Fail,
    Make,
}

impl Union {
    pub(crate) fn new(upper: OwnedFd, below: Option<OwnedFd>) -> Self {
        let root = Level { name: Vec::new(), upper: OnceLock::from(upper), below };
        Self { root: Place(vec![Arc::new(root)]), inside: None, made: Vec::new(), owner: (0, 0), last: None }
    }

    pub(crate) fn root(&self) -> &Place {
        &self.root
    }

    /// Has paths begin at a directory from now on, and no link or `..` lead out of it, as if it were the root.
    pub(crate) fn enter(&mut self, inside: Place) {
        self.inside = Some(inside);
        self.last = None;
    }

    /// Has paths begin at the root again.
    pub(crate) fn leave(&mut self) {
        self.inside = None;
        self.last = None;
    }

    /// Returns where paths begin.
    fn top(&self) -> Place {
        self.inside.as_ref().unwrap_or(&self.root).clone()
    }

    /// Returns the directories that were made since the last call only because something was put into them.
    pub(crate) fn take_made(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.made)
    }

    /// Says whose directories are that have to be made from now on.
    pub(crate) fn set_owner(&mut self, owner: (u32, u32)) {
        self.owner = owner;
    }

    /// Forgets where names led, because a directory or link has gone.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Returns the directory that a path names, links followed.
    pub(crate) fn directory(&mut self, path: &[u8], missing: Missing) -> io::Result<Place> {
        if let Some(last) = self.last.as_ref().filter(|last| last.path == path) {
            return Ok(last.place.clone());
        }
        let top = self.top();
        let (start, rest) = self.known_beginning(&top, path);
        let mut walk = Walk { place: start, todo: components(rest), links: 0, made: &mut self.made, owner: self.owner };
        while let Some(name) = walk.todo.pop_front() {
            walk.step(&top, &name, missing)?;
        }
        let is_plain = walk.links == 0 && !path.split(|byte| *byte == b'/').any(|name| name == b"..");
        self.last = Some(Last { path: path.to_vec(), place: walk.place.clone(), is_plain });
        Ok(walk.place)
    }

    /// Returns what is known of the way to a path, and what is left of it.
    fn known_beginning<'p>(&self, top: &Place, path: &'p [u8]) -> (Place, &'p [u8]) {
        let mut start = top.clone();
        let mut rest = path;
        let Some(last) = self.last.as_ref().filter(|last| last.is_plain) else { return (start, rest) };
        for level in &last.place.0[top.0.len()..] {
            let trimmed = rest.iter().position(|byte| *byte != b'/').map_or(&b""[..], |at| &rest[at..]);
            match trimmed.strip_prefix(level.name.as_slice()) {
                Some(after) if after.is_empty() || after[0] == b'/' => {
                    start.0.push(level.clone());
                    rest = after;
                }
                _ => break,
            }
        }
        (start, rest)
    }

    /// Returns the directory that a path's last component lies in, and that component.
    pub(crate) fn parent<'p>(&mut self, path: &'p [u8], missing: Missing) -> io::Result<(Place, &'p [u8])> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let at = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = at.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::INVAL.into());
        }
        Ok((self.directory(parent, missing)?, name))
    }

    /// Returns what a path means, the last link followed too.
    pub(crate) fn find(&mut self, path: &[u8]) -> io::Result<(Place, Vec<u8>, Found)> {
        let top = self.top();
        let (mut place, name) = self.parent(path, Missing::Fail)?;
        let mut name = name.to_vec();
        for _ in 0..MAX_LINKS {
            let found = place.look(&name)?;
            let Found::Other(Other { stat, is_upper }) = &found else { return Ok((place, name, found)) };
            if disk::kind(stat) != FileType::Symlink {
                return Ok((place, name, found));
            }
            let target = disk::read_link(place.side(*is_upper)?, &name)?;
            let mut walk = Walk { place, todo: components(&target), links: 0, made: &mut self.made, owner: self.owner };
            if target.starts_with(b"/") {
                walk.place = top.clone();
            }
            let Some(last) = walk.todo.pop_back().filter(|last| last != b"..") else {
                return Err(Errno::ISDIR.into());
            };
            while let Some(name) = walk.todo.pop_front() {
                walk.step(&top, &name, Missing::Fail)?;
            }
            (place, name) = (walk.place, last);
        }
        Err(Errno::LOOP.into())
    }
}

/// A way through the tree.
struct Walk<'a> {
    place: Place,
    todo: VecDeque<Vec<u8>>,
    links: u32,
    made: &'a mut Vec<Vec<u8>>,
    owner: (u32, u32),
}

impl Walk<'_> {
    fn step(&mut self, top: &Place, name: &[u8], missing: Missing) -> io::Result<()> {
        if name == b".." {
            if self.place.0.len() > top.0.len() {
                self.place.0.pop();
            }
            return Ok(());
        }
        match self.place.look(name)? {
            Found::Directory(inner) => self.place = inner,
            Found::Nothing if missing == Missing::Make => {
                self.place = self.place.make_directory(name, PARENT_MODE)?;
                if self.owner != (0, 0) {
                    disk::set_owner(self.place.upper()?, self.owner)?;
                }
                self.made.push(self.place.path());
            }
            Found::Nothing => return Err(Errno::NOENT.into()),
            Found::Other(Other { stat, is_upper }) if disk::kind(&stat) == FileType::Symlink => {
                self.links += 1;
                if self.links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = disk::read_link(self.place.side(is_upper)?, name)?;
                if target.starts_with(b"/") {
                    self.place = top.clone();
                }
                for component in components(&target).into_iter().rev() {
                    self.todo.push_front(component);
                }
            }
            Found::Other(_) => return Err(Errno::NOTDIR.into()),
        }
        Ok(())
    }
}

/// Returns the components of a path that mean something.
fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

impl Place {
    fn level(&self) -> &Level {
        self.0.last().expect("a place has at least the root")
    }

    /// Returns its path in the tree, without a slash at the beginning; empty for the root.
    pub(crate) fn path(&self) -> Vec<u8> {
        let mut path = Vec::new();
        for level in &self.0[1..] {
            crate::layer::node::enter(&mut path, &level.name);
        }
        path
    }

    /// Returns one of the two directories that it is made of.
    pub(crate) fn side(&self, is_upper: bool) -> io::Result<BorrowedFd<'_>> {
        let level = self.level();
        let fd = if is_upper { level.upper.get() } else { level.below.as_ref() };
        fd.map(AsFd::as_fd).ok_or_else(|| Errno::NOENT.into())
    }

    /// Returns what a name in it means. Follows no link.
    pub(crate) fn look(&self, name: &[u8]) -> io::Result<Found> {
        let level = self.level();
        let below = || match &level.below {
            Some(below) => Ok(disk::look(below, name)?.filter(|stat| !disk::is_whiteout(stat))),
            None => io::Result::Ok(None),
        };
        if let Some(upper) = level.upper.get()
            && let Some(stat) = disk::look(upper, name)?
        {
            if disk::is_whiteout(&stat) {
                return Ok(Found::Nothing);
            }
            if disk::kind(&stat) != FileType::Directory {
                return Ok(Found::Other(Other { stat, is_upper: true }));
            }
            let open = disk::open_dir(upper, name)?;
            let is_merged = below()?.is_some_and(|stat| disk::kind(&stat) == FileType::Directory)
                && !xattrs::read(open.as_fd())?.marks.opaque;
            return self.inner(name, OnceLock::from(open), is_merged);
        }
        match below()? {
            Some(stat) if disk::kind(&stat) == FileType::Directory => self.inner(name, OnceLock::new(), true),
            Some(stat) => Ok(Found::Other(Other { stat, is_upper: false })),
            None => Ok(Found::Nothing),
        }
    }

    fn inner(&self, name: &[u8], upper: OnceLock<OwnedFd>, is_merged: bool) -> io::Result<Found> {
        let below = match &self.level().below {
            Some(below) if is_merged => Some(disk::open_dir(below, name)?),
            _ => None,
        };
        Ok(Found::Directory(self.with(Level { name: name.to_vec(), upper, below })))
    }

    fn with(&self, level: Level) -> Self {
        let mut levels = self.0.clone();
        levels.push(Arc::new(level));
        Self(levels)
    }

    /// Returns it in the upper directory, where it is made like the one below if it was not there yet.
    pub(crate) fn upper(&self) -> io::Result<BorrowedFd<'_>> {
        let level = self.level();
        if let Some(upper) = level.upper.get() {
            return Ok(upper.as_fd());
        }
        let outer = Self(self.0[..self.0.len() - 1].to_vec());
        let outer = outer.upper()?;
        match rustix::fs::mkdirat(outer, level.name.as_slice(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let made = disk::open_dir(outer, &level.name)?;
        if let Some(below) = &level.below {
            take_attributes(made.as_fd(), below.as_fd())?;
        }
        Ok(level.upper.get_or_init(|| made).as_fd())
    }

    /// Returns the names in it.
    pub(crate) fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let level = self.level();
        let mut names = match &level.below {
            Some(below) => disk::names(below)?,
            None => Vec::new(),
        };
        if let Some(upper) = level.upper.get() {
            names.extend(disk::names(upper)?);
        }
        names.sort_unstable();
        names.dedup();
        let mut seen = Vec::with_capacity(names.len());
        for name in names {
            if !matches!(self.look(&name)?, Found::Nothing) {
                seen.push(name);
            }
        }
        Ok(seen)
    }
}
