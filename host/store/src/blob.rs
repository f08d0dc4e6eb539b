// SPDX-License-Identifier: Apache-2.0
//! Blobs: bytes by their digest.

mod read;
mod write;

use std::path::PathBuf;
use std::sync::PoisonError;

use wythe_image::Digest;

use crate::Store;
use crate::index::{Access, Commit};
use crate::recall::{digest_of_file, look};
use crate::record::{RecordError, Used, unsigned};

pub use read::{BlobError, BlobReader};
pub use write::{BlobWriter, WriteBlobError};

/// Bytes written or compared at a time.
const CHUNK: usize = 128 * 1024;

impl Store {
    /// Returns where a blob lies, or `None` where the store has none that can be trusted. Its bytes are not checked.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn blob_path(&self, digest: &Digest) -> Result<Option<PathBuf>, RecordError> {
        Ok(self.blob_size(digest)?.map(|_| self.blob_file(digest)))
    }

    /// Returns where a blob lies whose bytes were found right, or `None` where the store has none. All of it is read, once
    /// in the life of this handle; a damaged one is forgotten, so that it is made or fetched again.
    ///
    /// # Errors
    ///
    /// See [`BlobError`].
    pub fn checked_blob(&self, digest: &Digest) -> Result<Option<PathBuf>, BlobError> {
        let lookup = |source| BlobError::Lookup { digest: *digest, source };
        let Some(path) = self.blob_path(digest).map_err(lookup)? else { return Ok(None) };
        if !self.is_checked(digest) {
            let found = digest_of_file(&path).map_err(|source| BlobError::Read { path: path.clone(), source })?;
            if found != *digest {
                self.forget_blob(digest);
                return Ok(None);
            }
            self.note_checked(digest);
        }
        Ok(Some(path))
    }

    /// Whether this handle has found a blob's bytes right, or has written them.
    #[must_use]
    pub fn is_checked(&self, digest: &Digest) -> bool {
        self.inner.checked.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn note_checked(&self, digest: &Digest) {
        self.inner.checked.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest);
    }

    fn forget_blob(&self, digest: &Digest) {
        let forget = |index: &Access<'_>| index.run("DELETE FROM blobs WHERE digest = ?1", [digest.hex()]);
        // Forgetting is a service to the next build; who calls has something to say that matters more.
        drop(self.inner.index.write(Commit::Lazy, forget));
    }

    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.inner.path("blobs/sha256").join(digest.hex())
    }

    /// Leases a blob and returns its length, where there is a trusted record and the file is as long as it says.
    pub(crate) fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RecordError> {
        self.hold(digest)?;
        let found = self.recorded_blob(digest)?;
        if found.is_none() && self.blob_file(digest).exists() && self.inner.agree_once()? {
            return self.recorded_blob(digest);
        }
        Ok(found)
    }

    fn recorded_blob(&self, digest: &Digest) -> Result<Option<u64>, RecordError> {
        let sql = "SELECT size, used FROM blobs WHERE digest = ?1 AND boot IN ('', ?2)";
        let key = digest.hex();
        let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let Some((size, used)) = self.inner.index.row(sql, (&key, &self.inner.boot), take)? else { return Ok(None) };
        let there = look(&self.blob_file(digest))?;
        if there.is_some_and(|file| file.is_file() && file.len() == unsigned(size)) {
            self.inner.note_use(Used::Blob, &key, used);
            return Ok(Some(unsigned(size)));
        }
        Ok(None)
    }
}
