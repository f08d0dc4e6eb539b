// SPDX-License-Identifier: Apache-2.0
//! Saving an image: the moment from which a power cut must not lose it.

use std::str::FromStr as _;

use wythe_image::{Digest, Image, LayerRef, Packed, Platform, UnpackError};

use crate::index::{Access, Commit, IndexError};
use crate::record::{RecordError, Used, signed};
use crate::{Store, SyncError, WriteBlobError};

/// An image that cannot be saved. It is not in the list then.
#[derive(Debug, thiserror::Error)]
pub enum SaveImageError {
    /// Manifest and configuration are not an image.
    #[error("cannot read the image")]
    Malformed(#[from] UnpackError),
    /// A layer is not in the store.
    #[error("layer {digest} of the image is not in the store")]
    MissingLayer {
        /// Its diff id.
        digest: Digest,
    },
    /// A part cannot be looked up.
    #[error("cannot look for the parts of the image")]
    Lookup(#[from] RecordError),
    /// Manifest or configuration cannot be written.
    #[error("cannot write the {part} of the image")]
    Write {
        /// `manifest` or `configuration`.
        part: &'static str,
        /// Why.
        source: WriteBlobError,
    },
    /// It cannot be made durable.
    #[error("cannot make the image durable")]
    Sync(#[from] SyncError),
    /// It cannot be recorded.
    #[error("cannot record the image")]
    Index(#[from] IndexError),
}

/// What an image needs.
struct Parts {
    digest: String,
    config: String,
    platform: Platform,
    /// Each layer, with the blob that has it in another form.
    layers: Vec<(LayerRef, Option<Digest>)>,
    /// Manifest, configuration, and layers in other forms that are there as blobs.
    blobs: Vec<Digest>,
}

impl Store {
    /// Saves an image under names, which other images lose; those of other platforms keep them with the platform behind. When this
    /// returns, the image, its layers and everything committed before survive a power cut. Saving it again writes nothing.
    ///
    /// Each layer must be there: as a directory, or as the blob that its descriptor names.
    ///
    /// # Errors
    ///
    /// See [`SaveImageError`].
    pub fn save_image(&self, packed: &Packed, names: &[String]) -> Result<(), SaveImageError> {
        let parts = self.parts(packed)?;
        if self.is_saved(&parts, names)? {
            return Ok(self.inner.index.fold()?);
        }
        for (part, bytes) in [("manifest", &packed.manifest), ("configuration", &packed.config)] {
            self.put_blob(bytes).map_err(|source| SaveImageError::Write { part, source })?;
        }
        self.inner.write_uses()?;
        let gifts = self.gifts(names.iter().map(String::as_str), Some(&parts.platform))?;
        let flushed = self.flush()?;
        self.inner.index.write(Commit::Durable, |index| {
            if let Some(flushed) = &flushed {
                flushed.mark(index, "")?;
            }
            self.record_image(index, &parts)?;
            let mut changed = vec![parts.digest.clone()];
            gifts.iter().try_for_each(|gift| gift.give(index, &parts.digest, &mut changed))?;
            let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
            self.inner.write_down(index, &changed, Commit::Durable)?;
            Ok::<_, IndexError>(())
        })?;
        self.inner.index.fold()?;
        Ok(())
    }

    /// Leases all parts of an image and checks that they are there.
    fn parts(&self, packed: &Packed) -> Result<Parts, SaveImageError> {
        let image = Image::unpack(&packed.manifest, &packed.config)?;
        let forms = forms(&packed.manifest);
        let mut parts = Parts {
            digest: packed.digest.hex(),
            config: packed.config_digest.hex(),
            platform: image.platform().clone(),
            layers: Vec::new(),
            blobs: vec![packed.digest, packed.config_digest],
        };
        for (position, layer) in image.layers().iter().enumerate() {
            let form = forms.get(position).filter(|form| **form != layer.diff_id);
            let blob = form.map_or(Ok(None), |form| self.blob_size(form).map(|size| size.map(|_| *form)))?;
            parts.blobs.extend(blob);
            match self.layer(&layer.diff_id)? {
                Some(known) => parts.layers.push((known, blob)),
                None if blob.is_some() => parts.layers.push((*layer, blob)),
                None => return Err(SaveImageError::MissingLayer { digest: layer.diff_id }),
            }
        }
        Ok(parts)
    }

    /// Returns whether there is nothing to do: a saved image is durable already.
    fn is_saved(&self, parts: &Parts, names: &[String]) -> Result<bool, RecordError> {
        for blob in &parts.blobs {
            if self.blob_size(blob)?.is_none() {
                return Ok(false);
            }
        }
        Ok(self.inner.index.read(|index| {
            let row = index.row("SELECT used FROM images WHERE digest = ?1", [&parts.digest], |row| row.get(0))?;
            let Some(used) = row else { return Ok(false) };
            self.inner.note_use(Used::Image, &parts.digest, used);
            for name in names {
                let sql = "SELECT 1 FROM names WHERE name = ?1 AND image = ?2";
                if index.row(sql, (name, &parts.digest), |_| Ok(()))?.is_none() {
                    return Ok(false);
                }
            }
            self.all_durable(index, parts)
        })?)
    }

    /// A layer or blob that was damaged and made again is not on the disk yet, though its image is in the list.
    fn all_durable(&self, index: &Access<'_>, parts: &Parts) -> Result<bool, IndexError> {
        let layers = parts.layers.iter().map(|(layer, _)| ("SELECT boot FROM layers WHERE digest = ?1", layer.diff_id));
        let blobs = parts.blobs.iter().map(|blob| ("SELECT boot FROM blobs WHERE digest = ?1", *blob));
        for (sql, digest) in layers.chain(blobs) {
            let boot = index.row(sql, [digest.hex()], |row| row.get::<_, String>(0))?;
            // No row: the other form of the layer is there, or `parts` would have failed.
            if boot.is_some_and(|boot| !boot.is_empty()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn record_image(&self, index: &Access<'_>, parts: &Parts) -> Result<(), IndexError> {
        let (image, now) = (&parts.digest, self.inner.now);
        index.run(
            "INSERT INTO images (digest, config, created, used) VALUES (?1, ?2, ?3, ?3) \
             ON CONFLICT (digest) DO UPDATE SET used = max(used, ?3)",
            (image, &parts.config, now),
        )?;
        for (position, (layer, blob)) in (0i64..).zip(&parts.layers) {
            let sql = "INSERT OR REPLACE INTO image_layers (image, position, layer, size, blob) \
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            let blob = blob.map(|blob| blob.hex());
            index.run(sql, (image, position, layer.diff_id.hex(), signed(layer.size), blob))?;
        }
        for blob in &parts.blobs {
            index.run("INSERT OR IGNORE INTO image_blobs (image, blob) VALUES (?1, ?2)", (image, blob.hex()))?;
        }
        Ok(())
    }
}

/// Returns the digests that the manifest's layer descriptors name.
fn forms(manifest: &[u8]) -> Vec<Digest> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    let layers = manifest["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    layers.iter().filter_map(|layer| Digest::from_str(layer["digest"].as_str()?).ok()).collect()
}
