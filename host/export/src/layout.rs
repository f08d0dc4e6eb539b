// SPDX-License-Identifier: Apache-2.0
//! An OCI image layout: a directory of blobs and an index.
//!
//! A new layout is made beside its place and renamed. In a layout that is there, blobs are made in a directory of their own and
//! moved in when all of them are complete; the index comes last, and until then nothing names them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;
use serde_json::Value;
use tempfile::TempDir;
use wythe_image::{Digest, to_canonical_json};

use crate::SaveError;
use crate::error::write_error;
use crate::export::{Blobs, Export, Fill};
use crate::index::{self, INDEX, LAYOUT, LAYOUT_CONTENT, blob_path};
use crate::unfinished::{self, UNFINISHED};

/// Saves an image as an OCI image layout and returns the descriptor of its manifest.
///
/// A layout that is there gets the image added; where it has one of the image's tags already, the tag moves. What a
/// moved tag named stays as blobs without a name, since they may be part of other images. Several exports into one
/// layout wait for each other where they must.
///
/// # Errors
///
/// Fails where a layer cannot be read or is not what the image says, where the directory cannot be written, and where
/// it is not empty and not a layout.
pub fn save_layout(export: &Export<'_>, dir: &Path) -> Result<Descriptor, SaveError> {
    let is_new = !check_place(dir)?;
    let mut staging = Staging::within(if is_new { parent(dir) } else { dir }, dir)?;
    let written = export.write_blobs(&mut staging)?;
    if is_new {
        let content = index::put(index::empty(), &written.manifest, export.names).expect("our own index is one");
        staging.write(INDEX, &to_canonical_json(&content))?;
        staging.write(LAYOUT, LAYOUT_CONTENT)?;
        staging.become_dir(dir)?;
        sync_dir(parent(dir)).map_err(write_error(dir))?;
    } else {
        staging.move_into(dir, |theirs| index::put(theirs, &written.manifest, export.names))?;
    }
    Ok(written.manifest)
}

/// Tells whether there is something that an image can be added to: a layout, or an empty directory.
fn check_place(dir: &Path) -> Result<bool, SaveError> {
    let in_the_way = |what| SaveError::InTheWay { path: dir.to_owned(), what };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(in_the_way("a directory")),
        Err(error) => return Err(write_error(dir)(error)),
    };
    // Another export may be at work, or have been killed.
    let is_foreign = |name: &OsStr| !name.as_bytes().starts_with(UNFINISHED.as_bytes());
    let names: Vec<_> =
        entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>().map_err(write_error(dir))?;
    // Asked after the listing: whoever adds to an empty directory puts this file there first.
    let is_layout = dir.join(LAYOUT).is_file();
    if is_layout || !names.iter().any(|name| is_foreign(name)) {
        Ok(true)
    } else {
        Err(in_the_way("an OCI image layout"))
    }
}

/// Returns the directory that a name is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Puts the names in a directory on the disk.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Locks a directory until the result is dropped; where the file system has no locks, nothing is locked.
fn locked(dir: &Path) -> io::Result<File> {
    let handle = File::open(dir)?;
    match handle.lock() {
        Err(error) if error.kind() != ErrorKind::Unsupported => Err(error),
        _ => Ok(handle),
    }
}

/// A layout in the making. Dropping it removes it.
struct Staging {
    dir: TempDir,
    _lock: File,
    /// Where it will be, for messages.
    target: PathBuf,
    blobs: Vec<Digest>,
}

impl Staging {
    fn within(around: &Path, target: &Path) -> Result<Self, SaveError> {
        let (dir, lock) = unfinished::dir(around).map_err(write_error(target))?;
        fs::create_dir_all(dir.path().join("blobs/sha256")).map_err(write_error(target))?;
        Ok(Self { dir, _lock: lock, target: target.to_owned(), blobs: Vec::new() })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), SaveError> {
        let write = || {
            let mut file = File::create(self.dir.path().join(name))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(write_error(&self.target.join(name)))
    }

    fn become_dir(self, dir: &Path) -> Result<(), SaveError> {
        let sync = || sync_dir(&self.dir.path().join("blobs/sha256")).and_then(|()| sync_dir(self.dir.path()));
        sync().map_err(write_error(dir))?;
        fs::rename(self.dir.path(), dir).map_err(write_error(dir))?;
        // It has another name now; there is nothing left to remove.
        let _renamed = self.dir.keep();
        Ok(())
    }

    fn move_into(self, dir: &Path, edit: impl FnOnce(Value) -> Option<Value>) -> Result<(), SaveError> {
        // Held until the new index is in place, so that no export overwrites the entry of another one.
        let _lock = locked(dir).map_err(write_error(dir))?;
        let layout = dir.join(LAYOUT);
        if !layout.exists() {
            self.write(LAYOUT, LAYOUT_CONTENT)?;
            fs::rename(self.dir.path().join(LAYOUT), &layout).map_err(write_error(&layout))?;
        }
        self.move_blobs(dir).map_err(write_error(dir))?;
        let path = dir.join(INDEX);
        let malformed = |source| SaveError::Index { path: path.clone(), source };
        let theirs = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(malformed)?,
            Err(error) if error.kind() == ErrorKind::NotFound => index::empty(),
            Err(error) => return Err(write_error(&path)(error)),
        };
        let edited = edit(theirs).ok_or_else(|| malformed(serde::de::Error::custom("it has no list of manifests")))?;
        self.write(INDEX, &to_canonical_json(&edited))?;
        fs::rename(self.dir.path().join(INDEX), &path).map_err(write_error(&path))?;
        sync_dir(dir).map_err(write_error(dir))
    }

    /// A blob that is there is replaced: ours is known to be right.
    fn move_blobs(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        for digest in &self.blobs {
            let path = blob_path(digest);
            fs::rename(self.dir.path().join(&path), dir.join(&path))?;
        }
        // The index that is about to name them must not be on the disk before they are.
        sync_dir(&dir.join("blobs/sha256"))
    }
}

impl Blobs for Staging {
    fn add(&mut self, fill: &mut Fill<'_>) -> Result<(Digest, u64), SaveError> {
        let path = self.dir.path().join("blob");
        let mut file = File::create(&path).map_err(write_error(&self.target))?;
        let (digest, length) = fill(&mut file).map_err(|broken| broken.on(&self.target))?;
        file.sync_all().map_err(write_error(&self.target))?;
        fs::rename(&path, self.dir.path().join(blob_path(&digest))).map_err(write_error(&self.target))?;
        self.blobs.push(digest);
        Ok((digest, length))
    }
}
