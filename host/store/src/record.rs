// SPDX-License-Identifier: Apache-2.0
//! What records of all kinds share: trust, check sums, and notes of their use.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use wythe_image::Digest;

use crate::Store;
use crate::index::{Commit, IndexError};
use crate::open::Inner;

/// Age in seconds at which a record's time of last use is renewed. Ages are counted in days; a build that changes
/// nothing should write nothing.
const STALE: i64 = 6 * 60 * 60;

/// Something cannot be looked up or recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The index cannot be used.
    #[error("cannot use the store's records")]
    Index(#[from] IndexError),
    /// What is asked for cannot be protected from collection.
    #[error("cannot lock content of the store")]
    Lease(#[source] io::Error),
    /// Content that is to be read before it is used cannot be read at the moment, which says nothing about it.
    #[error("cannot read {}", path.display())]
    Unread {
        /// The content.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Kinds of records that remember when they were last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Used {
    Blob,
    Result,
    Trace,
    Image,
}

impl Used {
    fn update(self) -> &'static str {
        match self {
            Self::Blob => "UPDATE blobs SET used = ?2 WHERE digest = ?1 AND used < ?2",
            Self::Result => "UPDATE results SET used = ?2 WHERE key = ?1 AND used < ?2",
            Self::Trace => "UPDATE traces SET used = ?2 WHERE key = ?1 AND used < ?2",
            Self::Image => "UPDATE images SET used = ?2 WHERE digest = ?1 AND used < ?2",
        }
    }
}

/// Uses that were seen and not yet written down.
pub(crate) type Uses = Mutex<BTreeSet<(Used, String)>>;

impl Inner {
    /// Remembers that a record was used, where what is written down has become stale.
    pub(crate) fn note_use(&self, kind: Used, key: &str, written: i64) {
        if self.now - written > STALE {
            self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, key.to_owned()));
        }
    }

    /// Writes the noted uses down, all in one transaction.
    pub(crate) fn write_uses(&self) -> Result<(), IndexError> {
        let uses = std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return Ok(());
        }
        self.index.write(Commit::Lazy, |index| {
            for (kind, key) in &uses {
                index.run(kind.update(), (key, self.now))?;
            }
            Ok(())
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Times of use only guide collection: losing some is no error.
        drop(self.write_uses());
    }
}

impl Store {
    /// Leases content until the last clone of this handle is dropped, so that no collection removes it.
    ///
    /// Whatever this handle returns or writes is leased already.
    ///
    /// # Errors
    ///
    /// Fails where the kernel refuses the lock.
    pub fn hold(&self, digest: &Digest) -> Result<(), RecordError> {
        self.inner.leases.hold(digest).map_err(RecordError::Lease).map(drop)
    }
}

/// Returns the check sum of a record: a flipped bit makes it a record that is not there.
pub(crate) fn sum(key: &Digest, record: &str) -> String {
    let mut hasher = wythe_image::Hasher::new();
    hasher.update(key.hex().as_bytes());
    hasher.update(record.as_bytes());
    hasher.finish().hex()[..16].to_owned()
}

/// Reads a digest that the index has as hexadecimal digits; `None` where it is damaged.
pub(crate) fn digest_of(hex: &str) -> Option<Digest> {
    Digest::from_hex(hex).ok()
}

/// Returns a length as the index keeps it.
pub(crate) fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Returns a length that the index has kept.
pub(crate) fn unsigned(length: i64) -> u64 {
    u64::try_from(length).unwrap_or(0)
}
