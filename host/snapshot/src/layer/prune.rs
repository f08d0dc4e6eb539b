// SPDX-License-Identifier: Apache-2.0
//! Brings an upper directory into the normal form: what is not a change goes, times and marks are set right.
//!
//! The rule for a directory's time: one whose names are what they were below has the time that it had below, whatever
//! was written into it and taken out again. Any other time is the entry's own, but not later than the build's.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::FileType;

use super::node::{Directory, File, FileId, Kind, Node, Standing, enter};
use super::survey::Group;
use crate::disk;
use crate::normalise::{LeftOut, NormaliseError};
use crate::xattrs;

/// Edits an upper directory and its tree alike.
pub(crate) struct Prune<'a> {
    epoch: i64,
    groups: &'a BTreeMap<FileId, Group>,
    path: Vec<u8>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl<'a> Prune<'a> {
    pub(crate) fn new(epoch: u64, groups: &'a BTreeMap<FileId, Group>) -> Self {
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        Self { epoch, groups, path: Vec::new(), left_out: Vec::new() }
    }

    /// Prunes what is in a directory, then sets its own attributes.
    pub(crate) fn directory(&mut self, dir: BorrowedFd<'_>, node: &mut Node) -> Result<(), NormaliseError> {
        let Kind::Directory(directory) = &mut node.kind else { return Ok(()) };
        let names_changed = self.children(dir, directory)?;
        let result = self.attributes(dir, directory, node.standing, (node.mode, node.owner));
        result.map_err(|source| self.unchanged(source))?;
        let seconds = match node.standing {
            Standing::Equal(below) | Standing::Changed(below) | Standing::Adopted(below) if !names_changed => below,
            _ => self.clamp(node.mtime.0),
        };
        // Removing names has changed the time on disk: it is set even where it was right before.
        disk::set_time(dir, seconds).map_err(|source| self.unchanged(source))?;
        node.mtime = (seconds, 0);
        Ok(())
    }

    /// Returns whether names came or went, compared with what lies below.
    fn children(&mut self, dir: BorrowedFd<'_>, directory: &mut Directory) -> Result<bool, NormaliseError> {
        let mut names_changed = false;
        let mut kept = Vec::with_capacity(directory.children.len());
        for mut child in std::mem::take(&mut directory.children) {
            let length = enter(&mut self.path, &child.name);
            if self.child(dir, &mut child)? {
                names_changed |= matches!(child.standing, Standing::New | Standing::Idle);
                kept.push(child);
            }
            self.path.truncate(length);
        }
        directory.children = kept;
        Ok(names_changed)
    }

    /// Returns whether an entry stays.
    fn child(&mut self, dir: BorrowedFd<'_>, node: &mut Node) -> Result<bool, NormaliseError> {
        let is_same = matches!(node.standing, Standing::Equal(_) | Standing::Adopted(_) | Standing::Idle);
        match node.kind {
            Kind::Directory(_) => {
                let inner = disk::open_dir(dir, &node.name).map_err(|source| self.unchanged(source))?;
                self.directory(inner.as_fd(), node)?;
                if is_same && node.children().is_empty() {
                    disk::remove_dir(dir, &node.name).map_err(|source| self.unchanged(source))?;
                    return Ok(false);
                }
                return Ok(true);
            }
            Kind::Unfit { kind, hides } => return self.leave_out(dir, node, kind, hides),
            Kind::Whiteout { made: false } => {
                disk::make_whiteout(dir, &node.name).map_err(|source| self.unchanged(source))?;
                return Ok(true);
            }
            // A name of a file that has another name which is a change.
            Kind::File(File { link: Some(id), .. })
                if matches!(node.standing, Standing::Equal(_))
                    && !self.groups.get(&id).is_some_and(Group::is_equal) =>
            {
                return self.keep(dir, node);
            }
            _ => {}
        }
        if is_same {
            disk::unlink(dir, &node.name).map_err(|source| self.unchanged(source))?;
            return Ok(false);
        }
        self.keep(dir, node)
    }

    /// Sets the time of what stays.
    fn keep(&mut self, dir: BorrowedFd<'_>, node: &mut Node) -> Result<bool, NormaliseError> {
        let seconds = self.clamp(node.mtime.0);
        if node.mtime != (seconds, 0) && !matches!(node.kind, Kind::Whiteout { .. }) {
            disk::set_time_at(dir, &node.name, seconds).map_err(|source| self.unchanged(source))?;
            node.mtime = (seconds, 0);
        }
        Ok(true)
    }

    /// Removes what a layer cannot hold. What it hid stays hidden.
    fn leave_out(
        &mut self,
        dir: BorrowedFd<'_>,
        node: &mut Node,
        kind: FileType,
        hides: bool,
    ) -> Result<bool, NormaliseError> {
        self.left_out.push(LeftOut { path: disk::path_of(&self.path), kind: describe(kind) });
        disk::unlink(dir, &node.name).map_err(|source| self.unchanged(source))?;
        if hides {
            disk::make_whiteout(dir, &node.name).map_err(|source| self.unchanged(source))?;
            node.kind = Kind::Whiteout { made: true };
            node.standing = Standing::New;
        }
        Ok(hides)
    }

    fn attributes(
        &self,
        dir: BorrowedFd<'_>,
        directory: &mut Directory,
        standing: Standing,
        (mode, owner): (u32, (u32, u32)),
    ) -> io::Result<()> {
        xattrs::strip(dir, &directory.xattrs.foreign, directory.opaque)?;
        directory.xattrs.foreign.clear();
        if matches!(standing, Standing::Adopted(_)) {
            disk::set_owner(dir, owner)?;
            disk::set_mode(dir, mode)?;
            xattrs::replace(dir, &directory.xattrs.carried)?;
        }
        Ok(())
    }

    fn clamp(&self, seconds: i64) -> i64 {
        seconds.clamp(0, self.epoch)
    }

    fn unchanged(&self, source: io::Error) -> NormaliseError {
        NormaliseError::Change { path: self.here(), source }
    }

    fn here(&self) -> PathBuf {
        disk::path_of(&self.path)
    }
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        _ => "special file",
    }
}
