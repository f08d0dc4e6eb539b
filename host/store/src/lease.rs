// SPDX-License-Identifier: Apache-2.0
//! Leases: what this handle uses, for `gc` to see.
//!
//! The protocol is "lock, then look". A reader takes a shared lock on the digest and then looks into the index;
//! a collector takes the exclusive lock, looks whether anything refers to the content, and only then removes it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use wythe_image::Digest;

use crate::range::{self, Hold};

#[derive(Debug)]
pub(crate) struct Leases {
    path: PathBuf,
    file: File,
    held: Mutex<BTreeSet<i64>>,
}

impl Leases {
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: range::open(path)?, held: Mutex::new(BTreeSet::new()) })
    }

    /// Leases content until the handle ends. Returns whether this is new, so that what was read before is read again.
    pub(crate) fn hold(&self, digest: &Digest) -> std::io::Result<bool> {
        let place = range::place(digest);
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(&place) {
            return Ok(false);
        }
        // Waits only for a collector that is removing this very content.
        range::lock(&self.file, Hold::Shared, place)?;
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(place))
    }

    /// Returns the collector's side of the leases. It sees those of this handle, too.
    pub(crate) fn collector(&self) -> std::io::Result<Collector> {
        Ok(Collector { file: range::open(&self.path)? })
    }
}

/// Takes content from under everybody who does not lease it.
#[derive(Debug)]
pub(crate) struct Collector {
    file: File,
}

impl Collector {
    /// Excludes all leases of some content; `false` where there is one.
    pub(crate) fn try_take(&self, digest: &Digest) -> std::io::Result<bool> {
        range::try_lock(&self.file, Hold::Exclusive, range::place(digest))
    }

    /// Lets leases happen again.
    pub(crate) fn release(&self, digest: &Digest) {
        // Closing the file would do the same: an error here costs somebody a wait.
        drop(range::try_lock(&self.file, Hold::Free, range::place(digest)));
    }
}
