// SPDX-License-Identifier: Apache-2.0
//! Layers: unpacked changes by the digest of their canonical archive.

use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use rustix::fs::Mode;
use rustix::io::Errno;
use wythe_image::{Digest, LayerRef};

use crate::claim;
use crate::index::{Access, Commit, IndexError};
use crate::parts::Lie;
use crate::record::{RecordError, signed, unsigned};
use crate::{Active, ResultRecord, Store};
use crate::{parts, result};

/// A layer that cannot be committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// What is there cannot be looked up.
    #[error("cannot look for layer {digest}")]
    Lookup {
        /// The layer.
        digest: Digest,
        /// Why.
        source: RecordError,
    },
    /// The directory cannot be moved.
    #[error("cannot move layer {digest} into the store")]
    Move {
        /// The layer.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// It cannot be recorded.
    #[error("cannot record a layer")]
    Index(#[from] IndexError),
}

impl Store {
    /// Makes the upper directory of a step a layer; the rest of the step's directories go.
    ///
    /// Idempotent: where the layer is there, it stays and the new one goes. Atomic: a rename in one transaction of
    /// the index. The caller vouches that `layer` is the digest and length of what is in the directory, and that
    /// nothing writes to it any more.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; the directories go in any case.
    pub fn commit_layer(&self, active: Active, layer: &LayerRef) -> Result<(), CommitError> {
        self.commit(active, layer, |_| Ok(()))
    }

    /// Does what [`Store::commit_layer`] and [`Store::put_result`] do, in one transaction: a step's last act. A record
    /// without a layer leaves nothing of the step's directories.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; the directories go in any case.
    pub fn commit_result(&self, active: Active, key: &Digest, record: &ResultRecord) -> Result<(), CommitError> {
        let Some(layer) = record.layer else {
            return self.put_result(key, record).map_err(|source| CommitError::Lookup { digest: *key, source });
        };
        self.hold(key).map_err(|source| CommitError::Lookup { digest: *key, source })?;
        self.commit(active, &layer, |index| result::put(index, &self.inner, key, record))
    }

    fn commit(
        &self,
        active: Active,
        layer: &LayerRef,
        and: impl FnOnce(&Access<'_>) -> Result<(), IndexError>,
    ) -> Result<(), CommitError> {
        let digest = layer.diff_id;
        let lookup = |source| CommitError::Lookup { digest, source };
        self.hold(&digest).map_err(lookup)?;
        if self.inner.distrust.is_asked_for() {
            // A damaged one goes, so that it does not stay in the place of the new one.
            self.layer(&digest).map_err(lookup)?;
        }
        let mut old = None;
        self.inner.index.write(Commit::Lazy, |index| {
            if !self.is_layer(index, &digest)? {
                old = self.place(&active, &digest).map_err(|e| CommitError::Move { digest, source: e.into() })?;
                let insert = "INSERT OR REPLACE INTO layers (digest, size, created, boot) VALUES (?1, ?2, ?3, ?4)";
                let Self { inner } = self;
                index.run(insert, (digest.hex(), signed(layer.size), inner.now, &inner.boot))?;
            }
            Ok::<_, CommitError>(and(index)?)
        })?;
        self.inner.distrust.was_made(&digest);
        if let Some(old) = old {
            // The next sweep tries again.
            let _ = claim::sweep_entry(&self.inner, &old);
        }
        Ok(())
    }

    /// Returns the directories of a layer, the lowest first, or `None` where the store has none that can be trusted.
    ///
    /// There is one, or two of which the second says what is otherwise in the first without hiding a name of it: laid over
    /// each other they are the layer.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn layer_dirs(&self, diff_id: &Digest) -> Result<Option<Vec<PathBuf>>, RecordError> {
        Ok(self.layer_and_lie(diff_id)?.map(|(_, lie)| lie.dirs))
    }

    /// Returns a layer with the length of its archive, or `None` where the store has none that can be trusted.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<LayerRef>, RecordError> {
        Ok(self.layer_and_lie(diff_id)?.map(|(layer, _)| layer))
    }

    fn layer_and_lie(&self, diff_id: &Digest) -> Result<Option<(LayerRef, Lie)>, RecordError> {
        self.hold(diff_id)?;
        let sql = "SELECT size FROM layers WHERE digest = ?1 AND boot IN ('', ?2)";
        let find = || self.inner.index.row(sql, (diff_id.hex(), &self.inner.boot), |row| row.get::<_, i64>(0));
        let mut size = find()?;
        let lie = self.lie(diff_id)?;
        if size.is_none() && lie.is_some() && self.inner.agree_once()? {
            size = find()?;
        }
        let layer = size.map(|size| LayerRef { diff_id: *diff_id, size: unsigned(size) });
        let found = layer.zip(lie);
        Ok(if found.is_some() && self.is_sound(diff_id)? { found } else { None })
    }

    pub(crate) fn is_layer(&self, index: &Access<'_>, digest: &Digest) -> Result<bool, IndexError> {
        let sql = "SELECT 1 FROM layers WHERE digest = ?1 AND boot IN ('', ?2)";
        let known = index.row(sql, (digest.hex(), &self.inner.boot), |_| Ok(()))?;
        Ok(known.is_some() && parts::find(&self.inner.root, &digest.hex())?.is_some())
    }

    /// Puts the upper directory into its place. What lay there without a record that counts is garbage of a crash or
    /// of another boot, and its content may be anything: it becomes trash, whose name is returned.
    fn place(&self, active: &Active, digest: &Digest) -> Result<Option<std::ffi::CString>, Errno> {
        let (inner, hex) = (&self.inner, digest.hex());
        let old = claim::discard(inner, inner.layers.as_fd(), &hex)?;
        rustix::fs::mkdirat(&inner.layers, &hex, Mode::RWXU)?;
        parts::settle(inner, &active.claim.file, &hex, active.on.as_ref())?;
        parts::settle_notes(inner, &active.claim.file, &hex)?;
        Ok(old)
    }
}
