// SPDX-License-Identifier: Apache-2.0
//! The index: one SQLite database in WAL mode, used by all processes at once.
//!
//! Never open `index.db` or its companions by other means within the process: closing any descriptor of a file drops
//! all POSIX locks that the process holds on it, SQLite's too.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Params, Row, Transaction, TransactionBehavior};

use crate::schema;

/// The file's name in the store's directory.
pub(crate) const FILE: &str = "index.db";

/// How long another process may hold the write lock before a write fails. Writes take milliseconds; a minute means
/// that somebody is stopped, not busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Log pages after which a commit moves them into the database by itself, with the `fsync` that this takes. Syncing
/// does so anyhow; this only bounds the log of a store that is never synced.
const LOG_PAGES: u32 = 4000;

/// Bytes of log after which a sync moves it into the database. The first process to open a store reads the whole
/// log, so a short one is what makes opening cheap.
const LOG_BYTES: u64 = 256 * 1024;

/// The store's index cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the index {}", path.display())]
pub struct IndexError {
    /// The database.
    pub path: PathBuf,
    /// What SQLite says.
    pub source: Box<rusqlite::Error>,
}

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// It survives the process. After a power cut it is there or, with all later commits, not there.
    Lazy,
    /// It and all earlier ones survive a power cut.
    Durable,
}

/// The format of an index that this program cannot use.
pub(crate) struct NewerFormat(pub(crate) i64);

#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Index {
    /// Opens the index and makes it on first use; `creation` is held by one process at a time meanwhile.
    pub(crate) fn open(path: PathBuf, creation: &std::fs::File) -> Result<Result<Self, NewerFormat>, IndexError> {
        match connect(&path, creation) {
            Ok(Ok(connection)) => Ok(Ok(Self { path, connection: Mutex::new(connection) })),
            Ok(Err(newer)) => Ok(Err(newer)),
            Err(source) => Err(IndexError { path, source: Box::new(source) }),
        }
    }

    /// Runs reads that see one state of the index.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Access<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let mut connection = self.connection();
        let transaction = self.begin(&mut connection, TransactionBehavior::Deferred)?;
        work(&Access { path: &self.path, connection: &transaction })
    }

    /// Runs one statement that reads.
    pub(crate) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, IndexError> {
        Access { path: &self.path, connection: &self.connection() }.row(sql, params, take)
    }

    /// Runs a transaction that excludes all other writers, of other processes too. An error undoes it.
    pub(crate) fn write<T, E: From<IndexError>>(
        &self,
        commit: Commit,
        work: impl FnOnce(&Access<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connection();
        if commit == Commit::Durable {
            self.synchronous(&connection, "FULL")?;
        }
        let result = self.transact(&mut connection, work);
        if commit == Commit::Durable {
            self.synchronous(&connection, "NORMAL")?;
        }
        result
    }

    /// Moves the log into the database where it has grown, so that the next process opens quickly.
    pub(crate) fn fold(&self) -> Result<(), IndexError> {
        let log = self.path.with_extension("db-wal");
        if std::fs::metadata(log).is_ok_and(|log| log.len() <= LOG_BYTES) {
            return Ok(());
        }
        // Readers of other processes may keep a part of the log in use; the next fold takes it then.
        let connection = self.connection();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(|source| self.error(source))
    }

    fn transact<T, E: From<IndexError>>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&Access<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let transaction = self.begin(connection, TransactionBehavior::Immediate)?;
        let value = work(&Access { path: &self.path, connection: &transaction })?;
        transaction.commit().map_err(|source| self.error(source))?;
        Ok(value)
    }

    fn begin<'c>(
        &self,
        connection: &'c mut Connection,
        behavior: TransactionBehavior,
    ) -> Result<Transaction<'c>, IndexError> {
        connection.transaction_with_behavior(behavior).map_err(|source| self.error(source))
    }

    fn synchronous(&self, connection: &Connection, level: &str) -> Result<(), IndexError> {
        connection.pragma_update(None, "synchronous", level).map_err(|source| self.error(source))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic inside a transaction has rolled it back while unwinding.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, source: rusqlite::Error) -> IndexError {
        IndexError { path: self.path.clone(), source: Box::new(source) }
    }
}

fn connect(path: &Path, creation: &std::fs::File) -> rusqlite::Result<Result<Connection, NewerFormat>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Closing would move the log into the database, with an `fsync`, at the end of every short command.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let mut format = schema::format(&connection)?;
    if format == 0 {
        // Switching to WAL does not honour the patience above, so one process does it alone.
        let locked = creation.lock();
        format = schema::format(&connection)?;
        if format == 0 && locked.is_ok() {
            format = schema::create(&mut connection)?;
        }
        drop(creation.unlock());
    }
    if format != schema::FORMAT {
        return Ok(Err(NewerFormat(format)));
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    Ok(Ok(connection))
}

/// Statements within a read or a write; each is compiled once.
pub(crate) struct Access<'a> {
    path: &'a Path,
    connection: &'a Connection,
}

impl Access<'_> {
    /// Runs a statement and returns how many rows it changed.
    pub(crate) fn run(&self, sql: &str, params: impl Params) -> Result<usize, IndexError> {
        let run = || self.connection.prepare_cached(sql)?.execute(params);
        run().map_err(|source| self.error(source))
    }

    /// Returns the first row, if there is one.
    pub(crate) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        take: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, IndexError> {
        let run = || self.connection.prepare_cached(sql)?.query_row(params, take).optional();
        run().map_err(|source| self.error(source))
    }

    /// Returns all rows.
    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        take: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, IndexError> {
        let run = || self.connection.prepare_cached(sql)?.query_map(params, take)?.collect::<Result<Vec<T>, _>>();
        run().map_err(|source| self.error(source))
    }

    fn error(&self, source: rusqlite::Error) -> IndexError {
        IndexError { path: self.path.to_owned(), source: Box::new(source) }
    }
}
