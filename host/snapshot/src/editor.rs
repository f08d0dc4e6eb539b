// SPDX-License-Identifier: Apache-2.0
//! Edits of a merged tree by the host itself, without running anything in it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use wythe_sys::cancel::Cancel;
use wythe_sys::root::Root;

use crate::disk;
use crate::normalise::{NormaliseError, open_below, prepare};
use crate::union::{Found, Missing, PARENT_MODE, Place, Union};

mod copy;
mod mode;
mod owner;
mod unpack;
mod write;

pub use copy::CopyError;
pub use mode::{ModeEdit, ModeError};
pub use owner::OwnerError;
pub use unpack::{Unpack, UnpackError, Unpacked};

use write::{Looks, Writer};

/// Edits a merged tree. What it writes is in the upper directory when the editor is dropped; nothing has to be closed.
///
/// Paths are absolute names in the tree; links in it are followed inside it and never out of it. Directories that a
/// path needs are made, mode 0755, with the owner that what is put into them is given, 0:0 where it is given none. What
/// has no time of its own has the build's, and nothing a later one.
#[derive(Debug)]
pub struct Editor {
    tree: Union,
    epoch: i64,
    /// Time of directories that nobody asked for.
    parent_time: i64,
    /// Times of directories, set when nothing more is put into them.
    times: BTreeMap<Vec<u8>, i64>,
    writer: Writer,
}

/// What is written instead of what the source says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// User and group.
    pub owner: Option<(u32, u32)>,
    /// Mode bits.
    pub mode: Option<u32>,
    /// Changes of the mode bits that something has otherwise.
    pub mode_edit: Option<ModeEdit>,
    /// Modification time in seconds since 1970.
    pub time: Option<u64>,
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The tree could not be opened.
    #[error("cannot open the tree")]
    Open(#[source] NormaliseError),
    /// The change could not be made.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// In the tree.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The root cannot be removed or replaced.
    #[error("`{}` is the root", path.display())]
    Root {
        /// In the tree.
        path: PathBuf,
    },
}

impl Attributes {
    /// Returns the mode bits of something that has `mode` otherwise.
    pub(crate) fn mode_of(&self, mode: u32, is_directory: bool) -> u32 {
        let mode = self.mode.unwrap_or(mode);
        self.mode_edit.map_or(mode, |edit| edit.apply(mode, is_directory))
    }
}

impl Editor {
    /// Opens a tree for changes, which go to its upper directory; what is below is only read. Nothing is mounted.
    ///
    /// `epoch` is the time that the build pretends it is. An empty upper directory gets the attributes of the root below.
    ///
    /// # Errors
    ///
    /// When a directory cannot be opened.
    pub fn open(path: &Path, below: Option<&Root>, epoch: u64) -> Result<Self, EditError> {
        let open = |source| EditError::Open(NormaliseError::Open { path: path.into(), source });
        let upper = disk::open_path(path).map_err(open)?;
        if disk::names(&upper).map_err(open)?.is_empty() {
            prepare(path, below).map_err(EditError::Open)?;
        }
        let below = open_below(below).map_err(EditError::Open)?;
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        let tree = Union::new(upper, below);
        Ok(Self { tree, epoch, parent_time: epoch, times: BTreeMap::new(), writer: Writer::new(None) })
    }

    /// Lets edits fail once somebody asks to stop. What was written by then stays in the upper directory.
    pub fn stop_with(&mut self, cancel: Cancel) {
        self.writer.cancel = Some(cancel);
    }

    /// Writes a small file, mode 0644 and owner 0:0 unless `attributes` says otherwise. Replaces a file or link.
    ///
    /// # Errors
    ///
    /// When it cannot be written, for example because a directory is in its place.
    pub fn put(&mut self, path: &Path, bytes: &[u8], attributes: &Attributes) -> Result<(), EditError> {
        let looks = self.looks(attributes, 0o644);
        self.own_parents(attributes);
        self.edit(path, Missing::Make, |editor, place, name| {
            editor.writer.write_file(place, name, &mut &bytes[..], bytes.len() as u64, &looks)
        })
    }

    /// Writes a file with the content of another one, mode 0644 and owner 0:0 unless `attributes` says otherwise. Replaces a
    /// file or link.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written.
    pub fn put_file(
        &mut self,
        path: &Path,
        content: &mut std::fs::File,
        attributes: &Attributes,
    ) -> Result<(), EditError> {
        let looks = self.looks(attributes, 0o644);
        self.own_parents(attributes);
        self.edit(path, Missing::Make, |editor, place, name| {
            let size = content.metadata()?.len();
            editor.writer.write_copy(place, name, content, size, &looks)
        })
    }

    /// Makes a directory and those it lies in. One that is there stays as it is.
    ///
    /// # Errors
    ///
    /// When something else is in its place.
    pub fn mkdir(&mut self, path: &Path, attributes: &Attributes) -> Result<(), EditError> {
        let failed = |source| EditError::Write { path: path.into(), source };
        let bytes = path.as_os_str().as_bytes();
        let is_there = match self.tree.directory(bytes, Missing::Fail) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(failed(error)),
        };
        if is_there {
            return Ok(());
        }
        self.own_parents(attributes);
        let place = self.tree.directory(bytes, Missing::Make).map_err(failed)?;
        let looks = self.looks(attributes, PARENT_MODE);
        self.dress(&place, &looks).map_err(failed)?;
        self.settle().map_err(failed)
    }

    /// Makes a symbolic link. Replaces a file or link.
    ///
    /// # Errors
    ///
    /// When it cannot be made, for example because a directory is in its place.
    pub fn symlink(&mut self, target: &Path, path: &Path) -> Result<(), EditError> {
        let looks = self.looks(&Attributes::default(), 0o777);
        self.own_parents(&Attributes::default());
        self.edit(path, Missing::Make, |editor, place, name| {
            editor.write_link(place, name, target.as_os_str().as_bytes(), &looks)
        })
    }

    /// Removes a file, a link or a tree. Nothing there is fine.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub fn remove(&mut self, path: &Path) -> Result<(), EditError> {
        let result = self.edit(path, Missing::Fail, |editor, place, name| {
            editor.tree.forget();
            place.remove(name).map(|_| ())
        });
        match result {
            Err(EditError::Write { source, .. }) if is_absent(&source) => Ok(()),
            result => result,
        }
    }

    /// Returns whether a path names a directory, links followed.
    ///
    /// # Errors
    ///
    /// When the tree cannot be read.
    pub fn is_directory(&mut self, path: &Path) -> Result<bool, EditError> {
        match self.tree.directory(path.as_os_str().as_bytes(), Missing::Fail) {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(source) => Err(EditError::Write { path: path.into(), source }),
        }
    }

    /// Opens an empty layer directory by itself.
    pub(crate) fn of_layer(path: &Path) -> Result<Self, EditError> {
        let mut editor = Self::open(path, None, u64::MAX)?;
        editor.parent_time = 0;
        editor.times.insert(Vec::new(), 0);
        Ok(editor)
    }

    /// Returns the directory that a path names, links followed.
    pub(crate) fn directory(&mut self, path: &[u8], missing: Missing) -> io::Result<Place> {
        self.tree.directory(path, missing)
    }

    /// Marks a name of a layer as gone. What the layer itself has there stays, and hides what is below.
    pub(crate) fn set_mark(&mut self, parent: &[u8], name: &[u8]) -> io::Result<()> {
        let place = self.tree.directory(parent, Missing::Make)?;
        match place.look(name)? {
            Found::Directory(inner) => crate::xattrs::set_opaque(inner.upper()?),
            Found::Other(_) => Ok(()),
            Found::Nothing if place.is_marked(name)? => Ok(()),
            Found::Nothing => disk::make_whiteout(place.upper()?, name),
        }
    }

    /// Says whose directories are that the next edit has to make.
    fn own_parents(&mut self, attributes: &Attributes) {
        self.tree.set_owner(attributes.owner.unwrap_or((0, 0)));
    }

    fn edit(
        &mut self,
        path: &Path,
        missing: Missing,
        change: impl FnOnce(&mut Self, &Place, &[u8]) -> io::Result<()>,
    ) -> Result<(), EditError> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.iter().all(|byte| matches!(byte, b'/' | b'.')) {
            return Err(EditError::Root { path: path.into() });
        }
        let failed = |source| EditError::Write { path: path.into(), source };
        let (place, name) = self.tree.parent(bytes, missing).map_err(failed)?;
        change(self, &place, name).and_then(|()| self.settle()).map_err(failed)
    }

    /// Reads a file of the tree, links followed; none where there is none.
    fn read(&mut self, path: &[u8], limit: u64) -> io::Result<Option<Vec<u8>>> {
        use std::io::Read as _;
        let (place, name, found) = match self.tree.find(path) {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Found::Other(other) = found else { return Ok(None) };
        let mut bytes = Vec::new();
        if disk::kind(&other.stat).is_file() {
            let file = std::fs::File::from(disk::open_file(place.side(other.is_upper)?, &name)?);
            file.take(limit).read_to_end(&mut bytes)?;
        }
        Ok(Some(bytes))
    }

    /// Returns how something looks that has no source.
    fn looks(&self, attributes: &Attributes, mode: u32) -> Looks {
        Looks {
            owner: attributes.owner.unwrap_or((0, 0)),
            mode: attributes.mode_of(mode, false),
            time: self.clamp(attributes.time.map_or(self.epoch, |time| i64::try_from(time).unwrap_or(i64::MAX))),
            xattrs: Vec::new(),
        }
    }

    fn clamp(&self, time: i64) -> i64 {
        time.clamp(0, self.epoch)
    }
}

/// Returns whether an error says that a path leads nowhere.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
