// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with an index.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::mark;

/// The store's index cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}{}", if matches!(**source, IndexFault::Sqlite(_)) { "the index " } else { "" }, path.display())]
pub struct IndexError {
    /// The database, or the file of the store that failed.
    pub path: PathBuf,
    /// Why.
    pub source: Box<IndexFault>,
}

/// What is wrong with an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexFault {
    /// What SQLite says.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// What the kernel says.
    #[error(transparent)]
    File(io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The database is not what it was.
    Damage,
    /// That, or the disk does not take anything just now.
    MaybeDamage,
    /// Everything else.
    Other,
}

impl IndexError {
    /// An error of SQLite. Damage leaves its mark, so that the next opening makes the index again.
    pub(crate) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let trouble = trouble(&source);
        if matches!(trouble, Trouble::Damage | Trouble::MaybeDamage) {
            mark::leave(path, trouble == Trouble::Damage);
        }
        Self { path: path.to_owned(), source: Box::new(IndexFault::Sqlite(source)) }
    }

    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source: Box::new(IndexFault::File(source)) }
    }

    /// Whether the next opening of the store makes the index again.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self.trouble(), Trouble::Damage | Trouble::MaybeDamage)
    }

    /// Whether another connection may do better.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(&*self.source, IndexFault::Sqlite(error) if super::connect::is_stuck(error))
    }

    fn trouble(&self) -> Trouble {
        match &*self.source {
            IndexFault::Sqlite(error) => trouble(error),
            IndexFault::File(_) => Trouble::Other,
        }
    }
}

fn trouble(error: &rusqlite::Error) -> Trouble {
    use ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase, ReadOnly, TooBig, TypeMismatch, Unknown};
    match error.sqlite_error_code() {
        // A statement of ours is refused (`Unknown`) where the tables are not those that it is written for.
        Some(DatabaseCorrupt | NotADatabase | ConstraintViolation | TypeMismatch | TooBig | Unknown) => Trouble::Damage,
        // A byte of the head says whether it may be written.
        Some(ReadOnly) => Trouble::MaybeDamage,
        Some(_) => Trouble::Other,
        // Not SQLite's: a value has another type, or is no text.
        None => Trouble::Damage,
    }
}
