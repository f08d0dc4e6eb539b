// SPDX-License-Identifier: Apache-2.0
//! Index and roll say the same of images, or are made to.
//!
//! The index can lose rows without a sign: a flipped byte in its log ends the log there, and one in a page may turn a name
//! into another. So whoever lists images, does not find what was asked for, or is about to remove what nobody needs,
//! compares first.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use wythe_image::{Digest, Hasher};

use crate::index::{Access, Commit, IndexError};
use crate::open::Inner;
use crate::parts;
use crate::record::{digest_of, signed, unsigned};
use crate::roll::{self, Entry, Roll};

impl Inner {
    /// Compares the index with the roll and makes them agree. Returns whether anything had to be done.
    ///
    /// What the roll names and the index does not comes back where its content is there.
    pub(crate) fn agree(&self) -> Result<bool, IndexError> {
        if self.index.read(|index| is_agreed(index, &self.roll))? {
            return Ok(false);
        }
        // Once more, without anybody who is in the middle of changing both.
        self.look_again()
    }

    /// Looks at all content that the roll names, once in the life of a handle: that something is not found has other reasons
    /// most of the time. Returns whether something may be found now.
    pub(crate) fn agree_once(&self) -> Result<bool, IndexError> {
        if self.has_agreed.swap(true, Ordering::Relaxed) { Ok(false) } else { self.look_again() }
    }

    fn look_again(&self) -> Result<bool, IndexError> {
        let recall = self.recall();
        self.index.write(Commit::Lazy, |index| recall.agree(index, &self.roll))
    }

    fn recall(&self) -> Recall<'_> {
        Recall { root: &self.root, boot: &self.boot, now: self.now }
    }
}

/// Takes images up again from what lies in the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recall<'a> {
    pub(crate) root: &'a Path,
    pub(crate) boot: &'a str,
    pub(crate) now: i64,
}

impl Recall<'_> {
    /// Makes index and roll agree, within a transaction. Undone by a power cut, it is done again.
    pub(crate) fn agree(&self, index: &Access<'_>, roll: &Roll) -> Result<bool, IndexError> {
        let (told, before) = (roll.read()?, roll::entries(index)?);
        for (image, entry) in &told.images {
            let is_whole = self.content(index, entry)?;
            let known = before.get(image);
            if known != Some(entry) && (is_whole || known.is_some()) {
                self.put(index, entry)?;
            }
        }
        // A roll with a damaged line may have lost what the index knows.
        for image in before.keys().filter(|image| told.is_whole && !told.images.contains_key(*image)) {
            crate::image::forget_image(index, image)?;
        }
        let after = roll::entries(index)?;
        if !told.is_whole || told.images != after {
            roll.write(&after)?;
        }
        Ok(true)
    }

    /// Sees to it that the parts of an image are recorded, as far as they are there. Returns whether all of them are.
    pub(crate) fn content(&self, index: &Access<'_>, entry: &Entry) -> Result<bool, IndexError> {
        let mut blobs = BTreeMap::new();
        for hex in &entry.blobs {
            blobs.insert(hex, self.blob(index, hex)?);
        }
        let mut is_whole = blobs.iter().all(|(hex, is_there)| *is_there || is_form(entry, hex));
        for layer in &entry.layers {
            let as_blob = layer.blob.as_ref().and_then(|hex| blobs.get(hex)).copied().unwrap_or(false);
            is_whole &= self.layer(index, &layer.layer, layer.size)? || as_blob;
        }
        Ok(is_whole)
    }

    /// Records a blob whose record is gone or wrong, where its bytes are right. They were flushed when the image was saved.
    fn blob(&self, index: &Access<'_>, hex: &str) -> Result<bool, IndexError> {
        let path = self.blob_file(hex);
        let Some(length) = look(&path)?.map(|found| found.len()) else { return Ok(false) };
        let known = "SELECT size, boot FROM blobs WHERE digest = ?1";
        let known = index.row(known, [hex], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        match known {
            Some((size, boot)) if unsigned(size) == length => return Ok(self.is_trusted(&boot)),
            // What another boot left, or a failed flush, is as it says.
            Some((_, boot)) if !self.is_trusted(&boot) => return Ok(false),
            _ => {}
        }
        let found = digest_of_file(&path).map_err(|error| IndexError::file(&path, error))?;
        if digest_of(hex) != Some(found) {
            return Ok(false);
        }
        let insert = "INSERT OR REPLACE INTO blobs (digest, size, created, used, boot) VALUES (?1, ?2, ?3, ?3, '')";
        index.run(insert, (hex, signed(length), self.now))?;
        Ok(true)
    }

    /// Records a layer whose record is gone or wrong, where its directory is there. `store verify` reads all of it.
    fn layer(&self, index: &Access<'_>, hex: &str, size: i64) -> Result<bool, IndexError> {
        if !self.has_layer(hex)? {
            return Ok(false);
        }
        let known = "SELECT size, boot FROM layers WHERE digest = ?1";
        let known = index.row(known, [hex], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        match known {
            Some((found, boot)) if found == size || !self.is_trusted(&boot) => return Ok(self.is_trusted(&boot)),
            _ => {}
        }
        let insert = "INSERT OR REPLACE INTO layers (digest, size, created, boot) VALUES (?1, ?2, ?3, '')";
        index.run(insert, (hex, size, self.now))?;
        Ok(true)
    }

    /// Where a blob lies, if there is one.
    pub(crate) fn blob_file(&self, hex: &str) -> PathBuf {
        self.root.join("blobs/sha256").join(hex)
    }

    /// Whether all of a layer is there.
    pub(crate) fn has_layer(&self, hex: &str) -> Result<bool, IndexError> {
        Ok(parts::find(self.root, hex)?.is_some())
    }

    fn is_trusted(&self, boot: &str) -> bool {
        boot.is_empty() || boot == self.boot
    }

    /// Writes the rows of an image.
    pub(crate) fn put(&self, index: &Access<'_>, entry: &Entry) -> Result<(), IndexError> {
        let Entry { image, config, created, names, layers, blobs } = entry;
        crate::image::forget_image(index, image)?;
        let insert = "INSERT INTO images (digest, config, created, used) VALUES (?1, ?2, ?3, ?4)";
        index.run(insert, (image, config, created, self.now))?;
        for (position, layer) in (0i64..).zip(layers) {
            let insert = "INSERT INTO image_layers (image, position, layer, size, blob) VALUES (?1, ?2, ?3, ?4, ?5)";
            index.run(insert, (image, position, &layer.layer, layer.size, &layer.blob))?;
        }
        for blob in blobs {
            index.run("INSERT INTO image_blobs (image, blob) VALUES (?1, ?2)", (image, blob))?;
        }
        for name in names {
            crate::image::set_name(index, name, image)?;
        }
        Ok(())
    }
}

/// Whether a blob is a layer in another form, which need not be there where the layer is.
fn is_form(entry: &Entry, hex: &str) -> bool {
    entry.layers.iter().any(|layer| layer.blob.as_deref() == Some(hex))
}

/// Whether both name the same images, and the index has their parts.
fn is_agreed(index: &Access<'_>, roll: &Roll) -> Result<bool, IndexError> {
    let lost = "SELECT 1 FROM image_layers LEFT JOIN layers ON digest = layer \
                WHERE blob IS NULL AND (digest IS NULL OR layers.size <> image_layers.size) \
                UNION ALL SELECT 1 FROM image_blobs LEFT JOIN blobs ON digest = blob \
                WHERE digest IS NULL AND blob NOT IN (SELECT blob FROM image_layers WHERE blob IS NOT NULL) LIMIT 1";
    let told = roll.read()?;
    let has_all = index.row(lost, [], |_| Ok(()))?.is_none();
    Ok(has_all && told.is_whole && told.images == roll::entries(index)?)
}

/// Looks at a file; none where there is nothing. A disk that does not answer is no reason to forget an image.
pub(crate) fn look(path: &Path) -> Result<Option<std::fs::Metadata>, IndexError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IndexError::file(path, error)),
    }
}

/// Returns the digest of a file's bytes.
pub(crate) fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}
