// SPDX-License-Identifier: Apache-2.0
//! The most that a store may take on its disk.
//!
//! A setting of the store and not of a process: all who share the store keep to it. It is asked for before something is
//! written; who writes without knowing how much measures meanwhile ([`Store::occupied`]) and stops.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::claim::Claim;
use crate::gc::GcPolicy;
use crate::usage::{Class, Usage, tree_bytes};
use crate::{GcError, Store, reserve};

/// The file with the number of bytes, in decimal digits.
const FILE: &str = "quota";

/// Lies beside an unpacked layer and holds the bytes that it takes on the disk: layers never change.
const LAYER_BYTES: &str = "bytes";

/// What layers take, by directory name, as far as this handle has asked.
pub(crate) type LayerBytes = Mutex<BTreeMap<String, u64>>;

/// A quota that cannot be kept, read or set.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// What is to be written does not fit, whatever is collected.
    #[error("the quota of the store is {quota} bytes, {} are in use, and {needed} more are needed", total(occupied))]
    Exceeded {
        /// Bytes that are to be written.
        needed: u64,
        /// The quota.
        quota: u64,
        /// What takes room, after the collection.
        occupied: Usage,
    },
    /// What was being written has become more than fits.
    #[error("the quota of the store is {quota} bytes, and {} are in use", total(occupied))]
    Outgrown {
        /// The quota.
        quota: u64,
        /// What takes room.
        occupied: Usage,
    },
    /// The setting cannot be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What nobody needs cannot be collected.
    #[error("cannot make room in the store")]
    Collect(#[from] GcError),
}

impl Store {
    /// Returns the most bytes that the store may take on its disk; none where that is not limited.
    ///
    /// # Errors
    ///
    /// Fails where the setting is there and cannot be understood: a limit that is not kept is worse than a failure.
    pub fn quota(&self) -> Result<Option<u64>, QuotaError> {
        let path = self.inner.path(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text,
        };
        let number = text.and_then(|text| text.trim().parse().map_err(io::Error::other));
        number.map(Some).map_err(|source| QuotaError::File { path, source })
    }

    /// Limits the store for all processes from now on, or lifts the limit. Nothing is collected for it.
    ///
    /// # Errors
    ///
    /// Fails where the file system refuses; the old setting holds then.
    pub fn set_quota(&self, bytes: Option<u64>) -> Result<(), QuotaError> {
        let path = self.inner.path(FILE);
        let set = || match bytes {
            Some(bytes) => {
                let mut claim = Claim::file(&self.inner)?;
                claim.file.write_all(format!("{bytes}\n").as_bytes())?;
                claim.file.sync_all()?;
                Ok(claim.move_to(self.inner.directory.as_fd(), FILE)?)
            }
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        };
        let set = set().and_then(|()| self.inner.directory.sync_all());
        set.map_err(|source| QuotaError::File { path: path.clone(), source })
    }

    /// Measures what the store takes on its disk, by class. Layers are measured once and for all; the rest is walked.
    #[must_use]
    pub fn occupied(&self) -> Usage {
        let mut usage = Usage::new();
        for (class, directory) in [
            (Class::Blobs, "blobs"),
            (Class::Caches, "cache"),
            (Class::Volumes, "volumes"),
            (Class::Logs, "logs"),
            (Class::Compiled, "compiled"),
            (Class::Active, "active"),
        ] {
            usage.entry(class).or_default().add(tree_bytes(&self.inner.path(directory)));
        }
        for name in names(&self.inner.path("layers")) {
            usage.entry(Class::Layers).or_default().add(self.layer_bytes(&name));
        }
        for file in ["index.db", "index.db-wal", "index.db-shm", reserve::FILE] {
            usage.entry(Class::Index).or_default().add(tree_bytes(&self.inner.path(file)));
        }
        usage
    }

    /// Returns the bytes that are free on the store's disk; 0 where that cannot be told.
    #[must_use]
    pub fn disk_free(&self) -> u64 {
        let found = rustix::fs::fstatvfs(&self.inner.directory);
        found.map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Makes sure that so many bytes more are within the quota: what may be collected goes first, the least recently
    /// used before the rest and cache mounts last. Does nothing where there is no quota.
    ///
    /// # Errors
    ///
    /// See [`QuotaError`]; nothing was written then.
    pub fn make_room(&self, needed: u64) -> Result<(), QuotaError> {
        let Some(quota) = self.quota()? else { return Ok(()) };
        let mut occupied = self.occupied();
        for caches in [false, true] {
            let excess = (total(&occupied).saturating_add(needed)).saturating_sub(quota);
            if excess == 0 {
                return Ok(());
            }
            self.collect(excess, caches)?;
            occupied = self.occupied();
        }
        if total(&occupied).saturating_add(needed) <= quota {
            return Ok(());
        }
        Err(QuotaError::Exceeded { needed, quota, occupied })
    }

    /// Collects the least recently used things until so many bytes are free, or nothing more may go.
    fn collect(&self, bytes: u64, caches: bool) -> Result<(), GcError> {
        let policy = GcPolicy { caches, dry_run: true, ..GcPolicy::default() };
        let kept = self.gc(&policy)?.kept_bytes;
        // Archives are shorter than what they hold on a disk: once more than that must go, and never less.
        let policy = GcPolicy { max_bytes: Some(kept.saturating_sub(bytes)), dry_run: false, ..policy };
        self.gc(&policy).map(drop)
    }

    fn layer_bytes(&self, name: &str) -> u64 {
        let known = || self.inner.layer_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = known().get(name) {
            return *bytes;
        }
        let dir = self.inner.path("layers").join(name);
        let written = fs::read_to_string(dir.join(LAYER_BYTES)).ok().and_then(|text| text.trim().parse().ok());
        let bytes = written.unwrap_or_else(|| {
            let bytes = tree_bytes(&dir);
            // Only spares the next process the walk.
            drop(fs::write(dir.join(LAYER_BYTES), format!("{bytes}\n")));
            bytes
        });
        known().insert(name.to_owned(), bytes);
        bytes
    }
}

/// Returns the sum of a measure.
#[must_use]
pub fn total(usage: &Usage) -> u64 {
    usage.values().map(|tally| tally.bytes).sum()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
