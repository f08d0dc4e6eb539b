// SPDX-License-Identifier: Apache-2.0
//! Locks on keys: who makes a result makes others wait for it.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wythe_image::Digest;

use crate::Store;
use crate::range::{self, Hold};

/// Shortest and longest pause between two tries. A step takes tens of milliseconds at least, so the longest delays
/// nobody who waits by more than a few per cent.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(40));

/// The sole right to make the result of a key. It ends when dropped, and with the process.
#[derive(Debug)]
pub struct KeyLock {
    _file: File,
}

/// A lock that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Who waits was told to stop.
    #[error("stopped while waiting for another process")]
    Interrupted,
    /// The lock file cannot be used.
    #[error("cannot use the lock file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// Waits until no other thread or process makes the result of a key, and keeps them from doing so.
    ///
    /// `on_wait` is called before each pause (1 to 40 ms); breaking ends the wait. Who got the lock looks for the
    /// result once more, since the one before may have made it. Two keys must not be waited for at once.
    ///
    /// # Errors
    ///
    /// [`LockError::Interrupted`] where `on_wait` breaks.
    pub fn lock_key(&self, key: &Digest, on_wait: &mut dyn FnMut() -> ControlFlow<()>) -> Result<KeyLock, LockError> {
        let path = self.inner.path("locks/keys");
        Ok(KeyLock { _file: wait(&path, Hold::Exclusive, key, on_wait)? })
    }
}

/// Opens a lock file and takes one byte of it. The lock lives as long as the returned file.
pub(crate) fn wait(
    path: &Path,
    hold: Hold,
    digest: &Digest,
    on_wait: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<File, LockError> {
    let fail = |source| LockError::File { path: path.to_owned(), source };
    let file = range::open(path).map_err(fail)?;
    let mut pause = PAUSES.0;
    while !range::try_lock(&file, hold, range::place(digest)).map_err(fail)? {
        if on_wait().is_break() {
            return Err(LockError::Interrupted);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(file)
}
