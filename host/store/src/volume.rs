// SPDX-License-Identifier: Apache-2.0
//! Named volumes: what people keep across runs. Never collected, only removed by name.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use crate::cache::{LOCKS, lock_digest};
use crate::range::{self, Hold};
use crate::usage::tree_bytes;
use crate::{Store, claim, open};

/// Longest name: file systems take 255 bytes.
const LONGEST: usize = 128;

/// A volume in use. It cannot be removed meanwhile.
#[derive(Debug)]
pub struct VolumeMount {
    path: PathBuf,
    _lock: File,
}

impl VolumeMount {
    /// Returns its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.path
    }

    /// Returns how much room its files take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        tree_bytes(&self.path)
    }
}

/// Something that cannot be done with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The name could be a path, or is too long.
    #[error("`{0}` is not a name for a volume; use up to {LONGEST} letters, digits, `-`, `_` and `.`, not first")]
    Name(String),
    /// A process uses it.
    #[error("volume `{0}` is in use")]
    InUse(String),
    /// The file system refuses.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// Takes a volume into use, made empty (mode 0755) where it is not there.
    ///
    /// # Errors
    ///
    /// See [`VolumeError`].
    pub fn volume(&self, name: &str) -> Result<VolumeMount, VolumeError> {
        let path = self.volume_path(name)?;
        let lock = self.lock_volume(name, Hold::Shared)?;
        match open::ensure_shared_directory(&path) {
            Err(source) => Err(VolumeError::File { path, source }),
            Ok(()) => Ok(VolumeMount { path, _lock: lock }),
        }
    }

    /// Takes a volume into use if it is there.
    ///
    /// # Errors
    ///
    /// See [`VolumeError`].
    pub fn find_volume(&self, name: &str) -> Result<Option<VolumeMount>, VolumeError> {
        let path = self.volume_path(name)?;
        let lock = self.lock_volume(name, Hold::Shared)?;
        Ok(path.is_dir().then_some(VolumeMount { path, _lock: lock }))
    }

    /// Returns the names of all volumes, sorted.
    ///
    /// # Errors
    ///
    /// Fails where the directory cannot be read.
    pub fn volumes(&self) -> Result<Vec<String>, VolumeError> {
        let path = self.inner.path("volumes");
        let read = || -> io::Result<Vec<String>> {
            let names = std::fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect()
        };
        let mut names = read().map_err(|source| VolumeError::File { path: path.clone(), source })?;
        names.sort();
        Ok(names)
    }

    /// Removes a volume with its content; `false` where there is none.
    ///
    /// # Errors
    ///
    /// Fails where it is in use.
    pub fn remove_volume(&self, name: &str) -> Result<bool, VolumeError> {
        let path = self.volume_path(name)?;
        let lock = self.lock_volume(name, Hold::Exclusive)?;
        let remove = || -> io::Result<bool> {
            let volumes = File::open(self.inner.path("volumes"))?;
            let Some(trash) = claim::discard(&self.inner, volumes.as_fd(), name)? else { return Ok(false) };
            claim::sweep_entry(&self.inner, &trash)?;
            Ok(true)
        };
        let removed = remove();
        drop(lock);
        removed.map_err(|source| VolumeError::File { path, source })
    }

    fn volume_path(&self, name: &str) -> Result<PathBuf, VolumeError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > LONGEST || name.starts_with('.') || !name.bytes().all(is_plain) {
            return Err(VolumeError::Name(name.to_owned()));
        }
        Ok(self.inner.path("volumes").join(name))
    }

    fn lock_volume(&self, name: &str, hold: Hold) -> Result<File, VolumeError> {
        let path = self.inner.path(LOCKS);
        let take = || -> io::Result<Option<File>> {
            let file = range::open(&path)?;
            let taken = range::try_lock(&file, hold, range::place(&lock_digest(&format!("volumes/{name}"))))?;
            Ok(taken.then_some(file))
        };
        match take() {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err(VolumeError::InUse(name.to_owned())),
            Err(source) => Err(VolumeError::File { path: path.clone(), source }),
        }
    }
}
