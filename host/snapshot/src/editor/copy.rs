// SPDX-License-Identifier: Apache-2.0
//! Files of another place into the tree.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::OFlags;
use wythe_sys::root::Root;

use super::write::{Looks, Writer};
use super::{Attributes, EditError, Editor};
use crate::disk;
use crate::tree::{DigestError, Leaf, LeafKind, Selection, TreeError, check_unchanged, open_unchanged};
use crate::union::{Found, Missing, Place};
use crate::xattrs;

/// Files of a build context whose places are found before they are written.
const BATCH: usize = 256;

/// Fewer are written sooner than another thread has begun.
const FEW: usize = 8;

/// Why files were not copied. What came before the failing one is in the tree.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source could not be read.
    #[error("cannot copy")]
    Tree(#[source] TreeError),
    /// A file of the source could not be read, or changed since it was chosen.
    #[error("cannot copy")]
    Source(#[source] DigestError),
    /// A file could not be written.
    #[error("cannot copy `{}` to `{}`", from.display().to_string().escape_debug(), to.display().to_string().escape_debug())]
    Write {
        /// Relative to the source.
        from: PathBuf,
        /// In the tree.
        to: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A directory that is not empty is where something else is to go.
    #[error("`{}` is a directory in the image, and {kind} in the source", to.display().to_string().escape_debug())]
    IsDirectory {
        /// In the tree.
        to: PathBuf,
        /// `a file`, `a link`.
        kind: &'static str,
    },
    /// The destination could not be looked at.
    #[error("cannot copy")]
    Edit(#[source] EditError),
}

/// What is kept of the source beside content and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Nothing: a build context's owners, times and extended attributes say something about the machine.
    Content,
    /// Owners, times, extended attributes and hard links: the source is a state.
    All,
}

impl Editor {
    /// Copies chosen files of a build context. Owner 0:0, the build's time and no extended attributes, unless `attributes`
    /// says otherwise: nothing is copied but what [`tree_digest`](crate::tree_digest) covers.
    ///
    /// `dest` is the new name of a single file, unless it ends in `/` or is a directory; otherwise it is a directory, which
    /// is made (mode 0755) where it is missing. Directories in it that are there get the attributes of the source's.
    /// A file that changed since it was chosen is an error, so that what is copied is what the digest was of.
    ///
    /// # Errors
    ///
    /// See [`CopyError`].
    pub fn copy(
        &mut self,
        source: &Root,
        selection: &Selection,
        dest: &Path,
        attributes: &Attributes,
    ) -> Result<(), CopyError> {
        self.copy_selection(source, selection, dest, attributes, Keep::Content)
    }

    /// Copies chosen files of another state, with their owners, times, extended attributes and hard links. Otherwise like
    /// [`Editor::copy`].
    ///
    /// # Errors
    ///
    /// See [`CopyError`].
    pub fn copy_state(
        &mut self,
        source: &Root,
        selection: &Selection,
        dest: &Path,
        attributes: &Attributes,
    ) -> Result<(), CopyError> {
        self.copy_selection(source, selection, dest, attributes, Keep::All)
    }

    /// Copies a path of another state: [`Selection::whole`] and [`Editor::copy_state`] at once.
    ///
    /// `exclude` gets paths relative to `path`, and with a directory leaves out what is in it.
    ///
    /// # Errors
    ///
    /// See [`CopyError`].
    pub fn copy_tree(
        &mut self,
        source: &Root,
        path: &Path,
        dest: &Path,
        exclude: &(dyn Fn(&Path) -> bool + Sync),
        attributes: &Attributes,
    ) -> Result<(), CopyError> {
        let selection = Selection::whole(source, path, exclude).map_err(CopyError::Tree)?;
        self.copy_selection(source, &selection, dest, attributes, Keep::All)
    }

    fn copy_selection(
        &mut self,
        source: &Root,
        selection: &Selection,
        dest: &Path,
        attributes: &Attributes,
        keep: Keep,
    ) -> Result<(), CopyError> {
        let is_file = selection.is_single
            && !dest.as_os_str().as_bytes().ends_with(b"/")
            && !self.is_directory(dest).map_err(CopyError::Edit)?;
        let mut links = BTreeMap::new();
        let mut waiting = Vec::new();
        self.own_parents(attributes);
        for leaf in &selection.leaves {
            let to = if is_file { dest.to_owned() } else { dest.join(&leaf.at) };
            let mut one = One { source, leaf, attributes, keep, links: &mut links };
            if keep == Keep::All || !matches!(leaf.kind, LeafKind::File(_)) {
                self.write_copies(source, &mut waiting)?;
                self.copy_leaf(&mut one, &to)?;
                continue;
            }
            let looks = self.leaf_looks(&one);
            match self.locate(leaf, looks, to) {
                Ok(file) => waiting.push(file),
                Err(error) => return self.write_copies(source, &mut waiting).and(Err(error)),
            }
            if waiting.len() == BATCH {
                self.write_copies(source, &mut waiting)?;
            }
        }
        self.write_copies(source, &mut waiting)?;
        let to = || dest.to_owned();
        self.settle().map_err(|source| CopyError::Write { from: PathBuf::new(), to: to(), source })
    }

    /// Finds the place of a file of a build context.
    fn locate<'a>(&mut self, leaf: &'a Leaf, looks: Looks, to: PathBuf) -> Result<Pending<'a>, CopyError> {
        let path = to.as_os_str().as_bytes();
        let found = self.tree.parent(path, Missing::Make).and_then(|(place, name)| {
            // Made here, and not by two that need it.
            place.upper()?;
            Ok((place, name.to_vec()))
        });
        let (place, name) = found.map_err(|source| unwritten(leaf, &to, source))?;
        Ok(Pending { leaf, place, name, looks, to })
    }

    /// Writes files of a build context, side by side where they are many.
    fn write_copies(&mut self, source: &Root, waiting: &mut Vec<Pending<'_>>) -> Result<(), CopyError> {
        let files = std::mem::take(waiting);
        let write = |writer: &mut Writer, file: &Pending<'_>| {
            file.write(open_unchanged(source, file.leaf).map_err(CopyError::Source)?, writer)
        };
        if files.len() < FEW {
            return files.iter().try_for_each(|file| write(&mut self.writer, file));
        }
        let writer = || Writer::new(self.writer.cancel.clone());
        let written: Vec<_> = files.par_iter().with_min_len(FEW).map_init(writer, write).collect();
        written.into_iter().collect()
    }

    fn copy_leaf(&mut self, one: &mut One<'_>, to: &Path) -> Result<(), CopyError> {
        let failed = |source| unwritten(one.leaf, to, source);
        let path = to.as_os_str().as_bytes();
        if one.leaf.kind == LeafKind::Directory {
            let xattrs = one.directory_xattrs().map_err(failed)?;
            let looks = Looks { xattrs, ..self.leaf_looks(one) };
            return self.copy_directory(one, path, &looks).map_err(failed);
        }
        let (place, name) = self.tree.parent(path, Missing::Make).map_err(failed)?;
        let id = (one.leaf.stamp.device, one.leaf.stamp.inode);
        if let Some(first) = one.links.get(&id) {
            let (from, target) = self.tree.parent(first, Missing::Fail).map_err(failed)?;
            return place.make_hard_link(name, &from, target).map_err(failed);
        }
        if let LeafKind::Symlink(target) = &one.leaf.kind {
            let looks = Looks { mode: 0o777, ..self.leaf_looks(one) };
            return self.write_link(&place, name, target, &looks).map_err(failed);
        }
        let file = open_unchanged(one.source, one.leaf).map_err(CopyError::Source)?;
        let xattrs = xattrs::read(file.as_fd()).map_err(failed)?.carried;
        let looks = Looks { xattrs, ..self.leaf_looks(one) };
        let path = [&place.path()[..], b"/", name].concat();
        let pending = Pending { leaf: one.leaf, place, name: name.to_vec(), looks, to: to.into() };
        pending.write(file, &mut self.writer)?;
        one.links.insert(id, path);
        Ok(())
    }

    fn copy_directory(&mut self, one: &One<'_>, path: &[u8], looks: &Looks) -> io::Result<()> {
        let is_top = one.leaf.at.as_os_str().is_empty();
        let is_there = match self.tree.directory(path, Missing::Fail) {
            Ok(_) if is_top => return Ok(()),
            Ok(place) => Some(place),
            Err(error) if super::is_absent(&error) => None,
            Err(error) => return Err(error),
        };
        let place = match is_there {
            Some(place) => place,
            None => self.make_way(path)?,
        };
        self.dress(&place, looks)
    }

    /// Makes a directory, in place of a file or link that is there.
    fn make_way(&mut self, path: &[u8]) -> io::Result<Place> {
        if path.iter().all(|byte| *byte == b'/') {
            return Ok(self.tree.root().clone());
        }
        let (place, name) = self.tree.parent(path, Missing::Make)?;
        if let Found::Other(_) = place.look(name)? {
            place.remove(name)?;
        }
        self.tree.forget();
        place.make_directory(name, crate::union::PARENT_MODE)
    }

    /// Returns what a leaf looks like, but for its extended attributes.
    fn leaf_looks(&self, one: &One<'_>) -> Looks {
        let owner = if one.keep == Keep::All { one.leaf.owner } else { (0, 0) };
        let seconds = i64::try_from(one.leaf.stamp.modified.div_euclid(1_000_000_000)).unwrap_or(0);
        let own = if one.keep == Keep::All { seconds } else { self.epoch };
        let time = one.attributes.time.map_or(own, |time| i64::try_from(time).unwrap_or(i64::MAX));
        Looks {
            owner: one.attributes.owner.unwrap_or(owner),
            mode: one.attributes.mode_of(one.leaf.mode & disk::MODE_BITS, one.leaf.kind == LeafKind::Directory),
            time: self.clamp(time),
            xattrs: Vec::new(),
        }
    }
}

/// Says why something was not written.
fn unwritten(leaf: &Leaf, to: &Path, source: io::Error) -> CopyError {
    match (&leaf.kind, source.kind()) {
        (LeafKind::Symlink(_), io::ErrorKind::IsADirectory) => CopyError::IsDirectory { to: to.into(), kind: "a link" },
        (LeafKind::File(_), io::ErrorKind::IsADirectory) => CopyError::IsDirectory { to: to.into(), kind: "a file" },
        _ => CopyError::Write { from: leaf.path.clone(), to: to.into(), source },
    }
}

/// A file whose place is known.
struct Pending<'a> {
    leaf: &'a Leaf,
    place: Place,
    name: Vec<u8>,
    looks: Looks,
    to: PathBuf,
}

impl Pending<'_> {
    fn write(&self, mut file: File, writer: &mut Writer) -> Result<(), CopyError> {
        let written = writer.write_copy(&self.place, &self.name, &mut file, self.leaf.stamp.size, &self.looks);
        written.map_err(|source| unwritten(self.leaf, &self.to, source))?;
        check_unchanged(&file, self.leaf).map_err(CopyError::Source)
    }
}

/// A leaf on its way into the tree.
struct One<'a> {
    source: &'a Root,
    leaf: &'a Leaf,
    attributes: &'a Attributes,
    keep: Keep,
    /// Files with several names that have been copied: where the first of them is.
    links: &'a mut BTreeMap<(u64, u64), Vec<u8>>,
}

impl One<'_> {
    fn directory_xattrs(&self) -> io::Result<Vec<xattrs::Xattr>> {
        if self.keep == Keep::Content {
            return Ok(Vec::new());
        }
        let open = self.source.resolve(&self.leaf.path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(xattrs::read(open.as_fd())?.carried)
    }
}
