// SPDX-License-Identifier: Apache-2.0
//! From a tree to the bytes of its archive.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::marks::Mark;
use super::node::{Directory, File, FileId, Kind, Node, enter};
use crate::disk;
use crate::editor::is_absent;
use crate::tar::stream::{Stream, StreamError};
use crate::tar::write::{END, Entry, EntryKind, append_header, pad};
use crate::xattrs;

/// Prefix of a name that says that the rest of it is gone (image-spec, layer.md, "Whiteouts").
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// The name that says that nothing below its directory is seen.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";

/// Why a tree did not become an archive.
#[derive(Debug)]
pub(crate) enum EmitError {
    /// The tree could not be read.
    Read { path: PathBuf, source: io::Error },
    /// The receiver did not take the bytes.
    Output(io::Error),
}

/// What is done on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The tree is only read.
    Reading,
    /// Attributes of files that a normal layer does not have are removed.
    Stripping,
}

/// Writes archives; remembers the first names of files that have several.
pub(crate) struct Emitter<'out> {
    stream: Stream<'out>,
    manner: Manner,
    first_names: BTreeMap<FileId, Vec<u8>>,
    /// Reused for each header.
    header: Vec<u8>,
    path: Vec<u8>,
    entries: u64,
    /// The entry with which to begin: those before it are passed over.
    begin_at: Option<Vec<u8>>,
}

/// A directory in each part of a layer that has it.
type Dirs<'a> = [Option<BorrowedFd<'a>>];

impl<'out> Emitter<'out> {
    pub(crate) fn new(stream: Stream<'out>, manner: Manner) -> Self {
        let first_names = BTreeMap::new();
        let (header, path) = (Vec::new(), Vec::new());
        Self { stream, manner, first_names, header, path, entries: 0, begin_at: None }
    }

    /// Prepares to write the rest of an archive from a mark on; none where the mark is none.
    pub(crate) fn resume(mark: &Mark) -> Option<Self> {
        let begin_at = Some(mark.path.clone());
        Some(Self { begin_at, ..Self::new(Stream::resume(mark)?, Manner::Reading) })
    }

    /// Writes a whole tree, which lies in these directories, and its end. Returns the stream and the number of entries.
    pub(crate) fn tree(mut self, dirs: &[impl AsFd], root: &Node) -> Result<(Stream<'out>, u64), EmitError> {
        if let Kind::Directory(directory) = &root.kind {
            if self.begin_at.is_none() {
                self.directory_header(root, directory, b"./")?;
            }
            let dirs: Vec<_> = dirs.iter().map(|dir| Some(dir.as_fd())).collect();
            self.children(&dirs, directory)?;
        }
        self.stream.put(&END).map_err(|error| self.failed(error))?;
        Ok((self.stream, self.entries))
    }

    fn children(&mut self, dirs: &Dirs<'_>, directory: &Directory) -> Result<(), EmitError> {
        if directory.opaque && self.begin_at.is_none() {
            self.mark(OPAQUE)?;
        }
        for child in &directory.children {
            let length = enter(&mut self.path, &child.name);
            if !self.is_passed_over() {
                self.entry(dirs, child, length)?;
            }
            self.path.truncate(length);
        }
        Ok(())
    }

    /// Whether all of an entry, with what is in it, stands before the one to begin with.
    fn is_passed_over(&mut self) -> bool {
        let Some(first) = &self.begin_at else { return false };
        if *first == self.path {
            self.begin_at = None;
            return false;
        }
        !(first.starts_with(&self.path) && first[self.path.len()] == b'/')
    }

    fn entry(&mut self, dirs: &Dirs<'_>, node: &Node, parent: usize) -> Result<(), EmitError> {
        // On the way to the first entry nothing is written.
        let is_on_the_way = self.begin_at.is_some();
        if !is_on_the_way {
            self.stream.begin(&self.path);
        }
        match &node.kind {
            Kind::Directory(directory) => {
                if !is_on_the_way {
                    let path = [&self.path[..], b"/"].concat();
                    self.directory_header(node, directory, &path)?;
                }
                let inner = open_dirs(dirs, &node.name).map_err(|source| self.unread(source))?;
                let inner: Vec<_> = inner.iter().map(|dir| dir.as_ref().map(AsFd::as_fd)).collect();
                self.children(&inner, directory)
            }
            Kind::File(file) => {
                let missing =
                    || EmitError::Read { path: disk::path_of(&self.path), source: io::ErrorKind::NotFound.into() };
                let dir = dirs.get(node.part).copied().flatten().ok_or_else(missing)?;
                self.file(dir, node, *file)
            }
            Kind::Symlink(target) => self.header(node, EntryKind::Symlink(target), &[]),
            Kind::Fifo => self.header(node, EntryKind::Fifo, &[]),
            Kind::Whiteout { .. } => {
                self.path.truncate(parent);
                self.mark(&[WHITEOUT, &node.name].concat())
            }
            Kind::Unfit { .. } => Ok(()),
        }
    }

    fn file(&mut self, dir: BorrowedFd<'_>, node: &Node, file: File) -> Result<(), EmitError> {
        if let Some(id) = file.link {
            if let Some(first) = self.first_names.get(&id).cloned() {
                return self.header(node, EntryKind::HardLink(&first), &[]);
            }
            self.first_names.insert(id, self.path.clone());
        }
        let open = disk::open_file(dir, &node.name).map_err(|source| self.unread(source))?;
        let xattrs = xattrs::read(open.as_fd()).map_err(|source| self.unread(source))?;
        if self.manner == Manner::Stripping && !xattrs.foreign.is_empty() {
            xattrs::strip(open.as_fd(), &xattrs.foreign, false).map_err(|source| self.unread(source))?;
        }
        self.header(node, EntryKind::File(file.size), &xattrs.carried)?;
        self.stream.fill(&open, file.size).map_err(|error| self.failed(error))?;
        self.header.clear();
        pad(&mut self.header, file.size);
        self.put()
    }

    fn directory_header(&mut self, node: &Node, directory: &Directory, path: &[u8]) -> Result<(), EmitError> {
        let entry = entry(node, path, EntryKind::Directory, &directory.xattrs.carried);
        self.put_header(&entry)
    }

    fn header(&mut self, node: &Node, kind: EntryKind<'_>, xattrs: &[xattrs::Xattr]) -> Result<(), EmitError> {
        let path = std::mem::take(&mut self.path);
        let result = self.put_header(&entry(node, &path, kind, xattrs));
        self.path = path;
        result
    }

    /// Writes an empty file whose name is the message: it has no owner, mode or time of its own.
    fn mark(&mut self, name: &[u8]) -> Result<(), EmitError> {
        let mut path = self.path.clone();
        enter(&mut path, name);
        self.put_header(&Entry { path: &path, kind: EntryKind::File(0), mode: 0, owner: (0, 0), mtime: 0, xattrs: &[] })
    }

    fn put_header(&mut self, entry: &Entry<'_>) -> Result<(), EmitError> {
        self.entries += 1;
        self.header.clear();
        append_header(&mut self.header, entry);
        self.put()
    }

    fn put(&mut self) -> Result<(), EmitError> {
        self.stream.put(&self.header).map_err(|error| self.failed(error))
    }

    fn unread(&self, source: io::Error) -> EmitError {
        EmitError::Read { path: disk::path_of(&self.path), source }
    }

    fn failed(&self, error: StreamError) -> EmitError {
        match error {
            StreamError::Read(source) => self.unread(source),
            StreamError::Write(source) => EmitError::Output(source),
        }
    }
}

/// Opens a directory in each part that has it; one of them does.
fn open_dirs(dirs: &Dirs<'_>, name: &[u8]) -> io::Result<Vec<Option<OwnedFd>>> {
    let open = |dir: &Option<BorrowedFd<'_>>| match dir.map(|dir| disk::open_dir(dir, name)) {
        Some(Err(error)) if dirs.len() > 1 && is_absent(&error) => Ok(None),
        opened => opened.transpose(),
    };
    dirs.iter().map(open).collect()
}

fn entry<'a>(node: &Node, path: &'a [u8], kind: EntryKind<'a>, xattrs: &'a [xattrs::Xattr]) -> Entry<'a> {
    // Nothing reads the mode of a link; every system reports it as this.
    let mode = if matches!(kind, EntryKind::Symlink(_)) { 0o777 } else { node.mode };
    Entry { path, kind, mode, owner: node.owner, mtime: node.seconds(), xattrs }
}
