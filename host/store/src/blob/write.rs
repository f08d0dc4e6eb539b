// SPDX-License-Identifier: Apache-2.0
//! Writing blobs: hashed on the way, moved into place when whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use rustix::fs::Mode;
use wythe_image::{Digest, Hasher};

use super::CHUNK;
use crate::claim::Claim;
use crate::index::{Commit, IndexError};
use crate::record::{RecordError, signed};
use crate::{BeginError, Store};

/// A blob that is being written. Dropping it leaves nothing behind, and neither does a crash.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    claim: Claim,
    file: BufWriter<File>,
    hasher: Hasher,
}

/// A blob that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteBlobError {
    /// The bytes are others than promised. Nothing was added to the store.
    #[error("expected {expected}, the {length} bytes have {found}")]
    Mismatch {
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Digest,
        /// How much came.
        length: u64,
    },
    /// The file cannot be written or moved.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there cannot be looked up.
    #[error("cannot look for {digest}")]
    Lookup {
        /// The blob.
        digest: Digest,
        /// Why.
        source: RecordError,
    },
    /// It cannot be recorded.
    #[error("cannot record a blob")]
    Index(#[from] IndexError),
}

impl Store {
    /// Starts a blob.
    ///
    /// # Errors
    ///
    /// Fails where the file system refuses a new file.
    pub fn blob_writer(&self) -> Result<BlobWriter, BeginError> {
        let fail = |source| BeginError { path: self.inner.path("active"), source };
        let claim = Claim::file(&self.inner).map_err(|error| fail(error.into()))?;
        let file = BufWriter::with_capacity(CHUNK, claim.file.try_clone().map_err(fail)?);
        Ok(BlobWriter { store: self.clone(), claim, file, hasher: Hasher::new() })
    }

    /// Stores bytes as a blob and returns their digest. Storing them again changes nothing.
    ///
    /// # Errors
    ///
    /// See [`WriteBlobError`].
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, WriteBlobError> {
        let digest = Digest::of(bytes);
        let path = self.blob_file(&digest);
        let write = |source| WriteBlobError::Write { path: path.clone(), source };
        let mut writer = self.blob_writer().map_err(|error| write(error.source))?;
        writer.write_all(bytes).map_err(write)?;
        writer.finish(Some(digest)).map(|(digest, _)| digest)
    }
}

impl BlobWriter {
    /// Adds the blob to the store and returns its digest and length. Bytes that are there already stay as they are;
    /// damaged ones are replaced.
    ///
    /// # Errors
    ///
    /// See [`WriteBlobError`]; nothing was added then.
    pub fn finish(mut self, expected: Option<Digest>) -> Result<(Digest, u64), WriteBlobError> {
        let at = self.claim.path();
        let write = |source| WriteBlobError::Write { path: at.clone(), source };
        self.file.flush().map_err(write)?;
        let length = self.hasher.length();
        let digest = self.hasher.clone().finish();
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(WriteBlobError::Mismatch { expected, found: digest, length });
        }
        let known = self.store.blob_size(&digest).map_err(|source| WriteBlobError::Lookup { digest, source })?;
        if known.is_some() && self.is_same_as(&digest) {
            self.store.note_checked(&digest);
            return Ok((digest, length));
        }
        rustix::fs::fchmod(&self.claim.file, Mode::RUSR | Mode::RGRP | Mode::ROTH).map_err(|e| write(e.into()))?;
        self.record(&digest, length, known.is_some())?;
        self.store.note_checked(&digest);
        Ok((digest, length))
    }

    fn record(&mut self, digest: &Digest, length: u64, replace: bool) -> Result<(), WriteBlobError> {
        let Self { store, claim, .. } = self;
        let (inner, hex) = (&store.inner, digest.hex());
        inner.index.write(Commit::Lazy, |index| {
            let known = "SELECT 1 FROM blobs WHERE digest = ?1 AND boot IN ('', ?2) AND size = ?3";
            let is_known = index.row(known, (&hex, &inner.boot, signed(length)), |_| Ok(()))?.is_some();
            if is_known && !replace && store.blob_file(digest).exists() {
                // Another process was faster. Its file may be on the disk already; ours is not.
                return Ok(());
            }
            let path = store.blob_file(digest);
            claim
                .move_to(inner.blobs.as_fd(), &hex)
                .map_err(|error| WriteBlobError::Write { path, source: error.into() })?;
            let insert = "INSERT OR REPLACE INTO blobs (digest, size, created, used, boot) VALUES (?1, ?2, ?3, ?3, ?4)";
            index.run(insert, (&hex, signed(length), inner.now, &inner.boot))?;
            Ok(())
        })
    }

    fn is_same_as(&self, digest: &Digest) -> bool {
        let Ok(theirs) = File::open(self.store.blob_file(digest)) else { return false };
        is_equal(&self.claim.file, &theirs).unwrap_or(false)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Compares two files from their beginnings.
fn is_equal(one: &File, two: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut offset = 0;
    loop {
        let length = one.read_at(&mut a, offset)?;
        if length == 0 {
            return Ok(two.read_at(&mut b, offset)? == 0);
        }
        match two.read_exact_at(&mut b[..length], offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if a[..length] != b[..length] {
            return Ok(false);
        }
        offset += length as u64;
    }
}
