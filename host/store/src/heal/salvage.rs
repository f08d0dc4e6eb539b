// SPDX-License-Identifier: Apache-2.0
//! What can still be read of a damaged index, and what lies in the store.
//!
//! A row counts where it can be checked: a record has its sum, content is there with its length. A page that cannot be read
//! is passed over from both sides.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Row};
use wythe_image::Digest;

use crate::ResultRecord;
use crate::index::{Access, IndexError, mark};
use crate::recall::{Recall, digest_of_file};
use crate::record::{digest_of, signed, sum, unsigned};
use crate::roll;

/// A damaged index that was put aside.
pub(super) struct Old {
    path: PathBuf,
    connection: Connection,
}

impl Old {
    /// Opens it, with the head that every index has.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::options().write(true).open(path).ok()?;
        for (at, bytes) in mark::HEADER {
            file.write_all_at(bytes, at as u64).ok()?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        // Lets tables be read although the description of another one is damaged. Refused, the others are read all the same.
        drop(connection.execute_batch("PRAGMA writable_schema = ON"));
        Some(Self { path: path.to_owned(), connection })
    }

    /// Takes over the images, if all of them can be read.
    pub(super) fn images(&self, recall: &Recall<'_>, index: &Access<'_>) -> Result<(), IndexError> {
        let images = roll::entries(&Access::new(&self.path, &self.connection)).unwrap_or_default();
        for entry in images.values() {
            if recall.content(index, entry)? {
                recall.put(index, entry)?;
            }
        }
        Ok(())
    }

    /// Takes over what is recorded of layers and blobs that are there.
    pub(super) fn content(&self, recall: &Recall<'_>, index: &Access<'_>) -> Result<(), IndexError> {
        let take = |row: &Row<'_>| Ok((text(row, 0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, text(row, 3)?));
        for row in self.rows("digest, size, created, boot", "layers", "seq", take) {
            if digest_of(&row.0).is_some() && row.1 >= 0 && recall.has_layer(&row.0)? {
                index.run("INSERT OR IGNORE INTO layers (digest, size, created, boot) VALUES (?1, ?2, ?3, ?4)", row)?;
            }
        }
        let take = |row: &Row<'_>| {
            let (size, created, used) = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
            Ok((text(row, 0)?, size, created, used, text(row, 4)?))
        };
        for row in self.rows("digest, size, created, used, boot", "blobs", "seq", take) {
            let there = std::fs::symlink_metadata(recall.blob_file(&row.0)).map(|found| found.len());
            if digest_of(&row.0).is_some() && there.is_ok_and(|length| length == unsigned(row.1)) {
                let insert =
                    "INSERT OR IGNORE INTO blobs (digest, size, created, used, boot) VALUES (?1, ?2, ?3, ?4, ?5)";
                index.run(insert, row)?;
            }
        }
        Ok(())
    }

    /// Takes over results, traces and what builds remember.
    pub(super) fn records(&self, recall: &Recall<'_>, index: &Access<'_>) -> Result<(), IndexError> {
        let take =
            |row: &Row<'_>| Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?, row.get::<_, i64>(3)?, text(row, 4)?));
        let is_whole = |row: &(String, String, String, i64, String)| {
            digest_of(&row.0).is_some_and(|key| sum(&key, &row.1) == row.2)
        };
        for row in self.rows("key, record, sum, used, boot", "results", "seq", take).into_iter().filter(is_whole) {
            let Ok(record) = serde_json::from_str::<ResultRecord>(&row.1) else { continue };
            let layer = record.layer.map(|layer| (layer.diff_id.hex(), signed(layer.size)));
            if let Some((layer, size)) = &layer
                && recall.has_layer(layer)?
            {
                let insert = "INSERT OR IGNORE INTO layers (digest, size, created, boot) VALUES (?1, ?2, ?3, ?4)";
                index.run(insert, (layer, size, record.created, &row.4))?;
            }
            let insert = "INSERT OR IGNORE INTO results (key, record, sum, used, boot, layer) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            index.run(insert, (row.0, row.1, row.2, row.3, row.4, layer.map(|(layer, _)| layer)))?;
        }
        for row in self.rows("key, record, sum, used, boot", "traces", "seq", take).into_iter().filter(is_whole) {
            let insert = "INSERT OR IGNORE INTO traces (key, record, sum, used, boot) VALUES (?1, ?2, ?3, ?4, ?5)";
            index.run(insert, row)?;
        }
        let take =
            |row: &Row<'_>| Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?, row.get::<_, i64>(4)?));
        for row in self.rows("definition, step, key, record, used", "steps", "definition, step", take) {
            let insert =
                "INSERT OR IGNORE INTO steps (definition, step, key, record, used) VALUES (?1, ?2, ?3, ?4, ?5)";
            index.run(insert, row)?;
        }
        let take = |row: &Row<'_>| Ok((text(row, 0)?, text(row, 1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?));
        for row in self.rows("directory, id, created, used", "caches", "directory", take) {
            if recall.root.join("cache").join(&row.0).is_dir() {
                index
                    .run("INSERT OR IGNORE INTO caches (directory, id, created, used) VALUES (?1, ?2, ?3, ?4)", row)?;
            }
        }
        Ok(())
    }

    /// Returns the rows of a table that can be read, from its beginning and, past what cannot, from its end.
    fn rows<T: Ord>(
        &self,
        columns: &str,
        table: &str,
        order: &str,
        take: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> BTreeSet<T> {
        let mut found = BTreeSet::new();
        for direction in ["", " DESC"] {
            let order = order.replace(", ", &format!("{direction}, "));
            let sql = format!("SELECT {columns} FROM {table} ORDER BY {order}{direction}");
            let Ok(mut statement) = self.connection.prepare(&sql) else { continue };
            // A row that is not what it should be is left out, and does not end the reading.
            let Ok(rows) = statement.query_map([], |row| Ok(take(row).ok())) else { continue };
            let mut is_whole = true;
            for row in rows {
                match row {
                    Ok(row) => found.extend(row),
                    Err(_) => {
                        is_whole = false;
                        break;
                    }
                }
            }
            if is_whole {
                break;
            }
        }
        found
    }
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    row.get(column)
}

/// Records blobs that are there, with the right bytes, and are not recorded.
pub(super) fn loose_blobs(recall: &Recall<'_>, index: &Access<'_>) -> Result<(), IndexError> {
    for hex in names(&recall.root.join("blobs/sha256")) {
        let Some(digest) = digest_of(&hex) else { continue };
        if index.row("SELECT 1 FROM blobs WHERE digest = ?1", [&hex], |_| Ok(()))?.is_some() {
            continue;
        }
        let path = recall.blob_file(&hex);
        let length = std::fs::symlink_metadata(&path).map(|found| found.len());
        if let Ok(length) = length
            && digest_of_file(&path).is_ok_and(|found: Digest| found == digest)
        {
            // Whether they are on the disk is not known.
            let insert = "INSERT INTO blobs (digest, size, created, used, boot) VALUES (?1, ?2, ?3, ?3, ?4)";
            index.run(insert, (hex, signed(length), recall.now, recall.boot))?;
        }
    }
    Ok(())
}

/// Records cache mounts that are there and not recorded. Their id is known again when they are used next.
pub(super) fn loose_caches(recall: &Recall<'_>, index: &Access<'_>) -> Result<(), IndexError> {
    for name in names(&recall.root.join("cache")) {
        let insert = "INSERT OR IGNORE INTO caches (directory, id, created, used) VALUES (?1, '', ?2, ?2)";
        index.run(insert, (name, recall.now))?;
    }
    Ok(())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
