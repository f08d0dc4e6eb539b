// SPDX-License-Identifier: Apache-2.0
//! Layers from elsewhere: unpacked once, and known from then on by the name that others have for them.
//!
//! The archive of another program is not the one that is generated here, so a layer gets a name of its own
//! (`docs/formats/layer.md`, "Layers from elsewhere").

use std::io::Read;

use wythe_image::{Digest, LayerRef, to_canonical_json};
use wythe_snapshot::{ApplyError, WriteTarError, apply_layer, layer_digest};
use wythe_store::{BeginError, CommitError, QuotaError, RecordError, Store};

/// A layer that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its name here.
    pub layer: LayerRef,
    /// What a layer cannot hold, in words; empty where it was known.
    pub left_out: Vec<String>,
}

/// A layer that was not taken in. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError<E: std::error::Error + 'static> {
    /// Its archive cannot be had.
    #[error(transparent)]
    Open(E),
    /// It cannot be unpacked.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// It is another one than the configuration of the image says.
    #[error("the layer is not what the image's configuration says: expected {expected}, found {found}")]
    OtherContent {
        /// What the configuration calls it.
        expected: Digest,
        /// The digest of the archive.
        found: Digest,
    },
    /// What was unpacked cannot be read again.
    #[error("cannot name the layer")]
    Name(#[from] WriteTarError),
    /// There is no room for it.
    #[error("the store would grow beyond its quota")]
    Quota(#[from] QuotaError),
    /// There is no place to unpack it.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// It cannot be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// What is known of it cannot be looked up or written down.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Takes a layer in that an image's configuration calls `diff_id`, of an archive of at least `size` bytes. One that was taken
/// in before is not opened.
///
/// # Errors
///
/// See [`AdoptError`].
pub fn adopt_layer<R: Read + Send, E: std::error::Error + 'static>(
    store: &Store,
    diff_id: &Digest,
    size: u64,
    open: impl FnOnce() -> Result<R, E>,
) -> Result<Adopted, AdoptError<E>> {
    let name = Digest::of(&to_canonical_json(&("layer from elsewhere", diff_id)));
    let known = store.trace(&name)?.and_then(|text| serde_json::from_str::<Digest>(&text).ok());
    // A layer of our own has one name everywhere.
    for known in known.iter().chain([diff_id]) {
        if let Some(layer) = store.layer(known)? {
            return Ok(Adopted { layer, left_out: Vec::new() });
        }
    }
    store.make_room(size)?;
    let active = store.begin()?;
    let applied = apply_layer(open().map_err(AdoptError::Open)?, &active.upper())?;
    if applied.diff_id != *diff_id {
        return Err(AdoptError::OtherContent { expected: *diff_id, found: applied.diff_id });
    }
    let (own, size) = layer_digest(&[active.upper()])?;
    let layer = LayerRef { diff_id: own, size };
    store.commit_layer(active, &layer)?;
    store.put_trace(&name, &serde_json::to_string(&own).expect("a digest is JSON"))?;
    let left_out = applied.left_out.iter().map(|left| format!("{} `/{}`", left.kind, left.path.display())).collect();
    Ok(Adopted { layer, left_out })
}
