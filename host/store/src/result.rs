// SPDX-License-Identifier: Apache-2.0
//! Results of operations by cache key, and traces of plans.

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::{Deserialize, Serialize};
use wythe_image::{Digest, LayerRef};

use crate::Store;
use crate::Traffic;
use crate::index::{Access, Commit, IndexError};
use crate::open::Inner;
use crate::parts;
use crate::record::{RecordError, Used, digest_of, sum, unsigned};

/// What an operation made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// The layer; none where nothing changed.
    pub layer: Option<LayerRef>,
    /// The parts of the key as JSON, to explain a later miss.
    pub parts: String,
    /// The definition that the step belonged to when it was made.
    pub definition: String,
    /// The step, unique in its definition.
    pub step: String,
    /// When, in seconds since 1970.
    pub created: i64,
    /// The log, relative to the store's directory. It is kept as long as the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Blobs that list the files of its inputs, by the input's name. They are kept as long as the result.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trees: BTreeMap<String, Digest>,
    /// What it exchanged with other machines, where that was watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Traffic>,
}

/// Why a key has no result that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// No result is recorded: it was never made, or was collected.
    Unrecorded,
    /// The result is recorded and its layer is not there.
    LayerGone,
    /// The record's bytes have changed.
    Damaged,
    /// The machine went down before the result was on the disk.
    NotFlushed,
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
        // The record may be long. Its layer is leased before it is read, so that once is enough.
        let layer = "SELECT layer FROM results WHERE key = ?1 AND layer IS NOT NULL";
        let layer = self.inner.index.row(layer, [key.hex()], |row| row.get::<_, String>(0))?;
        if let Some(layer) = layer.as_deref().and_then(digest_of) {
            self.hold(&layer)?;
        }
        loop {
            let Some((record, known)) = self.recorded_result(key)? else { return Ok(None) };
            let Some(layer) = record.layer else { return Ok(Some(record)) };
            if self.inner.leases.hold(&layer.diff_id).map_err(RecordError::Lease)? {
                // A collection may have come between looking and locking.
                continue;
            }
            let is_there =
                known == Some(layer.size) && self.lie(&layer.diff_id)?.is_some() && self.is_sound(&layer.diff_id)?;
            return Ok(is_there.then_some(record));
        }
    }

    /// Records the result of a key, in place of what was there.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn put_result(&self, key: &Digest, record: &ResultRecord) -> Result<(), RecordError> {
        self.hold(key)?;
        let inner = &self.inner;
        Ok(inner.index.write(Commit::Lazy, |index| put(index, inner, key, record))?)
    }

    /// Returns why a key has no result that can be used; nothing where it has one.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn why_missing(&self, key: &Digest) -> Result<Option<Missing>, IndexError> {
        let sql = "SELECT record, sum, boot, layer, \
                   EXISTS (SELECT 1 FROM layers WHERE digest = layer AND layers.boot IN ('', ?2)) \
                   FROM results WHERE key = ?1";
        let take = |row: &Row<'_>| {
            let (text, known, boot) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?);
            Ok((text, known, boot, row.get::<_, Option<String>>(3)?, row.get::<_, bool>(4)?))
        };
        let row = self.inner.index.row(sql, (key.hex(), &self.inner.boot), take)?;
        let Some((text, known, boot, layer, has_layer)) = row else { return Ok(Some(Missing::Unrecorded)) };
        let is_there = match &layer {
            Some(hex) if has_layer => parts::find(&self.inner.root, hex)?.is_some(),
            _ => false,
        };
        Ok(match layer {
            _ if sum(key, &text) != known => Some(Missing::Damaged),
            _ if !boot.is_empty() && boot != self.inner.boot => Some(Missing::NotFlushed),
            Some(_) if !is_there => Some(Missing::LayerGone),
            _ => None,
        })
    }

    /// Returns the newest results that made a layer, the newest first, whatever their key.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn results_of_layer(&self, diff_id: &Digest) -> Result<Vec<ResultRecord>, IndexError> {
        let sql = "SELECT record FROM results WHERE layer = ?1 ORDER BY seq DESC";
        self.records(sql, [diff_id.hex()])
    }

    /// Returns the results that changed nothing, the newest first.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn results_without_layer(&self) -> Result<Vec<ResultRecord>, IndexError> {
        self.records("SELECT record FROM results WHERE layer IS NULL ORDER BY seq DESC", [])
    }

    fn records(&self, sql: &str, params: impl rusqlite::Params + Clone) -> Result<Vec<ResultRecord>, IndexError> {
        let rows = self.inner.index.read(|index| index.rows(sql, params.clone(), |row| row.get::<_, String>(0)))?;
        Ok(rows.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
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

/// Writes the rows of a result.
pub(crate) fn put(index: &Access<'_>, inner: &Inner, key: &Digest, record: &ResultRecord) -> Result<(), IndexError> {
    let text = json(record);
    let (hex, layer) = (key.hex(), record.layer.map(|layer| layer.diff_id.hex()));
    let insert = "INSERT OR REPLACE INTO results (key, layer, record, sum, used, boot) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    index.run(insert, (&hex, layer, &text, sum(key, &text), inner.now, &inner.boot))?;
    Ok(())
}

fn json(record: &ResultRecord) -> String {
    serde_json::to_string(record).expect("a record of texts and numbers is JSON")
}
