// SPDX-License-Identifier: Apache-2.0
//! Checking everything against its digest.

mod check;
mod seen;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use wythe_image::Digest;

use crate::Store;
use crate::index::IndexError;
use crate::record::RecordError;
use crate::usage::Class;

/// What a machine answers that has too little of something at the moment.
const LACKS: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::INTR];

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being checked.
    pub class: Class,
    /// How many are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// SQLite finds the index inconsistent.
    Index(String),
    /// A blob's bytes have another digest; none where they cannot be read.
    Blob {
        /// The blob.
        digest: Digest,
        /// Digest of the bytes that are there.
        found: Option<Digest>,
    },
    /// A layer's content gives another archive.
    Layer {
        /// The layer.
        digest: Digest,
        /// What is there, in words.
        found: String,
    },
    /// What a layer's maker has noted of it is damaged; the layer is not.
    Notes {
        /// The layer.
        digest: Digest,
    },
    /// A record of a result or trace is unreadable.
    Record {
        /// Its key.
        key: String,
    },
    /// A result's layer is not there or damaged.
    Result {
        /// Its key.
        key: String,
        /// The layer.
        layer: String,
    },
    /// An image lacks parts, or has damaged ones.
    Image {
        /// The image.
        digest: String,
        /// Its names.
        names: Vec<String>,
        /// Digests of the parts.
        parts: Vec<String>,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(text) => write!(f, "the index: {text}"),
            Self::Blob { digest, found: Some(found) } => write!(f, "blob {digest}: its bytes have {found}"),
            Self::Blob { digest, found: None } => write!(f, "blob {digest}: missing or unreadable"),
            Self::Layer { digest, found } => write!(f, "layer {digest}: {found}"),
            Self::Notes { digest } => write!(f, "layer {digest}: what was noted of it is damaged"),
            Self::Record { key } => write!(f, "record {key}: unreadable"),
            Self::Result { key, layer } => write!(f, "result {key}: its layer {layer} is missing or damaged"),
            Self::Image { digest, names, parts } => {
                let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
                write!(f, "image {digest}{names}: missing or damaged: {}", parts.join(", "))
            }
        }
    }
}

/// Damage, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub damage: Damage,
    /// Whether its record was dropped, so that the next build makes it again.
    pub is_repaired: bool,
}

/// What a check has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// How many things were checked, by class.
    pub checked: BTreeMap<Class, u64>,
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<Finding>,
}

/// A check that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The index cannot be used.
    #[error("cannot verify the store")]
    Index(#[from] IndexError),
    /// Content cannot be protected while it is read.
    #[error("cannot verify the store")]
    Lookup(#[from] RecordError),
    /// Content cannot be read at the moment, which says nothing about it.
    #[error("cannot verify the store: cannot read {}; nothing was changed", path.display())]
    Read {
        /// The content.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Computes the digest of a layer's archive from its directories, the lowest first.
pub type LayerDigest<'a> = &'a dyn Fn(&[PathBuf]) -> Result<Digest, Box<dyn Error + Send + Sync>>;

impl Store {
    /// Checks every blob and layer against its digest, every record against its check sum, and what each refers to.
    ///
    /// With `repair`, records of damaged things are dropped: results are made again by the next build, and an image
    /// that lost a part leaves the list. The content itself goes with the next collection, or is replaced.
    ///
    /// # Errors
    ///
    /// Damage is no error but a finding; see [`VerifyError`] for what is.
    pub fn verify(
        &self,
        repair: bool,
        progress: &mut dyn FnMut(Progress),
        layer_digest: LayerDigest<'_>,
    ) -> Result<VerifyReport, VerifyError> {
        check::Check::new(self).run(repair, progress, layer_digest)
    }
}

/// Whether something could not be read for want of descriptors or memory: that says nothing about it.
pub(crate) fn is_lack(error: &(dyn Error + 'static)) -> bool {
    let number = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    match number {
        Some(number) => LACKS.contains(&Errno::from_raw_os_error(number)),
        None => error.source().is_some_and(is_lack),
    }
}
