// SPDX-License-Identifier: Apache-2.0
//! Blobs: bytes by their digest.

mod read;
mod write;

use std::path::PathBuf;

use wythe_image::Digest;

use crate::Store;
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

    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.inner.path("blobs/sha256").join(digest.hex())
    }

    /// Leases a blob and returns its length, where there is a trusted record and the file is as long as it says.
    pub(crate) fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, RecordError> {
        self.hold(digest)?;
        let sql = "SELECT size, used FROM blobs WHERE digest = ?1 AND boot IN ('', ?2)";
        let key = digest.hex();
        let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let Some((size, used)) = self.inner.index.row(sql, (&key, &self.inner.boot), take)? else { return Ok(None) };
        let there = std::fs::symlink_metadata(self.blob_file(digest));
        if there.is_ok_and(|file| file.is_file() && file.len() == unsigned(size)) {
            self.inner.note_use(Used::Blob, &key, used);
            return Ok(Some(unsigned(size)));
        }
        Ok(None)
    }
}
