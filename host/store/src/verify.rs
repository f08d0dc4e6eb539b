// SPDX-License-Identifier: Apache-2.0
//! Checking everything against its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use wythe_image::Digest;

use crate::index::{Access, Commit, IndexError};
use crate::record::{LookupError, digest_of, sum};
use crate::usage::Class;
use crate::{ResultRecord, Store, image};

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
    Lookup(#[from] LookupError),
}

/// Computes the digest of a layer's archive from its directory.
pub type LayerDigest<'a> = &'a dyn Fn(&Path) -> Result<Digest, Box<dyn Error + Send + Sync>>;

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
        let mut check = Check { store: self, report: VerifyReport::default(), bad: Bad::default() };
        check.index()?;
        check.blobs(progress)?;
        check.layers(progress, layer_digest)?;
        check.records(progress)?;
        check.images(progress)?;
        if repair && !check.report.findings.is_empty() {
            check.repair()?;
        }
        Ok(check.report)
    }
}

/// Rows to be dropped: name and `seq`, so that what was made anew meanwhile stays.
#[derive(Default)]
struct Bad {
    blobs: BTreeMap<String, i64>,
    layers: BTreeMap<String, i64>,
    results: BTreeMap<String, i64>,
    traces: BTreeMap<String, i64>,
    images: BTreeSet<String>,
}

struct Check<'a> {
    store: &'a Store,
    report: VerifyReport,
    bad: Bad,
}

impl Check<'_> {
    fn index(&mut self) -> Result<(), IndexError> {
        let lines = self.read(|index| index.rows("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)))?;
        for line in lines.into_iter().filter(|line| line != "ok") {
            self.find(Damage::Index(line));
        }
        self.report.checked.insert(Class::Index, 1);
        Ok(())
    }

    fn blobs(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), VerifyError> {
        self.each(Class::Blobs, "blobs", progress, |check, digest, seq| {
            let found = digest_of_file(&check.store.blob_file(&digest)).ok();
            if found != Some(digest) {
                check.bad.blobs.insert(digest.hex(), seq);
                check.find(Damage::Blob { digest, found });
            }
        })
    }

    fn layers(&mut self, progress: &mut dyn FnMut(Progress), layer_digest: LayerDigest<'_>) -> Result<(), VerifyError> {
        self.each(Class::Layers, "layers", progress, |check, digest, seq| {
            let path = check.store.layer_fs(&digest);
            let found = match std::fs::symlink_metadata(&path) {
                Ok(_) => layer_digest(&path).map_err(|error| chain(&*error)),
                Err(error) => Err(error.to_string()),
            };
            let found = match found {
                Ok(found) if found == digest => return,
                Ok(found) => format!("its content has {found}"),
                Err(text) => text,
            };
            check.bad.layers.insert(digest.hex(), seq);
            check.find(Damage::Layer { digest, found });
        })
    }

    /// Visits all content that counts, leased so that no collection takes it for missing.
    fn each(
        &mut self,
        class: Class,
        table: &str,
        progress: &mut dyn FnMut(Progress),
        mut visit: impl FnMut(&mut Self, Digest, i64),
    ) -> Result<(), VerifyError> {
        let boot = &self.store.inner.boot;
        let sql = format!("SELECT digest FROM {table} WHERE boot IN ('', ?1) ORDER BY digest");
        let digests = self.read(|index| index.rows(&sql, [boot], |row| row.get::<_, String>(0)))?;
        let sql = format!("SELECT seq FROM {table} WHERE digest = ?1 AND boot IN ('', ?2)");
        let total = digests.len() as u64;
        for (done, hex) in (1..).zip(&digests) {
            if let Some(digest) = digest_of(hex) {
                self.store.hold(&digest)?;
                let seq = self.store.inner.index.row(&sql, (hex, &self.store.inner.boot), |row| row.get(0))?;
                if let Some(seq) = seq {
                    visit(self, digest, seq);
                }
            } else {
                self.find(Damage::Index(format!("`{hex}` in {table} is not a digest")));
            }
            progress(Progress { class, done, total });
        }
        self.report.checked.insert(class, total);
        Ok(())
    }

    fn records(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IndexError> {
        let boot = &self.store.inner.boot;
        let read = |sql: &str| {
            let take = |row: &rusqlite::Row<'_>| {
                Ok(Row {
                    key: row.get(0)?,
                    record: row.get(1)?,
                    sum: row.get(2)?,
                    seq: row.get(3)?,
                    layer: row.get(4)?,
                })
            };
            self.read(|index| index.rows(sql, [boot], take))
        };
        let results = read("SELECT key, record, sum, seq, layer FROM results WHERE boot IN ('', ?1) ORDER BY key")?;
        let traces = read("SELECT key, record, sum, seq, NULL FROM traces WHERE boot IN ('', ?1) ORDER BY key")?;
        let layers = self.good("layers", &self.bad.layers)?;
        let total = (results.len() + traces.len()) as u64;
        for row in results {
            if !row.is_whole() || !row.is_result() {
                self.bad.results.insert(row.key.clone(), row.seq);
                self.find(Damage::Record { key: row.key });
            } else if let Some(layer) = row.layer.filter(|layer| !layers.contains(layer)) {
                self.bad.results.insert(row.key.clone(), row.seq);
                self.find(Damage::Result { key: row.key, layer });
            }
        }
        for row in traces.into_iter().filter(|row| !row.is_whole()) {
            self.bad.traces.insert(row.key.clone(), row.seq);
            self.find(Damage::Record { key: row.key });
        }
        progress(Progress { class: Class::Records, done: total, total });
        self.report.checked.insert(Class::Records, total);
        Ok(())
    }

    fn images(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IndexError> {
        let layers = self.good("layers", &self.bad.layers)?;
        let blobs = self.good("blobs", &self.bad.blobs)?;
        let images = self.store.images()?;
        let total = images.len() as u64;
        for image in images {
            let hex = image.digest.hex();
            let (needed_layers, needed_blobs) = self.read(|index| parts(index, &hex))?;
            let mut missing: Vec<String> = needed_blobs.into_iter().filter(|blob| !blobs.contains(blob)).collect();
            // A layer that is there as a blob need not be unpacked.
            let lacks = |(layer, blob): &(String, Option<String>)| !layers.contains(layer) && blob.is_none();
            missing.extend(needed_layers.into_iter().filter(lacks).map(|(layer, _)| layer));
            if !missing.is_empty() {
                self.bad.images.insert(hex.clone());
                self.find(Damage::Image { digest: hex, names: image.names, parts: missing });
            }
        }
        progress(Progress { class: Class::Images, done: total, total });
        self.report.checked.insert(Class::Images, total);
        Ok(())
    }

    fn repair(&mut self) -> Result<(), IndexError> {
        let bad = &self.bad;
        self.store.inner.index.write(Commit::Durable, |index| {
            for (sql, rows) in [
                ("DELETE FROM blobs WHERE digest = ?1 AND seq = ?2", &bad.blobs),
                ("DELETE FROM layers WHERE digest = ?1 AND seq = ?2", &bad.layers),
                ("DELETE FROM results WHERE key = ?1 AND seq = ?2", &bad.results),
                ("DELETE FROM traces WHERE key = ?1 AND seq = ?2", &bad.traces),
            ] {
                for (name, seq) in rows {
                    index.run(sql, (name, seq))?;
                }
            }
            for image in &bad.images {
                image::forget_image(index, image)?;
            }
            Ok::<_, IndexError>(())
        })?;
        for finding in &mut self.report.findings {
            finding.is_repaired = !matches!(finding.damage, Damage::Index(_));
        }
        Ok(())
    }

    fn good(&self, table: &str, bad: &BTreeMap<String, i64>) -> Result<BTreeSet<String>, IndexError> {
        let sql = format!("SELECT digest FROM {table} WHERE boot IN ('', ?1)");
        let names = self.read(|index| index.rows(&sql, [&self.store.inner.boot], |row| row.get::<_, String>(0)))?;
        Ok(names.into_iter().filter(|name| !bad.contains_key(name)).collect())
    }

    fn read<T>(&self, work: impl FnOnce(&Access<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.store.inner.index.read(work)
    }

    fn find(&mut self, damage: Damage) {
        self.report.findings.push(Finding { damage, is_repaired: false });
    }
}

struct Row {
    key: String,
    record: String,
    sum: String,
    seq: i64,
    layer: Option<String>,
}

impl Row {
    fn is_whole(&self) -> bool {
        digest_of(&self.key).is_some_and(|key| sum(&key, &self.record) == self.sum)
    }

    fn is_result(&self) -> bool {
        let record = serde_json::from_str::<ResultRecord>(&self.record);
        record.is_ok_and(|record| record.layer.map(|layer| layer.diff_id.hex()) == self.layer)
    }
}

/// The layers of an image, each with the blob that has it in another form, and all its blobs.
type Parts = (Vec<(String, Option<String>)>, Vec<String>);

fn parts(index: &Access<'_>, image: &str) -> Result<Parts, IndexError> {
    let layers = "SELECT layer, blob FROM image_layers WHERE image = ?1 ORDER BY position";
    let blobs = "SELECT blob FROM image_blobs WHERE image = ?1 ORDER BY blob";
    let layers = index.rows(layers, [image], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((layers, index.rows(blobs, [image], |row| row.get(0))?))
}

fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let mut hasher = wythe_image::Hasher::new();
    io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}

/// Returns an error with its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
