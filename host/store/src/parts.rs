// SPDX-License-Identifier: Apache-2.0
//! Where the content of a layer lies: in one directory, or in the whole of another layer and a directory of its own.
//!
//! ```text
//! layers/<hex>/fs          a whole layer
//! layers/<hex>/on, top     one in two parts: the layer that it stands on, a whole one, and what is otherwise in it
//! layers/<hex>/over/<hex>  a layer that stands on this one
//! layers/<hex>/notes/      what its maker has noted, in a form of its own
//! ```
//!
//! A layer stays as long as one that stands on it is recorded: `over` is written before that one's record, by somebody
//! who leases both, and read by a collection that has the lock of this one.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wythe_image::Digest;

use crate::Store;
use crate::index::{Access, IndexError};
use crate::open::Inner;
use crate::recall::look;
use crate::record::{RecordError, digest_of};

/// The directory of a whole layer.
const WHOLE: &str = "fs";

/// What a layer in two parts has itself, and the file that names the other part in hexadecimal digits.
const TOP: &str = "top";
const ON: &str = "on";

/// Names of those that stand on a layer.
const OVER: &str = "over";

/// Notes of a layer's maker.
pub(crate) const NOTES: &str = "notes";

/// Where a layer lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lie {
    /// The layer that it stands on.
    pub(crate) on: Option<Digest>,
    /// Its directories, the lowest first.
    pub(crate) dirs: Vec<PathBuf>,
}

/// Returns where a layer lies in a store; none where it, or what it stands on, is not there. A disk that does not answer does
/// not say no.
pub(crate) fn find(root: &Path, hex: &str) -> Result<Option<Lie>, IndexError> {
    let layers = root.join("layers");
    let dir = |path: PathBuf| Ok::<_, IndexError>(look(&path)?.is_some_and(|found| found.is_dir()).then_some(path));
    if let Some(whole) = dir(layers.join(hex).join(WHOLE))? {
        return Ok(Some(Lie { on: None, dirs: vec![whole] }));
    }
    let Some(on) = stands_on(&layers, hex)? else { return Ok(None) };
    let below = dir(layers.join(on.hex()).join(WHOLE))?;
    let top = dir(layers.join(hex).join(TOP))?;
    Ok(below.zip(top).map(|(below, top)| Lie { on: Some(on), dirs: vec![below, top] }))
}

/// Returns the layer that another one says it stands on.
pub(crate) fn stands_on(layers: &Path, hex: &str) -> Result<Option<Digest>, IndexError> {
    let path = layers.join(hex).join(ON);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(digest_of(text.trim_end())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(IndexError::file(&path, error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData)
}

/// Returns whether a layer that is recorded stands on this one. The caller has the lock of this one.
pub(crate) fn carries(inner: &Inner, index: &Access<'_>, hex: &str) -> Result<bool, IndexError> {
    let path = inner.path("layers").join(hex).join(OVER);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(false),
        Err(error) => return Err(IndexError::file(&path, error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| IndexError::file(&path, error))?.file_name();
        let sql = "SELECT 1 FROM layers WHERE digest = ?1 AND boot IN ('', ?2)";
        if index.row(sql, (name.to_string_lossy().as_ref(), &inner.boot), |_| Ok(()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves what a step has made to the place of a layer, which is empty: `layers/<hex>` is there and nothing in it.
pub(crate) fn settle(inner: &Inner, active: &File, hex: &str, on: Option<&Digest>) -> Result<(), Errno> {
    let layers = inner.layers.as_fd();
    let Some(on) = on else { return rename(active, "upper", inner, &format!("{hex}/{WHOLE}")) };
    let on = on.hex();
    // Before the record of what stands there: a collection that finds no name here finds no record either.
    let over = format!("{on}/{OVER}");
    match rustix::fs::mkdirat(layers, &over, Mode::RWXU) {
        Err(error) if error != Errno::EXIST => return Err(error),
        _ => {}
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    drop(rustix::fs::openat(layers, format!("{over}/{hex}"), flags, Mode::RUSR | Mode::WUSR)?);
    let file = rustix::fs::openat(layers, format!("{hex}/{ON}"), flags | OFlags::EXCL, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all(on.as_bytes()).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    rename(active, "upper", inner, &format!("{hex}/{TOP}"))
}

/// Moves the notes of a step, if it made some, to the layer that it made.
pub(crate) fn settle_notes(inner: &Inner, active: &File, hex: &str) -> Result<(), Errno> {
    match rename(active, NOTES, inner, &format!("{hex}/{NOTES}")) {
        Err(Errno::NOENT) => Ok(()),
        moved => moved,
    }
}

fn rename(active: &File, name: &str, inner: &Inner, target: &str) -> Result<(), Errno> {
    rustix::fs::renameat_with(active, name, &inner.layers, target, rustix::fs::RenameFlags::NOREPLACE)
}

impl Store {
    /// Returns where a layer lies, and leases it with what it stands on.
    pub(crate) fn lie(&self, layer: &Digest) -> Result<Option<Lie>, RecordError> {
        self.hold(layer)?;
        loop {
            let found = find(&self.inner.root, &layer.hex())?;
            // A collection may have come between looking and locking.
            match found.as_ref().and_then(|lie| lie.on) {
                Some(on) if self.inner.leases.hold(&on).map_err(RecordError::Lease)? => {}
                _ => return Ok(found),
            }
        }
    }

    /// Returns the directory below which all of a layer is that is its own.
    pub(crate) fn layer_place(&self, layer: &Digest) -> PathBuf {
        self.inner.path("layers").join(layer.hex())
    }

    /// Returns what the maker of a layer has noted of it under a name, with its digest, if that is there and as it was written.
    ///
    /// # Errors
    ///
    /// Fails where the kernel refuses a lock.
    pub fn layer_note(&self, layer: &Digest, name: &str) -> Result<Option<(Digest, Vec<u8>)>, RecordError> {
        self.hold(layer)?;
        let is_it = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == name);
        let found = notes(&self.layer_place(layer)).ok().and_then(|notes| notes.into_iter().find(is_it));
        Ok(found.and_then(|path| read_note(&path).ok().flatten()))
    }

    /// Whether all notes of a layer are as they were written.
    pub(crate) fn has_whole_notes(&self, layer: &Digest) -> io::Result<bool> {
        let mut notes = notes(&self.layer_place(layer))?.into_iter();
        notes.try_fold(true, |all, path| Ok(all && read_note(&path)?.is_some()))
    }
}

/// Returns the notes of a layer; a name ends in the digest of what is in it.
fn notes(place: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(place.join(NOTES)) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Returns what is in a note, with its digest, if that is what was written.
fn read_note(path: &Path) -> io::Result<Option<(Digest, Vec<u8>)>> {
    let bytes = std::fs::read(path)?;
    let sum = path.extension().and_then(|sum| sum.to_str()).and_then(digest_of);
    Ok(sum.filter(|sum| *sum == Digest::of(&bytes)).map(|sum| (sum, bytes)))
}
