// SPDX-License-Identifier: Apache-2.0
//! Reading blobs. What is read is checked.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use wythe_image::{Digest, Hasher};

use crate::Store;
use crate::record::RecordError;

/// A blob that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Its bytes have changed. The store has forgotten it, so that it is made or fetched again.
    #[error("blob {digest} is damaged: its bytes have {found}")]
    Damaged {
        /// The blob.
        digest: Digest,
        /// Digest of the bytes that are there.
        found: Digest,
    },
    /// Its file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be looked up.
    #[error("cannot look for {digest}")]
    Lookup {
        /// The blob.
        digest: Digest,
        /// Why.
        source: RecordError,
    },
}

impl Store {
    /// Returns a reader that fails at the end where the bytes are not those of the digest; `None` for an unknown blob.
    ///
    /// # Errors
    ///
    /// See [`BlobError`].
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<BlobReader>, BlobError> {
        let lookup = self.blob_size(digest).map_err(|source| BlobError::Lookup { digest: *digest, source })?;
        let Some(length) = lookup else { return Ok(None) };
        let path = self.blob_file(digest);
        match File::open(&path) {
            Ok(file) => {
                Ok(Some(BlobReader { store: self.clone(), digest: *digest, file, hasher: Some(Hasher::new()), length }))
            }
            Err(source) => Err(BlobError::Read { path, source }),
        }
    }

    /// Returns the bytes of a blob, checked; `None` for an unknown blob.
    ///
    /// # Errors
    ///
    /// See [`BlobError`].
    pub fn read_blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        let Some(reader) = self.open_blob(digest)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut file = &reader.file;
        match file.read_to_end(&mut bytes) {
            Ok(_) => reader.check(Digest::of(&bytes)).map(|()| Some(bytes)),
            Err(source) => Err(BlobError::Read { path: self.blob_file(digest), source }),
        }
    }
}

/// Reads a blob and checks its bytes: the read that would say "end" fails where they are damaged.
#[derive(Debug)]
pub struct BlobReader {
    store: Store,
    digest: Digest,
    file: File,
    hasher: Option<Hasher>,
    length: u64,
}

impl BlobReader {
    /// Returns how many bytes the blob has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    fn check(&self, found: Digest) -> Result<(), BlobError> {
        if found == self.digest {
            return Ok(());
        }
        self.store.forget_blob(&self.digest);
        Err(BlobError::Damaged { digest: self.digest, found })
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..length]);
        }
        if length == 0
            && !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            self.check(hasher.finish()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(length)
    }
}
