// SPDX-License-Identifier: Apache-2.0
//! Statements.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::IndexError;

/// Statements within a read or a write; each is compiled once.
pub(crate) struct Access<'a> {
    path: &'a Path,
    connection: &'a Connection,
}

impl<'a> Access<'a> {
    pub(crate) fn new(path: &'a Path, connection: &'a Connection) -> Self {
        Self { path, connection }
    }

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
        IndexError::sqlite(self.path, source)
    }
}
