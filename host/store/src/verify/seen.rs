// SPDX-License-Identifier: Apache-2.0
//! What an index says at one moment.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::{Access, IndexError};
use crate::record::{digest_of, sum};
use crate::{ResultRecord, image};

/// Rows to be dropped: name and `seq`, so that what was made anew meanwhile stays.
#[derive(Default)]
pub(super) struct Bad {
    pub(super) blobs: BTreeMap<String, i64>,
    pub(super) layers: BTreeMap<String, i64>,
    pub(super) results: BTreeMap<String, i64>,
    pub(super) traces: BTreeMap<String, i64>,
    pub(super) images: BTreeSet<String>,
}

pub(super) struct Row {
    pub(super) key: String,
    pub(super) record: String,
    pub(super) sum: String,
    pub(super) seq: i64,
    pub(super) layer: Option<String>,
}

impl Row {
    pub(super) fn is_whole(&self) -> bool {
        digest_of(&self.key).is_some_and(|key| sum(&key, &self.record) == self.sum)
    }

    pub(super) fn is_result(&self) -> bool {
        let record = serde_json::from_str::<ResultRecord>(&self.record);
        record.is_ok_and(|record| record.layer.map(|layer| layer.diff_id.hex()) == self.layer)
    }
}

/// Content that counts and was not found damaged.
pub(super) struct Content {
    pub(super) layers: BTreeSet<String>,
    pub(super) blobs: BTreeSet<String>,
}

impl Content {
    pub(super) fn read(index: &Access<'_>, boot: &str, bad: &Bad) -> Result<Self, IndexError> {
        let good = |table: &str, bad: &BTreeMap<String, i64>| {
            let sql = format!("SELECT digest, seq FROM {table} WHERE boot IN ('', ?1)");
            let rows = index.rows(&sql, [boot], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            let is_good = |(name, seq): &(String, i64)| bad.get(name) != Some(seq);
            Ok::<_, IndexError>(rows.into_iter().filter(is_good).map(|(name, _)| name).collect())
        };
        Ok(Self { layers: good("layers", &bad.layers)?, blobs: good("blobs", &bad.blobs)? })
    }
}

/// What refers to content, and the content that there is.
pub(super) struct Seen {
    pub(super) results: Vec<Row>,
    pub(super) traces: Vec<Row>,
    /// Digest, names, and the parts that are not there.
    pub(super) images: Vec<(String, Vec<String>, Vec<String>)>,
    pub(super) content: Content,
}

impl Seen {
    pub(super) fn read(index: &Access<'_>, boot: &str, bad: &Bad) -> Result<Self, IndexError> {
        let rows = |sql: &str| {
            index.rows(sql, [boot], |row| {
                Ok(Row {
                    key: row.get(0)?,
                    record: row.get(1)?,
                    sum: row.get(2)?,
                    seq: row.get(3)?,
                    layer: row.get(4)?,
                })
            })
        };
        let content = Content::read(index, boot, bad)?;
        let mut images = Vec::new();
        let sql = "SELECT digest FROM images ORDER BY created DESC, digest";
        for hex in index.rows(sql, [], |row| row.get::<_, String>(0))? {
            if digest_of(&hex).is_some() {
                let (names, lacking) = (image::names_of(index, &hex)?, lacking(index, &hex, &content)?);
                images.push((hex, names, lacking));
            }
        }
        Ok(Self {
            results: rows("SELECT key, record, sum, seq, layer FROM results WHERE boot IN ('', ?1) ORDER BY key")?,
            traces: rows("SELECT key, record, sum, seq, NULL FROM traces WHERE boot IN ('', ?1) ORDER BY key")?,
            images,
            content,
        })
    }
}

/// Returns the parts of an image that are not there.
pub(super) fn lacking(index: &Access<'_>, image: &str, content: &Content) -> Result<Vec<String>, IndexError> {
    let blobs = "SELECT blob FROM image_blobs WHERE image = ?1 ORDER BY blob";
    let mut missing = index.rows(blobs, [image], |row| row.get::<_, String>(0))?;
    missing.retain(|blob| !content.blobs.contains(blob));
    // A layer that is there as a blob need not be unpacked.
    let layers = "SELECT layer FROM image_layers WHERE image = ?1 AND blob IS NULL ORDER BY position";
    let layers = index.rows(layers, [image], |row| row.get::<_, String>(0))?;
    missing.extend(layers.into_iter().filter(|layer| !content.layers.contains(layer)));
    Ok(missing)
}
