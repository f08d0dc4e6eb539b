// SPDX-License-Identifier: Apache-2.0
//! Connections to the database.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::FlockOperation;
use rustix::io::retry_on_intr;

use super::{FIRST_PATIENCE, PATIENCE};
use crate::schema;

/// Log pages after which a commit moves them into the database by itself, with the `fsync` that this takes. Syncing
/// does so anyhow; this only bounds the log of a store that is never synced.
const LOG_PAGES: u32 = 4000;

/// The format of an index that this program cannot use.
pub(crate) struct NewerFormat(pub(crate) i64);

/// Opens the database, made where it is not there. Who gets stuck on a lock begins anew, once: it may be one of its own.
pub(super) fn connect(path: &Path, directory: &File) -> rusqlite::Result<Result<Connection, NewerFormat>> {
    match attempt(path, directory, FIRST_PATIENCE) {
        Err(error) if is_stuck(&error) => attempt(path, directory, PATIENCE),
        result => result,
    }
}

/// Whether a connection holds on to a lock, or waits for one that may be its own.
pub(super) fn is_stuck(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::FileLockingProtocolFailed | ErrorCode::DatabaseBusy))
}

fn attempt(path: &Path, directory: &File, patience: Duration) -> rusqlite::Result<Result<Connection, NewerFormat>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Closing would move the log into the database, with an `fsync`, at the end of every short command.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let mut format = schema::format(&connection)?;
    if format == 0 {
        // Switching to WAL does not honour the patience above, so one process does it alone.
        // Where it cannot be locked, two at once are unlikely, and fail without harm.
        let _locked = retry_on_intr(|| rustix::fs::flock(directory, FlockOperation::LockExclusive));
        format = schema::format(&connection)?;
        if format == 0 {
            format = schema::create(&mut connection)?;
        }
        drop(directory.unlock());
    }
    if format != schema::FORMAT {
        return Ok(Err(NewerFormat(format)));
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.busy_timeout(FIRST_PATIENCE)?;
    Ok(Ok(connection))
}

/// Returns the format that a database claims to have, without changing anything.
pub(crate) fn format_of(path: &Path) -> Option<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    schema::format(&Connection::open_with_flags(path, flags).ok()?).ok()
}
