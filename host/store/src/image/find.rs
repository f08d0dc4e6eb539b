// SPDX-License-Identifier: Apache-2.0
//! Finding an image by what a person writes.

use std::fmt;

use wythe_image::Digest;

use crate::index::{Access, IndexError};
use crate::record::{RecordError, Used, digest_of};
use crate::{BlobError, Store};

/// Fewest digits of a digest that stand for it: fewer are more likely a mistyped name.
const SHORTEST: usize = 4;

/// An image as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its manifest, checked.
    pub manifest: Vec<u8>,
    /// Its configuration, checked.
    pub config: Vec<u8>,
    /// Its names, sorted.
    pub names: Vec<String>,
}

/// One of several images that a prefix may stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its names, sorted.
    pub names: Vec<String>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digest.hex()[..20])?;
        if self.names.is_empty() { Ok(()) } else { write!(f, " ({})", self.names.join(", ")) }
    }
}

/// An image that cannot be found or read.
#[derive(Debug, thiserror::Error)]
pub enum FindImageError {
    /// Several digests begin with what was written.
    #[error("`{prefix}` stands for {} images: {}", candidates.len(), list(candidates))]
    Ambiguous {
        /// What was written.
        prefix: String,
        /// The images, sorted by digest.
        candidates: Vec<Candidate>,
    },
    /// A part of it is not there or cannot be read.
    #[error("cannot read the {part} of image {digest}")]
    Read {
        /// `manifest` or `configuration`.
        part: &'static str,
        /// The image.
        digest: Digest,
        /// Why; none where it is not there.
        source: Option<BlobError>,
    },
    /// It cannot be looked up.
    #[error("cannot look for image `{name}`")]
    Lookup {
        /// What was written.
        name: String,
        /// Why.
        source: RecordError,
    },
}

fn list(candidates: &[Candidate]) -> String {
    candidates.iter().map(Candidate::to_string).collect::<Vec<_>>().join(", ")
}

impl Store {
    /// Returns the image that `name` stands for: a name, a digest, or the beginning of one (at least four digits, with
    /// or without `sha256:`) that fits no other image. The image and its parts are leased.
    ///
    /// # Errors
    ///
    /// See [`FindImageError`].
    pub fn image(&self, name: &str) -> Result<Option<StoredImage>, FindImageError> {
        let Some(digest) = self.resolve(name)? else { return Ok(None) };
        let lookup = |source| FindImageError::Lookup { name: name.to_owned(), source };
        // Lock, then look: a collection between the two makes this `None`.
        let parts = self.inner.index.read(|index| parts(index, &digest)).map_err(|e| lookup(e.into()))?;
        for part in parts.iter().flatten() {
            self.hold(part).map_err(lookup)?;
        }
        let row = self.inner.index.read(|index| row(index, &digest)).map_err(|e| lookup(e.into()))?;
        let Some((config, used, names)) = row else {
            let is_back = self.inner.agree_once().map_err(|error| lookup(error.into()))?;
            return if is_back { self.image(name) } else { Ok(None) };
        };
        self.inner.note_use(Used::Image, &digest.hex(), used);
        let read = |part, blob: Option<Digest>| {
            let fail = |source| FindImageError::Read { part, digest, source };
            let bytes = blob.map_or(Ok(None), |blob| self.read_blob(&blob)).map_err(|error| fail(Some(error)))?;
            bytes.ok_or_else(|| fail(None))
        };
        let (manifest, config) = (read("manifest", Some(digest))?, read("configuration", config)?);
        Ok(Some(StoredImage { digest, manifest, config, names }))
    }

    /// Returns the digest of the image that `name` stands for, without looking at its content.
    ///
    /// # Errors
    ///
    /// As [`Store::image`].
    pub fn resolve(&self, name: &str) -> Result<Option<Digest>, FindImageError> {
        let find = || self.inner.index.read(|index| candidates(index, name));
        let lookup = |source: IndexError| FindImageError::Lookup { name: name.to_owned(), source: source.into() };
        let mut candidates = find().map_err(lookup)?;
        // That there is none is said only after another look: the index may have lost it.
        if candidates.is_empty() && self.inner.agree_once().map_err(lookup)? {
            candidates = find().map_err(lookup)?;
        }
        match &candidates[..] {
            [] => Ok(None),
            [one] => Ok(Some(one.digest)),
            _ => Err(FindImageError::Ambiguous { prefix: name.to_owned(), candidates }),
        }
    }
}

/// A name wins over a digest that begins like it: names are given by people.
fn candidates(index: &Access<'_>, name: &str) -> Result<Vec<Candidate>, IndexError> {
    let named = index.rows("SELECT image FROM names WHERE name = ?1", [name], |row| row.get::<_, String>(0))?;
    let images = match digest_prefix(name) {
        Some(prefix) if named.is_empty() => {
            // `g` follows every hexadecimal digit.
            let sql = "SELECT digest FROM images WHERE digest >= ?1 AND digest < ?1 || 'g' ORDER BY digest";
            index.rows(sql, [prefix], |row| row.get::<_, String>(0))?
        }
        _ => named,
    };
    let mut candidates = Vec::new();
    for image in images {
        if let Some(digest) = digest_of(&image) {
            candidates.push(Candidate { digest, names: super::names_of(index, &image)? });
        }
    }
    Ok(candidates)
}

fn digest_prefix(name: &str) -> Option<&str> {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (is_hex && (SHORTEST..=64).contains(&hex.len())).then_some(hex)
}

fn parts(index: &Access<'_>, image: &Digest) -> Result<Vec<Option<Digest>>, IndexError> {
    let sql = "SELECT layer FROM image_layers WHERE image = ?1 UNION SELECT blob FROM image_blobs WHERE image = ?1";
    index.rows(sql, [image.hex()], |row| Ok(digest_of(&row.get::<_, String>(0)?)))
}

type ImageState = (Option<Digest>, i64, Vec<String>);

fn row(index: &Access<'_>, image: &Digest) -> Result<Option<ImageState>, IndexError> {
    let hex = image.hex();
    let take = |row: &rusqlite::Row<'_>| Ok((digest_of(&row.get::<_, String>(0)?), row.get(1)?));
    let Some((config, used)) = index.row("SELECT config, used FROM images WHERE digest = ?1", [&hex], take)? else {
        return Ok(None);
    };
    Ok(Some((config, used, super::names_of(index, &hex)?)))
}
