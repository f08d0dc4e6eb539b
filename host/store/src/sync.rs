// SPDX-License-Identifier: Apache-2.0
//! Durability in bulk: one flush of the file system covers everything written before it.

use std::io;
use std::path::PathBuf;

use crate::Store;
use crate::index::{Access, Commit, IndexError};

/// Tables whose rows say whether they are on the disk.
pub(crate) const DURABLE: [&str; 4] = ["layers", "blobs", "results", "traces"];

/// The boot id of rows that a failed flush may have lost. No machine has it.
const LOST: &str = "lost";

/// The store cannot be made durable.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The file system could not be flushed. What was written since the last flush is not trusted any more.
    #[error("cannot flush the file system of {}; what was built since the last flush will be built again", path.display())]
    Flush {
        /// The store's directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index cannot be used.
    #[error("cannot record that the store was flushed")]
    Index(#[from] IndexError),
}

impl Store {
    /// Makes everything that any process has committed so far survive a power cut. Returns at once where all of it
    /// does already.
    ///
    /// # Errors
    ///
    /// See [`SyncError`]. A flush that fails once is not tried again for the same content: the kernel may have
    /// dropped it, and a second flush would succeed over the loss.
    pub fn sync(&self) -> Result<(), SyncError> {
        self.inner.write_uses()?;
        if let Some(flushed) = self.flush()? {
            self.inner.index.write(Commit::Durable, |index| flushed.mark(index, ""))?;
            self.inner.index.fold()?;
        }
        Ok(())
    }

    /// Flushes the file system; `None` where nothing waits for it.
    pub(crate) fn flush(&self) -> Result<Option<Flushed>, SyncError> {
        let pending = self.inner.index.read(|index| Flushed::pending(index, &self.inner.boot))?;
        if pending.upto.iter().all(Option::is_none) {
            return Ok(None);
        }
        match rustix::fs::syncfs(&self.inner.directory) {
            Ok(()) => {
                self.inner.index.was_flushed();
                Ok(Some(pending))
            }
            Err(error) => {
                self.inner.index.write(Commit::Lazy, |index| pending.mark(index, LOST))?;
                Err(SyncError::Flush { path: self.inner.root.clone(), source: error.into() })
            }
        }
    }
}

/// The rows that were there when a flush began.
#[derive(Debug)]
pub(crate) struct Flushed {
    boot: String,
    upto: [Option<i64>; DURABLE.len()],
}

impl Flushed {
    fn pending(index: &Access<'_>, boot: &str) -> Result<Self, IndexError> {
        let mut upto = [None; DURABLE.len()];
        for (table, upto) in DURABLE.iter().zip(&mut upto) {
            let sql = format!("SELECT max(seq) FROM {table} WHERE boot <> '' AND boot = ?1");
            *upto = index.row(&sql, [boot], |row| row.get(0))?.flatten();
        }
        Ok(Self { boot: boot.to_owned(), upto })
    }

    /// Gives the rows another standing: on the disk (empty), or lost.
    pub(crate) fn mark(&self, index: &Access<'_>, standing: &str) -> Result<(), IndexError> {
        for (table, upto) in DURABLE.iter().zip(&self.upto) {
            let sql = format!("UPDATE {table} SET boot = ?1 WHERE boot <> '' AND boot = ?2 AND seq <= ?3");
            index.run(&sql, (standing, &self.boot, upto.unwrap_or(0)))?;
        }
        Ok(())
    }
}
