// SPDX-License-Identifier: Apache-2.0
//! Layers that are read as a whole before they are used first, where that is asked for.
//!
//! What rots on a disk is not written to: neither sizes nor times tell of it, and a step reads a small part of what lies below
//! it. So this is the one way to know before a step does, and it costs what reading costs.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use wythe_image::Digest;

use crate::index::{Commit, IndexError};
use crate::record::RecordError;
use crate::verify::is_lack;
use crate::{Store, claim};

type Compute = Box<dyn Fn(&[PathBuf]) -> Result<Digest, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// What a handle knows of the layers that it does not trust.
#[derive(Default)]
pub(crate) struct Distrust {
    compute: OnceLock<Compute>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    sound: BTreeSet<Digest>,
    damaged: BTreeSet<Digest>,
}

impl fmt::Debug for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Distrust").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Distrust {
    fn known<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn is_asked_for(&self) -> bool {
        self.compute.get().is_some()
    }

    /// Takes note of a layer that was just made, and whose digest was computed then.
    pub(crate) fn was_made(&self, layer: &Digest) {
        if self.is_asked_for() {
            self.known(|known| known.sound.insert(*layer));
        }
    }
}

impl Store {
    /// From now on, reads each layer as a whole before this handle returns it, or a result that has it, for the first time. One
    /// whose content is not what its digest says is removed, and is not there: who needs it makes it again.
    ///
    /// Once is enough for a handle: a second call changes nothing.
    pub fn verify_before_use(
        &self,
        layer_digest: impl Fn(&[PathBuf]) -> Result<Digest, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) {
        drop(self.inner.distrust.compute.set(Box::new(layer_digest)));
    }

    /// Returns the layers that were found damaged, and removed, before they were used.
    #[must_use]
    pub fn found_damaged(&self) -> Vec<Digest> {
        self.inner.distrust.known(|known| known.damaged.iter().copied().collect())
    }

    /// Whether the content of a layer is what its digest says, as far as that is asked for.
    pub(crate) fn is_sound(&self, layer: &Digest) -> Result<bool, RecordError> {
        let distrust = &self.inner.distrust;
        let Some(compute) = distrust.compute.get() else { return Ok(true) };
        if distrust.known(|known| known.sound.contains(layer)) {
            return Ok(true);
        }
        let Some(lie) = self.lie(layer)? else { return Ok(false) };
        match compute(&lie.dirs) {
            Ok(found) if found == *layer => {
                distrust.known(|known| known.sound.insert(*layer));
                Ok(true)
            }
            Err(source) if is_lack(&*source) => Err(RecordError::Unread { path: self.layer_place(layer), source }),
            _ => {
                self.remove_damaged(layer)?;
                distrust.known(|known| known.damaged.insert(*layer));
                Ok(false)
            }
        }
    }

    /// Takes a layer out of the store. Its directory goes as well: an image that has it would bring the record back.
    fn remove_damaged(&self, layer: &Digest) -> Result<(), IndexError> {
        let (inner, hex) = (&self.inner, layer.hex());
        let gone = inner.index.write(Commit::Lazy, |index| {
            index.run("DELETE FROM layers WHERE digest = ?1", [&hex])?;
            let moved = claim::discard(inner, inner.layers.as_fd(), &hex);
            moved.map_err(|error| IndexError::file(&self.layer_place(layer), error.into()))
        })?;
        if let Some(gone) = gone {
            // The next sweep tries again.
            let _ = claim::sweep_entry(inner, &gone);
        }
        Ok(())
    }
}
