// SPDX-License-Identifier: Apache-2.0
//! What takes how much room.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Store;
use crate::index::IndexError;
use crate::record::unsigned;

/// Kinds of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Saved images; their bytes are those of their layers and blobs.
    Images,
    /// Unpacked layers.
    Layers,
    /// Blobs.
    Blobs,
    /// Records of results and traces.
    Records,
    /// Cache mounts.
    Caches,
    /// Named volumes.
    Volumes,
    /// Output of steps.
    Logs,
    /// Compiled plugins.
    Compiled,
    /// Running steps, and garbage of crashed ones.
    Active,
    /// The index.
    Index,
}

impl fmt::Display for Class {
    /// The word that JSON uses, so that people and programs see the same one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Layers => "layers",
            Self::Blobs => "blobs",
            Self::Records => "records",
            Self::Caches => "caches",
            Self::Volumes => "volumes",
            Self::Logs => "logs",
            Self::Compiled => "compiled",
            Self::Active => "active",
            Self::Index => "index",
        })
    }
}

/// A number of things and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What takes how much room, by class.
///
/// Layers count with the length of their archives and blobs with theirs, as the index has them; the rest is measured
/// on the disk.
pub type Usage = BTreeMap<Class, Tally>;

impl Store {
    /// Measures the store.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read. What disappears or cannot be read meanwhile counts for nothing.
    pub fn usage(&self) -> Result<Usage, IndexError> {
        let mut usage = self.inner.index.read(|index| {
            let mut usage = Usage::new();
            for (class, sql) in [
                (Class::Images, "SELECT count(*), 0 FROM images"),
                (Class::Layers, "SELECT count(*), coalesce(sum(size), 0) FROM layers"),
                (Class::Blobs, "SELECT count(*), coalesce(sum(size), 0) FROM blobs"),
                (Class::Records, "SELECT (SELECT count(*) FROM results) + (SELECT count(*) FROM traces), 0"),
            ] {
                let tally = index.row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let (count, bytes) = tally.unwrap_or_default();
                usage.insert(class, Tally { count: unsigned(count), bytes: unsigned(bytes) });
            }
            Ok(usage)
        })?;
        for (class, directory) in [
            (Class::Caches, "cache"),
            (Class::Volumes, "volumes"),
            (Class::Logs, "logs"),
            (Class::Compiled, "compiled"),
            (Class::Active, "active"),
        ] {
            usage.insert(class, entries(&self.inner.path(directory)));
        }
        let mut index = Tally::default();
        for file in ["index.db", "index.db-wal", "index.db-shm"] {
            if let Ok(file) = std::fs::symlink_metadata(self.inner.path(file)) {
                index.add(on_disk(&file));
            }
        }
        usage.insert(Class::Index, index);
        Ok(usage)
    }
}

/// Tallies the entries of a directory, each with all that is below it.
fn entries(directory: &Path) -> Tally {
    let mut tally = Tally::default();
    let Ok(entries) = std::fs::read_dir(directory) else { return tally };
    for entry in entries.flatten() {
        tally.add(tree_bytes(&entry.path()));
    }
    tally
}

/// Returns the bytes that a tree takes on the disk. Links are not followed and other devices not entered; each name of
/// a file with several counts for its share.
pub(crate) fn tree_bytes(path: &Path) -> u64 {
    let mut bytes = 0;
    let Ok(top) = std::fs::symlink_metadata(path) else { return 0 };
    let mut waiting = vec![path.to_owned()];
    bytes += on_disk(&top);
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += on_disk(&metadata) / if metadata.is_dir() { 1 } else { metadata.nlink().max(1) };
            if metadata.is_dir() && metadata.dev() == top.dev() {
                waiting.push(entry.path());
            }
        }
    }
    bytes
}

fn on_disk(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}

/// Returns the last change of a file in seconds since 1970.
pub(crate) fn changed(path: &Path) -> io::Result<i64> {
    Ok(std::fs::symlink_metadata(path)?.mtime())
}
