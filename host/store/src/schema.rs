// SPDX-License-Identifier: Apache-2.0
//! The tables of the index (`docs/formats/store.md`).

use rusqlite::{Connection, TransactionBehavior};

/// Version of the store's format, kept as SQLite's `user_version`. It rises with every change that an older program
/// would misread; 0 means that the index is empty.
pub(crate) const FORMAT: i64 = 1;

/// Marks the file as wythe's for `file(1)`: "wyth".
const APPLICATION: i64 = 0x7779_7468;

/// `boot` is empty once a row is known to be on the disk, and else the boot id under which it was written.
/// `seq` orders rows by when they were written and is never used twice: a sync marks what was there when it began.
const TABLES: &str = "
CREATE TABLE layers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    created INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE blobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    created INTEGER NOT NULL, used INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE results (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, layer TEXT, record TEXT NOT NULL,
    sum TEXT NOT NULL, used INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE TABLE traces (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, record TEXT NOT NULL,
    sum TEXT NOT NULL, used INTEGER NOT NULL, boot TEXT NOT NULL);
CREATE INDEX results_layer ON results (layer);
CREATE INDEX layers_boot ON layers (boot) WHERE boot <> '';
CREATE INDEX blobs_boot ON blobs (boot) WHERE boot <> '';
CREATE INDEX results_boot ON results (boot) WHERE boot <> '';
CREATE INDEX traces_boot ON traces (boot) WHERE boot <> '';
CREATE TABLE steps (
    definition TEXT NOT NULL, step TEXT NOT NULL, key TEXT NOT NULL, record TEXT NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (definition, step)) WITHOUT ROWID;
CREATE TABLE images (
    digest TEXT PRIMARY KEY, config TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE image_layers (
    image TEXT NOT NULL, position INTEGER NOT NULL, layer TEXT NOT NULL, size INTEGER NOT NULL, blob TEXT,
    PRIMARY KEY (image, position)) WITHOUT ROWID;
CREATE INDEX image_layers_layer ON image_layers (layer);
CREATE TABLE image_blobs (
    image TEXT NOT NULL, blob TEXT NOT NULL, PRIMARY KEY (image, blob)) WITHOUT ROWID;
CREATE INDEX image_blobs_blob ON image_blobs (blob);
CREATE TABLE names (name TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX names_image ON names (image);
CREATE TABLE caches (
    directory TEXT PRIMARY KEY, id TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE stat_roots (id INTEGER PRIMARY KEY AUTOINCREMENT, root BLOB NOT NULL UNIQUE, used INTEGER NOT NULL);
CREATE TABLE stats (
    root INTEGER NOT NULL, path BLOB NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (root, path)) WITHOUT ROWID;
";

/// Returns the format of an index; 0 for one that was just made.
pub(crate) fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Makes the tables of an empty index in one transaction and returns the format.
pub(crate) fn create(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(FORMAT)
}
