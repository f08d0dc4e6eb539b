// SPDX-License-Identifier: Apache-2.0
//! Results of operations by cache key, traces of plans, and what each step's last result was made from.

use rusqlite::Row;
use serde::{Deserialize, Serialize};
use wythe_image::{Digest, LayerRef};

use crate::Store;
use crate::index::{Access, Commit, IndexError};
use crate::open::Inner;
use crate::record::{RecordError, Used, digest_of, sum, unsigned};

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
    /// Returns the result of a key, or `None` where there is none that can be used. The result is leased, and so is its
    /// layer, which is there.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn result(&self, key: &Digest) -> Result<Option<ResultRecord>, RecordError> {
        self.hold(key)?;
        loop {
            let Some((record, known)) = self.recorded_result(key)? else { return Ok(None) };
            let Some(layer) = record.layer else { return Ok(Some(record)) };
            if self.inner.leases.hold(&layer.diff_id).map_err(RecordError::Lease)? {
                // A collection may have come between looking and locking.
                continue;
            }
            let is_there = known == Some(layer.size) && self.layer_fs(&layer.diff_id).is_dir();
            return Ok(is_there.then_some(record));
        }
    }

    /// Records the result of a key, in place of what was there, and that its step had it last.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn put_result(&self, key: &Digest, record: &ResultRecord) -> Result<(), RecordError> {
        self.hold(key)?;
        let inner = &self.inner;
        Ok(inner.index.write(Commit::Lazy, |index| put(index, inner, key, record))?)
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
        let take = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let Some((key, record)) = self.inner.index.row(sql, (definition, step), take)? else { return Ok(None) };
        let last = digest_of(&key).zip(serde_json::from_str(&record).ok());
        Ok(last.map(|(key, record)| LastResult { key, record }))
    }

    /// Returns a trace: what a plan was made from, as JSON, with the plan.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn trace(&self, key: &Digest) -> Result<Option<String>, RecordError> {
        self.hold(key)?;
        let sql = "SELECT record, sum, used FROM traces WHERE key = ?1 AND boot IN ('', ?2)";
        let hex = key.hex();
        let take = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?));
        let row = self.inner.index.row(sql, (&hex, &self.inner.boot), take)?;
        let Some((text, known, used)) = row else { return Ok(None) };
        self.inner.note_use(Used::Trace, &hex, used);
        Ok((sum(key, &text) == known).then_some(text))
    }

    /// Records a trace, in place of what was there.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn put_trace(&self, key: &Digest, trace: &str) -> Result<(), RecordError> {
        self.hold(key)?;
        let inner = &self.inner;
        let insert = "INSERT OR REPLACE INTO traces (key, record, sum, used, boot) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = (key.hex(), trace, sum(key, trace), inner.now, &inner.boot);
        Ok(inner.index.write(Commit::Lazy, |index| index.run(insert, row).map(drop))?)
    }

    /// Returns a result as it is recorded, and the length of its layer where there is a record of that, too. A record
    /// whose bytes have changed counts as none, and is made again.
    fn recorded_result(&self, key: &Digest) -> Result<Option<(ResultRecord, Option<u64>)>, IndexError> {
        let sql = "SELECT record, sum, results.used, size FROM results \
                   LEFT JOIN layers ON digest = layer AND layers.boot IN ('', ?2) \
                   WHERE key = ?1 AND results.boot IN ('', ?2)";
        let hex = key.hex();
        let take = |row: &Row<'_>| {
            let (text, known) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            Ok((text, known, row.get(2)?, row.get::<_, Option<i64>>(3)?))
        };
        let row = self.inner.index.row(sql, (&hex, &self.inner.boot), take)?;
        let Some((text, known, used, size)) = row else { return Ok(None) };
        let Some(record) = (sum(key, &text) == known).then(|| serde_json::from_str(&text).ok()).flatten() else {
            return Ok(None);
        };
        self.inner.note_use(Used::Result, &hex, used);
        Ok(Some((record, size.map(unsigned))))
    }
}

const PUT_STEP: &str = "INSERT OR REPLACE INTO steps (definition, step, key, record, used) VALUES (?1, ?2, ?3, ?4, ?5)";

/// Writes the rows of a result.
pub(crate) fn put(index: &Access<'_>, inner: &Inner, key: &Digest, record: &ResultRecord) -> Result<(), IndexError> {
    let text = json(record);
    let (hex, layer) = (key.hex(), record.layer.map(|layer| layer.diff_id.hex()));
    let insert = "INSERT OR REPLACE INTO results (key, layer, record, sum, used, boot) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    index.run(insert, (&hex, layer, &text, sum(key, &text), inner.now, &inner.boot))?;
    index.run(PUT_STEP, (&record.definition, &record.step, &hex, &text, inner.now))?;
    Ok(())
}

fn json(record: &ResultRecord) -> String {
    serde_json::to_string(record).expect("a record of texts and numbers is JSON")
}
