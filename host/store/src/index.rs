// SPDX-License-Identifier: Apache-2.0
//! The index: one SQLite database in WAL mode, used by all processes at once.
//!
//! Never open `index.db` or its companions by other means within the process: closing any descriptor of a file drops
//! all POSIX locks that the process holds on it, SQLite's too.

mod access;
mod connect;
mod error;
pub(crate) mod mark;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Params, Row};

pub(crate) use access::Access;
pub(crate) use connect::{NewerFormat, format_of};
pub use error::{IndexError, IndexFault};

/// The file's name in the store's directory.
pub(crate) const FILE: &str = "index.db";

/// What the names of SQLite's companions of the index end with.
pub(crate) const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// How long another process may hold the write lock before a write fails. Writes take milliseconds; a minute means
/// that somebody is stopped, not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a lock is waited for before the wait goes on with another connection: who holds it may be this very process,
/// which could not give it back (SQLite takes no notice of that) and would wait for itself.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of log after which a sync moves it into the database. The first process to open a store reads the whole
/// log, so a short one is what makes opening cheap.
const LOG_BYTES: u64 = 256 * 1024;

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// It survives the process. After a power cut it is there or, with all later commits, not there.
    Lazy,
    /// It and all earlier ones survive a power cut.
    Durable,
}

#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// The directory in which the database and its log lie.
    directory: File,
    /// Whether that directory lists both after a power cut.
    is_listed: AtomicBool,
}

impl Index {
    /// Opens the index and makes it on first use; `directory`, which is the store's, is locked by one process at a time
    /// meanwhile.
    pub(crate) fn open(path: PathBuf, directory: File) -> Result<Result<Self, NewerFormat>, IndexError> {
        match connect::connect(&path, &directory) {
            Ok(Ok(connection)) => {
                let (connection, is_listed) = (Mutex::new(connection), AtomicBool::new(false));
                Ok(Ok(Self { path, connection, directory, is_listed }))
            }
            Ok(Err(newer)) => Ok(Err(newer)),
            Err(source) => Err(IndexError::sqlite(&path, source)),
        }
    }

    /// Runs reads that see one state of the index.
    pub(crate) fn read<T>(&self, work: impl Fn(&Access<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.with_retry(&mut self.connection(), |connection| {
            connection.execute_batch("BEGIN").map_err(|source| self.error(source))?;
            let open = Open(connection);
            work(&Access::new(&self.path, open.0))
        })
    }

    /// Runs one statement that reads.
    pub(crate) fn row<T>(
        &self,
        sql: &str,
        params: impl Params + Clone,
        take: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, IndexError> {
        let run = |connection: &Connection| Access::new(&self.path, connection).row(sql, params.clone(), &take);
        self.with_retry(&mut self.connection(), run)
    }

    /// Runs a transaction that excludes all other writers, of other processes too. An error undoes it.
    pub(crate) fn write<T, E: From<IndexError>>(
        &self,
        commit: Commit,
        work: impl FnOnce(&Access<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connection();
        if commit == Commit::Durable {
            self.list()?;
        }
        let result = self.transact(&mut connection, commit, work);
        if commit == Commit::Durable {
            self.synchronous(&connection, Commit::Lazy)?;
        }
        result
    }

    /// Moves the log into the database where it has grown, so that the next process opens quickly.
    pub(crate) fn fold(&self) -> Result<(), IndexError> {
        let log = self.path.with_extension("db-wal");
        if std::fs::metadata(log).is_ok_and(|log| log.len() <= LOG_BYTES) {
            return Ok(());
        }
        self.list()?;
        // Readers of other processes may keep a part of the log in use; the next fold takes it then, and nobody waits.
        let connection = self.connection();
        let fold = || {
            connection.busy_timeout(Duration::ZERO)?;
            let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            connection.busy_timeout(FIRST_PATIENCE)?;
            match folded {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
                folded => folded,
            }
        };
        fold().map_err(|source| self.error(source))
    }

    /// Closes the index with all of it in the database, and nothing in its log.
    pub(crate) fn close_folded(self) -> Result<(), IndexError> {
        let connection = self.connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        folded.map_err(|source| IndexError::sqlite(&self.path, source))
    }

    /// Takes note that the file system was flushed since the index was opened.
    pub(crate) fn was_flushed(&self) {
        self.is_listed.store(true, Ordering::Relaxed);
    }

    /// Makes sure that a power cut does not take away the names of the files. SQLite does the same with the first commit
    /// that is to last and before it moves the log, and takes no notice where that fails.
    fn list(&self) -> Result<(), IndexError> {
        if !self.is_listed.load(Ordering::Relaxed) {
            self.directory.sync_all().map_err(|source| IndexError::file(&self.path, source))?;
            self.was_flushed();
        }
        Ok(())
    }

    fn transact<T, E: From<IndexError>>(
        &self,
        connection: &mut Connection,
        commit: Commit,
        work: impl FnOnce(&Access<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = |connection: &Connection| {
            if commit == Commit::Durable {
                self.synchronous(connection, commit)?;
            }
            connection.execute_batch("BEGIN IMMEDIATE").map_err(|source| self.error(source))
        };
        // Only the beginning is tried again: what follows may have changed files.
        self.with_retry(connection, begin)?;
        let open = Open(connection);
        let value = work(&Access::new(&self.path, open.0))?;
        open.0.execute_batch("COMMIT").map_err(|source| self.error(source))?;
        Ok(value)
    }

    /// Does something once more with another connection where the first one is stuck: a lock that it could not give back
    /// is given back with it.
    fn with_retry<T>(
        &self,
        connection: &mut Connection,
        work: impl Fn(&Connection) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        match work(connection) {
            Err(error) if error.is_stuck() => {}
            result => return result,
        }
        // What SQLite believes of locks, all connections of a process share: the old one ends before the new one begins.
        *connection = Connection::open_in_memory().map_err(|source| self.error(source))?;
        let again = connect::connect(&self.path, &self.directory).map_err(|source| self.error(source))?;
        *connection = again.map_err(|_| IndexError::file(&self.path, io::Error::other("its format has changed")))?;
        connection.busy_timeout(PATIENCE).map_err(|source| self.error(source))?;
        let result = work(connection);
        connection.busy_timeout(FIRST_PATIENCE).map_err(|source| self.error(source))?;
        result
    }

    fn synchronous(&self, connection: &Connection, commit: Commit) -> Result<(), IndexError> {
        let level = if commit == Commit::Durable { "FULL" } else { "NORMAL" };
        connection.pragma_update(None, "synchronous", level).map_err(|source| self.error(source))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction has rolled it back while unwinding.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, source: rusqlite::Error) -> IndexError {
        IndexError::sqlite(&self.path, source)
    }
}

/// A transaction. It is undone where it was not committed.
struct Open<'c>(&'c Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // What cannot be undone is undone when the connection ends.
            drop(self.0.execute_batch("ROLLBACK"));
        }
    }
}
