// SPDX-License-Identifier: Apache-2.0
//! Results of operations by cache key, traces of plans, and what each step's last result was made from.

use serde::{Deserialize, Serialize};
use wythe_image::{Digest, LayerRef};

use crate::Store;
use crate::index::{Commit, IndexError};
use crate::record::{LookupError, Used, digest_of, sum};

/// What an operation made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// The layer; none where nothing changed.
    pub layer: Option<LayerRef>,
    /// The parts of the key as JSON, to explain a later miss.
    pub parts: String,
    /// The definition that the step belongs to.
    pub definition: String,
    /// The step, unique in its definition.
    pub step: String,
    /// When, in seconds since 1970.
    pub created: i64,
    /// The log, relative to the store's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// The result that a step had last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastResult {
    /// Its key.
    pub key: Digest,
    /// What it was. Its layer may be gone: this is for comparing, not for reuse.
    pub record: ResultRecord,
}

impl Store {
    /// Returns the result of a key, or `None` where there is none that can be used: its layer is there and leased.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn result(&self, key: &Digest) -> Result<Option<ResultRecord>, LookupError> {
        loop {
            let Some(record) = self.recorded_result(key)? else { return Ok(None) };
            let Some(layer) = record.layer else { return Ok(Some(record)) };
            if self.inner.leases.hold(&layer.diff_id).map_err(LookupError::Lease)? {
                // A collection may have come between looking and locking.
                continue;
            }
            return Ok(self.layer(&layer.diff_id)?.filter(|known| *known == layer).map(|_| record));
        }
    }

    /// Records the result of a key, in place of what was there, and that its step had it last.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn put_result(&self, key: &Digest, record: &ResultRecord) -> Result<(), IndexError> {
        let text = json(record);
        let (hex, layer) = (key.hex(), record.layer.map(|layer| layer.diff_id.hex()));
        let inner = &self.inner;
        inner.index.write(Commit::Lazy, |index| {
            let insert = "INSERT OR REPLACE INTO results (key, layer, record, sum, used, boot) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            index.run(insert, (&hex, layer, &text, sum(key, &text), inner.now, &inner.boot))?;
            index.run(PUT_STEP, (&record.definition, &record.step, &hex, &text, inner.now))?;
            Ok(())
        })
    }

    /// Records that a step had a result last that was made before, by it or by another. Writes nothing where it is so.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be used.
    pub fn put_last(
        &self,
        definition: &str,
        step: &str,
        key: &Digest,
        record: &ResultRecord,
    ) -> Result<(), IndexError> {
        let known = "SELECT key FROM steps WHERE definition = ?1 AND step = ?2";
        let hex = key.hex();
        if self.inner.index.row(known, (definition, step), |row| row.get::<_, String>(0))?.as_ref() == Some(&hex) {
            return Ok(());
        }
        self.inner.index.write(Commit::Lazy, |index| {
            index.run(PUT_STEP, (definition, step, &hex, json(record), self.inner.now))?;
            Ok(())
        })
    }

    /// Returns the result that a step of a definition had last, whether or not it can still be used.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn last_for_step(&self, definition: &str, step: &str) -> Result<Option<LastResult>, IndexError> {
        let sql = "SELECT key, record FROM steps WHERE definition = ?1 AND step = ?2";
        let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let Some((key, record)) = self.inner.index.row(sql, (definition, step), take)? else { return Ok(None) };
        let last = digest_of(&key).zip(serde_json::from_str(&record).ok());
        Ok(last.map(|(key, record)| LastResult { key, record }))
    }

    /// Returns a trace: what a plan was made from, as JSON, with the plan.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn trace(&self, key: &Digest) -> Result<Option<String>, IndexError> {
        let sql = "SELECT record, sum, used FROM traces WHERE key = ?1 AND boot IN ('', ?2)";
        self.checked_record(Used::Trace, sql, key)
    }

    /// Records a trace, in place of what was there.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn put_trace(&self, key: &Digest, trace: &str) -> Result<(), IndexError> {
        let inner = &self.inner;
        inner.index.write(Commit::Lazy, |index| {
            let insert = "INSERT OR REPLACE INTO traces (key, record, sum, used, boot) VALUES (?1, ?2, ?3, ?4, ?5)";
            index.run(insert, (key.hex(), trace, sum(key, trace), inner.now, &inner.boot))?;
            Ok(())
        })
    }

    fn recorded_result(&self, key: &Digest) -> Result<Option<ResultRecord>, IndexError> {
        let sql = "SELECT record, sum, used FROM results WHERE key = ?1 AND boot IN ('', ?2)";
        let text = self.checked_record(Used::Result, sql, key)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Reads a record; one whose bytes have changed counts as none, and is made again.
    fn checked_record(&self, kind: Used, sql: &str, key: &Digest) -> Result<Option<String>, IndexError> {
        let hex = key.hex();
        let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?));
        let Some((text, known, used)) = self.inner.index.row(sql, (&hex, &self.inner.boot), take)? else {
            return Ok(None);
        };
        if sum(key, &text) != known {
            return Ok(None);
        }
        self.inner.note_use(kind, &hex, used);
        Ok(Some(text))
    }
}

const PUT_STEP: &str = "INSERT OR REPLACE INTO steps (definition, step, key, record, used) VALUES (?1, ?2, ?3, ?4, ?5)";

fn json(record: &ResultRecord) -> String {
    serde_json::to_string(record).expect("a record of texts and numbers is JSON")
}
