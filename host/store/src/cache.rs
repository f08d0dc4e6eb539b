// SPDX-License-Identifier: Apache-2.0
//! Cache mounts: directories that steps of all builds share. Their content is in no key.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use wythe_image::Digest;

use crate::index::{Commit, IndexError};
use crate::lock::{self, LockError};
use crate::range::{self, Hold};
use crate::{Store, open};

/// How those who use a cache mount at the same time share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheSharing {
    /// All use one directory at once.
    Shared,
    /// Each has a directory of its own: the first one that nobody else uses.
    Private,
    /// One after the other.
    Locked,
}

/// A cache mount in use. It may be collected only after it is dropped.
#[derive(Debug)]
pub struct CacheMount {
    path: PathBuf,
    _lock: File,
}

impl CacheMount {
    /// Returns its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.path
    }
}

/// A cache mount that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Somebody else has it, or the lock cannot be taken.
    #[error("cannot lock cache mount `{id}`")]
    Lock {
        /// Its id.
        id: String,
        /// Why.
        source: LockError,
    },
    /// Its directory cannot be made.
    #[error("cannot make {}", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be recorded.
    #[error("cannot record cache mount `{id}`")]
    Index {
        /// Its id.
        id: String,
        /// Why.
        source: IndexError,
    },
}

impl Store {
    /// Returns where a cache mount lies, whether or not it is there.
    #[must_use]
    pub fn cache_dir(&self, id: &str) -> PathBuf {
        self.inner.path("cache").join(Digest::of(id.as_bytes()).hex())
    }

    /// Takes a cache mount into use, made empty (mode 0755) where it is not there. `on_wait` is as in
    /// [`Store::lock_key`]; only [`CacheSharing::Locked`] waits for other builds.
    ///
    /// # Errors
    ///
    /// See [`CacheError`].
    pub fn cache(
        &self,
        id: &str,
        sharing: CacheSharing,
        on_wait: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<CacheMount, CacheError> {
        let fail = |source| CacheError::Lock { id: id.to_owned(), source };
        let path = self.inner.path(LOCKS);
        let (name, lock) = match sharing {
            CacheSharing::Private => self.private_cache(id).map_err(fail)?,
            CacheSharing::Shared | CacheSharing::Locked => {
                let hold = if sharing == CacheSharing::Shared { Hold::Shared } else { Hold::Exclusive };
                let name = directory(id, 0);
                let lock = lock::wait(&path, hold, &lock_digest(&name), on_wait).map_err(fail)?;
                (name, lock)
            }
        };
        self.make_cache(id, &name)?;
        Ok(CacheMount { path: self.inner.path("cache").join(name), _lock: lock })
    }

    fn private_cache(&self, id: &str) -> Result<(String, File), LockError> {
        let path = self.inner.path(LOCKS);
        let fail = |source| LockError::File { path: path.clone(), source };
        let file = range::open(&path).map_err(fail)?;
        let mut names = (0u32..).map(|number| directory(id, number));
        loop {
            let name = names.next().expect("there are more numbers than processes");
            if range::try_lock(&file, Hold::Exclusive, range::place(&lock_digest(&name))).map_err(fail)? {
                return Ok((name, file));
            }
        }
    }

    fn make_cache(&self, id: &str, name: &str) -> Result<(), CacheError> {
        let path = self.inner.path("cache").join(name);
        open::ensure_shared_directory(&path).map_err(|source| CacheError::Create { path, source })?;
        let fail = |source| CacheError::Index { id: id.to_owned(), source };
        let known = "SELECT 1 FROM caches WHERE directory = ?1 AND used > ?2";
        let fresh = self.inner.now - 6 * 60 * 60;
        if self.inner.index.row(known, (name, fresh), |_| Ok(())).map_err(fail)?.is_some() {
            return Ok(());
        }
        let sql = "INSERT INTO caches (directory, id, created, used) VALUES (?1, ?2, ?3, ?3) \
                   ON CONFLICT (directory) DO UPDATE SET id = ?2, used = max(used, ?3)";
        self.inner.index.write(Commit::Lazy, |index| index.run(sql, (name, id, self.inner.now)).map(drop)).map_err(fail)
    }
}

/// The lock file of cache mounts and volumes.
pub(crate) const LOCKS: &str = "locks/caches";

/// Returns the digest whose byte locks a directory of the store.
pub(crate) fn lock_digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// An id is the plugin's text and never a path: its hash is.
fn directory(id: &str, number: u32) -> String {
    let hex = Digest::of(id.as_bytes()).hex();
    if number == 0 { hex } else { format!("{hex}.{number}") }
}
