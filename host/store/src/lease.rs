// SPDX-License-Identifier: Apache-2.0
//! Leases: what this handle uses, for `gc` to see.
//!
//! The protocol is "lock, then look". A reader takes a shared lock on the digest and then looks into the index;
//! a collector takes the exclusive lock, looks whether anything refers to the content, and only then removes it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use wythe_image::Digest;

use crate::range::{self, Hold};

/// The lock files' common name; a number follows.
pub(crate) const FILES: &str = "locks/leases";

/// Number of lock files. The kernel walks all locks of a file for each new one: with one file, a thousand leases cost
/// a third of a millisecond each. Every file that is used costs a descriptor. The number is part of the format, since
/// all processes must lock the same bytes.
const SHARDS: usize = 32;

#[derive(Debug)]
pub(crate) struct Leases {
    shards: Shards,
    held: Mutex<BTreeSet<i64>>,
}

impl Leases {
    /// Prepares leases in the store's directory. Lock files are opened and made when first needed.
    pub(crate) fn new(root: &Path) -> Self {
        Self { shards: Shards::new(root), held: Mutex::new(BTreeSet::new()) }
    }

    /// Leases content until the handle ends. Returns whether this is new, so that what was read before is read again.
    pub(crate) fn hold(&self, digest: &Digest) -> io::Result<bool> {
        let place = range::place(digest);
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(&place) {
            return Ok(false);
        }
        // Waits only for a collector that is removing this very content.
        range::lock(self.shards.file(place)?, Hold::Shared, place)?;
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(place))
    }

    /// Returns the collector's side of the leases. It sees those of this handle, too.
    pub(crate) fn collector(&self) -> Collector {
        Collector { shards: Shards::new(&self.shards.root) }
    }
}

/// Takes content from under everybody who does not lease it.
#[derive(Debug)]
pub(crate) struct Collector {
    shards: Shards,
}

impl Collector {
    /// Excludes all leases of some content; `false` where there is one.
    pub(crate) fn try_take(&self, digest: &Digest) -> io::Result<bool> {
        let place = range::place(digest);
        range::try_lock(self.shards.file(place)?, Hold::Exclusive, place)
    }

    /// Lets leases happen again.
    pub(crate) fn release(&self, digest: &Digest) {
        let place = range::place(digest);
        // Closing the file would do the same: an error here costs somebody a wait.
        drop(self.shards.file(place).and_then(|file| range::try_lock(file, Hold::Free, place)));
    }
}

#[derive(Debug)]
struct Shards {
    root: PathBuf,
    files: [OnceLock<File>; SHARDS],
}

impl Shards {
    fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: [const { OnceLock::new() }; SHARDS] }
    }

    fn file(&self, place: i64) -> io::Result<&File> {
        let number = usize::try_from(place).unwrap_or_default() % SHARDS;
        if let Some(file) = self.files[number].get() {
            return Ok(file);
        }
        // Of two threads that open it at once, one closes its own again, and that without a lock on it.
        let file = range::open(&self.root.join(format!("{FILES}-{number:02}")))?;
        Ok(self.files[number].get_or_init(|| file))
    }
}
