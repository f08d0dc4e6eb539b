// SPDX-License-Identifier: Apache-2.0
//! Directories in which steps work.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use wythe_image::Digest;

use crate::Store;
use crate::claim::{self, Claim};
use crate::parts::NOTES;
use crate::usage::tree_bytes;

/// The directories of one running step. Dropping it has them removed, at the latest before the store's handle ends; so
/// does the next opening of the store where the process ended before it could.
///
/// All three lie on the file system of the layers, so that a commit is a rename.
#[derive(Debug)]
pub struct Active {
    pub(crate) claim: Claim,
    path: PathBuf,
    /// The layer that what is made here stands on.
    pub(crate) on: Option<Digest>,
}

/// No place to work can be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a working directory in {}", path.display())]
pub struct BeginError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Store {
    /// Makes the directories for a step, and removes those that crashed processes have left.
    ///
    /// # Errors
    ///
    /// Fails where the file system refuses, a full one say.
    pub fn begin(&self) -> Result<Active, BeginError> {
        claim::sweep(&self.inner);
        let make = || {
            let claim = Claim::directory(&self.inner)?;
            rustix::fs::mkdirat(&claim.file, "work", Mode::RWXU)?;
            rustix::fs::mkdirat(&claim.file, "upper", Mode::RWXU)?;
            // An upper directory's mode is that of the merged root: a umask must not reach it.
            rustix::fs::chmodat(&claim.file, "upper", Mode::from_raw_mode(0o755), AtFlags::empty())?;
            Ok(Active { path: claim.path(), claim, on: None })
        };
        make().map_err(|error: Errno| BeginError { path: self.inner.path("active"), source: error.into() })
    }
}

impl Store {
    /// Waits until the directories of all steps that were dropped are removed.
    pub fn finish_sweeping(&self) {
        self.inner.sweeper.finish();
    }
}

impl Active {
    /// Returns the directory that holds the others; there is room for more in it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.path
    }

    /// Returns the directory for changes, empty at first.
    #[must_use]
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }

    /// Returns the directory that the kernel works in.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// Returns the place for what a step needs and its layer must not have. Who needs it makes it.
    #[must_use]
    pub fn plumbing(&self) -> PathBuf {
        self.path.join("plumbing")
    }

    /// Writes down what the layer's maker notes of it: it is kept beside the layer, as long as that, and can be gone.
    ///
    /// # Errors
    ///
    /// Fails where the file system refuses.
    pub fn note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let notes = self.path.join(NOTES);
        std::fs::create_dir_all(&notes)?;
        std::fs::write(notes.join(format!("{name}.{}", Digest::of(bytes).hex())), bytes)
    }

    /// Says that the changes are to be laid over a layer, to be another one with it: a whole layer, which this store's handle has
    /// returned. They may hide no name of it.
    pub fn stand_on(&mut self, layer: Digest) {
        self.on = Some(layer);
    }

    /// Returns what measures how much the step has written.
    #[must_use]
    pub fn meter(&self) -> Meter {
        Meter([self.upper(), self.work()])
    }

    /// Removes the directories and says how that went; dropping does the same in silence.
    ///
    /// # Errors
    ///
    /// Fails where something is mounted in them, or the file system refuses. What is left goes with the next sweep.
    pub fn remove(mut self) -> io::Result<()> {
        Ok(self.claim.remove_now()?)
    }
}

/// Measures how much a step has written, while it runs.
#[derive(Debug)]
pub struct Meter([PathBuf; 2]);

impl Meter {
    /// Returns the bytes that the changes take on the disk now. A file that has no name any more counts for nothing.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|dir| tree_bytes(dir)).sum()
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.claim.leave_to_sweeper();
    }
}
