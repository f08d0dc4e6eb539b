// SPDX-License-Identifier: Apache-2.0
//! What there is, at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wythe_image::Digest;

use crate::index::{Access, IndexError};
use crate::open::Inner;
use crate::parts;
use crate::record::{digest_of, unsigned};
use crate::usage::{changed, tree_bytes};

use super::GcError;

/// A thing with a size and a time of last use. Its record may not count (`is_trusted`): another boot wrote it and
/// never flushed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) bytes: u64,
    pub(super) used: i64,
    pub(super) is_trusted: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StockedImage {
    pub(super) is_named: bool,
    pub(super) used: i64,
    pub(super) layers: Vec<String>,
    pub(super) blobs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StockedResult {
    pub(super) layer: Option<String>,
    pub(super) used: i64,
    pub(super) is_trusted: bool,
    /// The directory of logs in which its log is.
    pub(super) logs: Option<String>,
    /// Blobs that it names.
    pub(super) blobs: Vec<String>,
}

/// Everything that a collection may touch, by name (digests as hexadecimal digits).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) images: BTreeMap<String, StockedImage>,
    pub(super) layers: BTreeMap<String, Thing>,
    pub(super) blobs: BTreeMap<String, Thing>,
    pub(super) results: BTreeMap<String, StockedResult>,
    pub(super) traces: BTreeMap<String, Thing>,
    pub(super) caches: BTreeMap<String, Thing>,
    pub(super) logs: BTreeMap<String, Thing>,
    /// Layers that stand on another one, and that one.
    pub(super) stands_on: BTreeMap<String, String>,
    /// Content without a record.
    pub(super) loose_layers: BTreeSet<String>,
    pub(super) loose_blobs: BTreeSet<String>,
}

impl Stock {
    /// Returns the bytes of all that a collection may reach.
    pub(super) fn bytes(&self) -> u64 {
        let things = [&self.layers, &self.blobs, &self.caches, &self.logs];
        things.iter().flat_map(|things| things.values()).map(|thing| thing.bytes).sum()
    }
}

/// Takes stock.
pub(super) fn take(inner: &Inner) -> Result<Stock, GcError> {
    // Directories before records: what is committed in between has a record and is not loose.
    let layers = names(&inner.path("layers"))?;
    let blobs = names(&inner.path("blobs/sha256"))?;
    let mut stock = inner.index.read(|index| records(index, &inner.boot))?;
    for name in layers.iter().filter(|name| digest_of(name).is_some()) {
        if let Some(on) = parts::stands_on(&inner.path("layers"), name)? {
            stock.stands_on.insert(name.clone(), on.hex());
            // What it shares is there once.
            if let Some(layer) = stock.layers.get_mut(name) {
                layer.bytes = tree_bytes(&inner.path("layers").join(name));
            }
        }
    }
    let is_loose = |name: &String| digest_of(name).is_some();
    stock.loose_layers = layers.into_iter().filter(|n| is_loose(n) && !stock.layers.contains_key(n)).collect();
    stock.loose_blobs = blobs.into_iter().filter(|n| is_loose(n) && !stock.blobs.contains_key(n)).collect();
    for (directory, thing) in &mut stock.caches {
        thing.bytes = tree_bytes(&inner.path("cache").join(directory));
    }
    let directory = inner.path("logs");
    for name in names(&directory)? {
        let path = directory.join(&name);
        let thing = Thing { bytes: tree_bytes(&path), used: newest(&path), is_trusted: true };
        stock.logs.insert(name, thing);
    }
    Ok(stock)
}

fn records(index: &Access<'_>, boot: &str) -> Result<Stock, IndexError> {
    let mut stock = Stock {
        layers: things(index, boot, "SELECT digest, size, created, boot FROM layers")?,
        blobs: things(index, boot, "SELECT digest, size, used, boot FROM blobs")?,
        traces: things(index, boot, "SELECT key, 0, used, boot FROM traces")?,
        caches: things(index, boot, "SELECT directory, 0, used, '' FROM caches")?,
        ..Stock::default()
    };
    let result = |row: &rusqlite::Row<'_>| {
        let is_trusted = is_trusted(&row.get::<_, String>(3)?, boot);
        let named = Named::of(row.get_ref(4)?.as_str()?);
        let (logs, blobs) = (named.logs(), named.blobs());
        Ok((row.get(0)?, StockedResult { layer: row.get(1)?, used: row.get(2)?, is_trusted, logs, blobs }))
    };
    // Records without either, most of them, are not sent through the parser.
    let sql = "SELECT key, layer, used, boot, \
               iif(instr(record, '\"log\":') OR instr(record, '\"trees\":'), record, '') FROM results";
    stock.results.extend(index.rows(sql, [], result)?);
    let image = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, StockedImage { is_named: row.get(1)?, used: row.get(2)?, ..StockedImage::default() }))
    };
    let sql = "SELECT digest, EXISTS (SELECT 1 FROM names WHERE image = digest), used FROM images";
    stock.images.extend(index.rows(sql, [], image)?);
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
    for (image, layer) in index.rows("SELECT image, layer FROM image_layers", [], pair)? {
        stock.images.entry(image).or_default().layers.push(layer);
    }
    for (image, blob) in index.rows("SELECT image, blob FROM image_blobs", [], pair)? {
        stock.images.entry(image).or_default().blobs.push(blob);
    }
    Ok(stock)
}

/// Returns the blobs that the results name, all of them.
pub(super) fn named_blobs(index: &Access<'_>, boot: &str) -> Result<BTreeSet<String>, IndexError> {
    let sql = "SELECT record FROM results WHERE instr(record, '\"trees\":') AND boot IN ('', ?1)";
    let blobs = |row: &rusqlite::Row<'_>| Ok(Named::of(row.get_ref(0)?.as_str()?).blobs());
    Ok(index.rows(sql, [boot], blobs)?.into_iter().flatten().collect())
}

/// What a result names beside its layer.
#[derive(Default, serde::Deserialize)]
struct Named {
    log: Option<String>,
    #[serde(default)]
    trees: BTreeMap<String, Digest>,
}

impl Named {
    fn of(record: &str) -> Self {
        serde_json::from_str(record).unwrap_or_default()
    }

    fn blobs(&self) -> Vec<String> {
        self.trees.values().map(Digest::hex).collect()
    }

    /// `logs/<build>/<step>.log` lies in `<build>`.
    fn logs(&self) -> Option<String> {
        self.log.as_ref()?.strip_prefix("logs/")?.split('/').next().map(str::to_owned)
    }
}

fn things(index: &Access<'_>, boot: &str, sql: &str) -> Result<BTreeMap<String, Thing>, IndexError> {
    let take = |row: &rusqlite::Row<'_>| {
        let is_trusted = is_trusted(&row.get::<_, String>(3)?, boot);
        Ok((row.get(0)?, Thing { bytes: unsigned(row.get(1)?), used: row.get(2)?, is_trusted }))
    };
    Ok(index.rows(sql, [], take)?.into_iter().collect())
}

fn is_trusted(written: &str, boot: &str) -> bool {
    written.is_empty() || written == boot
}

fn names(directory: &Path) -> Result<Vec<String>, GcError> {
    let read = || -> std::io::Result<Vec<String>> {
        std::fs::read_dir(directory)?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect()
    };
    read().map_err(|source| GcError::File { path: directory.to_owned(), source })
}

/// Returns the last change of the newest file in a directory of logs.
fn newest(directory: &Path) -> i64 {
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    files.chain([directory.to_owned()]).filter_map(|path| changed(&path).ok()).max().unwrap_or(i64::MIN)
}
