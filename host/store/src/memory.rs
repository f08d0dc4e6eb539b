// SPDX-License-Identifier: Apache-2.0
//! What a definition's builds remember of each other: texts by definition and subject, for comparing, never for reuse.

use wythe_image::Digest;

use crate::Store;
use crate::index::{Commit, IndexError};
use crate::record::digest_of;

/// Age in seconds at which a memory that stayed the same is written again, so that a collection sees it is in use.
const STALE: i64 = 24 * 60 * 60;

impl Store {
    /// Remembers a text of a definition, in place of what was remembered on the subject.
    ///
    /// `digest` stands for what matters in the text: where it is what is remembered already, nothing is written and
    /// `text` is not called.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be used.
    pub fn remember(
        &self,
        definition: &str,
        subject: &str,
        digest: &Digest,
        text: impl FnOnce() -> String,
    ) -> Result<(), IndexError> {
        let known = "SELECT key, used FROM steps WHERE definition = ?1 AND step = ?2";
        let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let (hex, now) = (digest.hex(), self.inner.now);
        let row = self.inner.index.row(known, (definition, subject), take)?;
        if row.is_some_and(|(key, used)| key == hex && now - used < STALE) {
            return Ok(());
        }
        let put = "INSERT OR REPLACE INTO steps (definition, step, key, record, used) VALUES (?1, ?2, ?3, ?4, ?5)";
        let text = text();
        self.inner.index.write(Commit::Lazy, |index| index.run(put, (definition, subject, &hex, &text, now)).map(drop))
    }

    /// Returns what is remembered of a definition on a subject.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn recall(&self, definition: &str, subject: &str) -> Result<Option<String>, IndexError> {
        let sql = "SELECT record FROM steps WHERE definition = ?1 AND step = ?2";
        self.inner.index.row(sql, (definition, subject), |row| row.get(0))
    }

    /// Returns the digest of what is remembered of a definition on a subject.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn recall_digest(&self, definition: &str, subject: &str) -> Result<Option<Digest>, IndexError> {
        let sql = "SELECT key FROM steps WHERE definition = ?1 AND step = ?2";
        let key = self.inner.index.row(sql, (definition, subject), |row| row.get::<_, String>(0))?;
        Ok(key.and_then(|key| digest_of(&key)))
    }
}
