// SPDX-License-Identifier: Apache-2.0
//! Images and their names.

mod find;
mod give;
mod save;

use wythe_image::Digest;

use crate::Store;
use crate::index::{Access, Commit, IndexError};
use crate::record::{digest_of, unsigned};

pub use find::{Candidate, FindImageError, StoredImage};
pub use save::SaveImageError;

/// An image in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Its names, sorted.
    pub names: Vec<String>,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Digest of its configuration, which other tools call the image id.
    pub config: Digest,
    /// When it was saved first, in seconds since 1970.
    pub created: i64,
    /// Bytes of its layers.
    pub size: u64,
}

impl Store {
    /// Returns all images, the newest first.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn images(&self) -> Result<Vec<ImageRow>, IndexError> {
        let sql = "SELECT digest, config, created, \
                   (SELECT coalesce(sum(size), 0) FROM image_layers WHERE image = digest) FROM images \
                   ORDER BY created DESC, digest";
        self.inner.agree()?;
        self.inner.index.read(|index| {
            let take = |row: &rusqlite::Row<'_>| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
            };
            let mut images = Vec::new();
            for (digest, config, created, size) in index.rows(sql, [], take)? {
                let names = names_of(index, &digest)?;
                if let Some((digest, config)) = digest_of(&digest).zip(digest_of(&config)) {
                    images.push(ImageRow { names, digest, config, created, size: unsigned(size) });
                }
            }
            Ok(images)
        })
    }

    /// Gives an image a name, which another image loses; one of another platform keeps it with its platform behind
    /// ([`Platform::behind`](wythe_image::Platform::behind)). Returns `false` where there is no such image.
    ///
    /// The name is used as it is: who calls has normalised it.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn tag(&self, name: &str, image: &Digest) -> Result<bool, IndexError> {
        let hex = image.hex();
        let sql = "SELECT config FROM images WHERE digest = ?1";
        let config = self.inner.index.read(|index| index.row(sql, [&hex], |row| row.get::<_, String>(0)))?;
        let platform = config.and_then(|config| self.platform_of(&digest_of(&config)?));
        let gifts = self.gifts([name], platform.as_ref())?;
        self.inner.index.write(Commit::Durable, |index| {
            let known = index.row("SELECT 1 FROM images WHERE digest = ?1", [&hex], |_| Ok(()))?.is_some();
            if known {
                let mut changed = vec![hex.clone()];
                gifts.iter().try_for_each(|gift| gift.give(index, &hex, &mut changed))?;
                let changed: Vec<&str> = changed.iter().map(String::as_str).collect();
                self.inner.write_down(index, &changed, Commit::Durable)?;
            }
            Ok(known)
        })
    }

    /// Takes a name away, with whatever platform stands behind it, and returns the digest of the image that had it. The
    /// image stays until it is collected.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn untag(&self, name: &str) -> Result<Option<Digest>, IndexError> {
        self.inner.spend_reserve();
        self.inner.index.write(Commit::Durable, |index| {
            // `A` follows `@`, behind which a platform stands.
            let sql =
                "DELETE FROM names WHERE name = ?1 OR (name >= ?1 || '@' AND name < ?1 || 'A') RETURNING name, image";
            let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
            let mut taken = index.rows(sql, [name], take)?;
            taken.sort();
            let images: Vec<&str> = taken.iter().map(|(_, image)| image.as_str()).collect();
            self.inner.write_down(index, &images, Commit::Durable)?;
            Ok(images.first().and_then(|hex| digest_of(hex)))
        })
    }

    /// Removes an image from the list and returns the names that went with it; `None` where there is no such image.
    /// Its content stays until it is collected.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn remove_image(&self, image: &Digest) -> Result<Option<Vec<String>>, IndexError> {
        self.inner.spend_reserve();
        let hex = image.hex();
        self.inner.index.write(Commit::Durable, |index| {
            let names = forget_image(index, &hex)?;
            self.inner.write_down(index, &[&hex], Commit::Durable)?;
            Ok(names)
        })
    }
}

/// Removes the rows of an image and returns its names; `None` where there was none.
pub(crate) fn forget_image(index: &Access<'_>, hex: &str) -> Result<Option<Vec<String>>, IndexError> {
    let names = names_of(index, hex)?;
    for sql in [
        "DELETE FROM names WHERE image = ?1",
        "DELETE FROM image_layers WHERE image = ?1",
        "DELETE FROM image_blobs WHERE image = ?1",
    ] {
        index.run(sql, [hex])?;
    }
    let removed = index.run("DELETE FROM images WHERE digest = ?1", [hex])?;
    Ok((removed > 0).then_some(names))
}

pub(crate) fn names_of(index: &Access<'_>, hex: &str) -> Result<Vec<String>, IndexError> {
    index.rows("SELECT name FROM names WHERE image = ?1 ORDER BY name", [hex], |row| row.get(0))
}

pub(crate) fn set_name(index: &Access<'_>, name: &str, hex: &str) -> Result<usize, IndexError> {
    index.run("INSERT OR REPLACE INTO names (name, image) VALUES (?1, ?2)", (name, hex))
}
