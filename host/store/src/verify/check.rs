// SPDX-License-Identifier: Apache-2.0
//! The steps of a check.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use wythe_image::Digest;

use super::{Damage, Finding, LayerDigest, Progress, VerifyError, VerifyReport};
use crate::index::{Access, Commit, IndexError, mark};
use crate::recall::digest_of_file;
use crate::record::{digest_of, sum};
use crate::usage::Class;
use crate::{ResultRecord, Store, image};

/// Rows to be dropped: name and `seq`, so that what was made anew meanwhile stays.
#[derive(Default)]
struct Bad {
    blobs: BTreeMap<String, i64>,
    layers: BTreeMap<String, i64>,
    results: BTreeMap<String, i64>,
    traces: BTreeMap<String, i64>,
    images: BTreeSet<String>,
}

pub(super) struct Check<'a> {
    store: &'a Store,
    report: VerifyReport,
    bad: Bad,
}

impl<'a> Check<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, report: VerifyReport::default(), bad: Bad::default() }
    }

    /// Runs all steps.
    pub(super) fn run(
        mut self,
        repair: bool,
        progress: &mut dyn FnMut(Progress),
        layer_digest: LayerDigest<'_>,
    ) -> Result<VerifyReport, VerifyError> {
        self.index()?;
        self.blobs(progress)?;
        self.layers(progress, layer_digest)?;
        self.records(progress)?;
        self.images(progress)?;
        if repair && !self.report.findings.is_empty() {
            self.repair()?;
        }
        Ok(self.report)
    }

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
            let images: Vec<&str> = bad.images.iter().map(String::as_str).collect();
            self.store.inner.write_down(index, &images, Commit::Durable)?;
            Ok::<_, IndexError>(())
        })?;
        for finding in &mut self.report.findings {
            finding.is_repaired = true;
        }
        if self.report.findings.iter().any(|finding| matches!(finding.damage, Damage::Index(_))) {
            mark::leave_in(&self.store.inner.root);
        }
        Ok(())
    }

    fn good(&self, table: &str, bad: &BTreeMap<String, i64>) -> Result<BTreeSet<String>, IndexError> {
        let sql = format!("SELECT digest FROM {table} WHERE boot IN ('', ?1)");
        let names = self.read(|index| index.rows(&sql, [&self.store.inner.boot], |row| row.get::<_, String>(0)))?;
        Ok(names.into_iter().filter(|name| !bad.contains_key(name)).collect())
    }

    fn read<T>(&self, work: impl Fn(&Access<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
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
