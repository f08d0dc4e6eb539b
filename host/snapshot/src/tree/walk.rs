// SPDX-License-Identifier: Apache-2.0
//! Reads a subtree of a source, link by link as it is, and leaves out what the patterns say.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use wythe_sys::root::Root;

use super::patterns::{Patterns, Verdict};
use super::{Leaf, LeafKind, Selection, Stamp};
use crate::abreast::{EntryOf, Listing, Look, list};
use crate::disk;
use crate::normalise::LeftOut;

/// A source that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}` of the source", path.display().to_string().escape_debug())]
pub struct TreeError {
    /// Relative to the source.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl Selection {
    /// Returns all that is at `path` of a source: a directory with its content, or one file or link, which gets its own name.
    /// Links in `path` are followed inside the source; those below it are taken as they are.
    ///
    /// `exclude` gets paths relative to `path`, and with a directory leaves out what is in it.
    ///
    /// # Errors
    ///
    /// When something is not there or cannot be read.
    pub fn whole(root: &Root, path: &Path, exclude: &(dyn Fn(&Path) -> bool + Sync)) -> Result<Self, TreeError> {
        let failed = |source| TreeError { path: path.into(), source };
        let mut selection = Self::default();
        let open = root.locate(path).map_err(failed)?;
        let stat = rustix::fs::fstat(&open).map_err(|error| failed(error.into()))?;
        if disk::kind(&stat) == FileType::Directory {
            let none = Patterns::default();
            let rules = Rules { exclude, ..Rules::new(&none, &none) };
            let leaf = leaf(path.into(), PathBuf::new(), LeafKind::Directory, &stat);
            selection.leaves.push(leaf);
            let inner = root.descend(path).map_err(failed)?;
            selection.append(walk(&rules, inner.as_fd(), Way::new(path, Path::new("")))?);
        } else {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            selection.add(path.into(), name, &stat, || Ok(Vec::new()))?;
            selection.is_single = true;
        }
        Ok(selection)
    }

    /// Adds what was found after what is there.
    pub(super) fn append(&mut self, mut found: Self) {
        self.leaves.append(&mut found.leaves);
        self.left_out.append(&mut found.left_out);
    }

    /// Adds something that is no directory.
    pub(super) fn add(
        &mut self,
        path: PathBuf,
        at: PathBuf,
        stat: &Stat,
        target: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<(), TreeError> {
        self.put(entry(path, at, stat, target)?);
        Ok(())
    }

    fn put(&mut self, entry: Entry) {
        match entry {
            Entry::Leaf(leaf) => self.leaves.push(leaf),
            Entry::LeftOut(left_out) => self.left_out.push(left_out),
        }
    }
}

/// What is at a name.
pub(super) enum Entry {
    Leaf(Leaf),
    LeftOut(LeftOut),
}

/// Returns what something is that is no directory.
fn entry(
    path: PathBuf,
    at: PathBuf,
    stat: &Stat,
    target: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Entry, TreeError> {
    let kind = match disk::kind(stat) {
        FileType::RegularFile => LeafKind::File(None),
        FileType::Symlink => match target() {
            Ok(target) => LeafKind::Symlink(target),
            Err(source) => return Err(TreeError { path, source }),
        },
        FileType::Fifo => return Ok(Entry::LeftOut(LeftOut { path, kind: "named pipe" })),
        FileType::Socket => return Ok(Entry::LeftOut(LeftOut { path, kind: "socket" })),
        _ => return Ok(Entry::LeftOut(LeftOut { path, kind: "device" })),
    };
    Ok(Entry::Leaf(leaf(path, at, kind, stat)))
}

/// Returns a leaf of what was looked at.
pub(super) fn leaf(path: PathBuf, at: PathBuf, kind: LeafKind, stat: &Stat) -> Leaf {
    let mode = stat.st_mode & disk::MODE_BITS;
    Leaf { path, at, kind, mode, owner: (stat.st_uid, stat.st_gid), stamp: Stamp::of(stat) }
}

/// What is left out.
pub(super) struct Rules<'a> {
    /// Patterns of paths relative to the source.
    outer: &'a Patterns,
    /// Patterns of paths relative to what was named.
    inner: &'a Patterns,
    /// The same as a function.
    exclude: &'a (dyn Fn(&Path) -> bool + Sync),
}

impl<'a> Rules<'a> {
    pub(super) fn new(outer: &'a Patterns, inner: &'a Patterns) -> Self {
        Self { outer, inner, exclude: &|_| false }
    }
}

/// How far a walk has come.
pub(super) struct Way {
    /// Relative to the source.
    path: PathBuf,
    /// Relative to what was named.
    inside: PathBuf,
    /// Relative to the destination.
    at: PathBuf,
    outer: Verdict,
    inner: Verdict,
    depth: usize,
}

impl Way {
    /// Returns the beginning of a walk of the directory `path`, whose content goes to `at`.
    pub(super) fn new(path: &Path, at: &Path) -> Self {
        let (outer, inner) = (Verdict::default(), Verdict::default());
        Self { path: path.into(), inside: PathBuf::new(), at: at.into(), outer, inner, depth: 0 }
    }

    /// Returns the same with what the patterns already say about the directory.
    pub(super) fn with_outer(self, outer: Verdict) -> Self {
        Self { outer, ..self }
    }

    fn step(&self, name: &[u8], rules: &Rules<'_>) -> Self {
        let name = disk::path_of(name);
        let (path, inside) = (self.path.join(&name), self.inside.join(&name));
        let outer = rules.outer.verdict(&path, self.outer);
        let inner = rules.inner.verdict(&inside, self.inner);
        Self { at: self.at.join(&name), path, inside, outer, inner, depth: self.depth + 1 }
    }

    /// Returns whether this is left out, and whether all in it is.
    fn is_out(&self, rules: &Rules<'_>) -> (bool, bool) {
        let (outer, inner) = (rules.outer.is_out(self.outer), rules.inner.is_out(self.inner));
        let by_function = (rules.exclude)(&self.inside);
        let for_good =
            by_function || outer && rules.outer.is_final(self.outer) || inner && rules.inner.is_final(self.inner);
        (outer || inner || by_function, for_good)
    }
}

/// Returns the content of an open directory, in the order of the names.
pub(super) fn walk(rules: &Rules<'_>, dir: BorrowedFd<'_>, way: Way) -> Result<Selection, TreeError> {
    let mut selection = Selection::default();
    add(&mut selection, list(rules, dir, way)?);
    Ok(selection)
}

fn add(selection: &mut Selection, listing: Listing<Rules<'_>>) {
    listing.each(&mut |(entry, is_out), inner| {
        let own = selection.leaves.len();
        selection.put(entry);
        if let Some(inner) = inner {
            add(selection, inner);
            // A directory that is left out is there all the same where something in it is not.
            if is_out && selection.leaves.len() == own + 1 {
                selection.leaves.truncate(own);
            }
        }
    });
}

impl Look for Rules<'_> {
    type Way = Way;
    /// What is there, and whether it is left out, which may be said of directories only.
    type Entry = (Entry, bool);
    type Own = ();
    type Error = TreeError;

    fn directory(&self, _: BorrowedFd<'_>, way: &Way) -> Result<(), TreeError> {
        disk::check_depth(way.depth).map_err(|source| self.unread(way, source))
    }

    fn entry(&self, dir: BorrowedFd<'_>, name: &[u8], way: &Way) -> EntryOf<Self> {
        let next = way.step(name, self);
        let (is_out, for_good) = next.is_out(self);
        if for_good {
            return Ok(None);
        }
        let stat = disk::look(dir, name).map_err(|source| self.unread(&next, source))?;
        let stat = stat.ok_or_else(|| self.unread(&next, io::ErrorKind::NotFound.into()))?;
        if disk::kind(&stat) == FileType::Directory {
            let directory = leaf(next.path.clone(), next.at.clone(), LeafKind::Directory, &stat);
            return Ok(Some(((Entry::Leaf(directory), is_out), Some(next))));
        }
        if is_out {
            return Ok(None);
        }
        Ok(Some(((entry(next.path, next.at, &stat, || disk::read_link(dir, name))?, false), None)))
    }

    fn unread(&self, way: &Way, source: io::Error) -> TreeError {
        TreeError { path: way.path.clone(), source }
    }
}
