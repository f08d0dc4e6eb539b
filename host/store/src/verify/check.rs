// SPDX-License-Identifier: Apache-2.0
//! The steps of a check.

use std::error::Error;

use wythe_image::Digest;

use super::seen::{Bad, Content, Row, Seen, lacking};
use super::{Damage, Finding, LayerDigest, Progress, VerifyError, VerifyReport, is_lack};
use crate::index::{Access, Commit, IndexError, mark};
use crate::parts::NOTES;
use crate::recall::digest_of_file;
use crate::record::digest_of;
use crate::usage::Class;
use crate::{Store, image};

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
        self.references(progress)?;
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
            let path = check.store.blob_file(&digest);
            let found = match digest_of_file(&path) {
                Err(error) if is_lack(&error) => return Err(VerifyError::Read { path, source: error.into() }),
                found => found.ok(),
            };
            if found != Some(digest) {
                check.bad.blobs.insert(digest.hex(), seq);
                check.find(Damage::Blob { digest, found });
            }
            Ok(())
        })
    }

    fn layers(&mut self, progress: &mut dyn FnMut(Progress), layer_digest: LayerDigest<'_>) -> Result<(), VerifyError> {
        self.each(Class::Layers, "layers", progress, |check, digest, seq| {
            let found = match check.store.lie(&digest)?.map(|lie| layer_digest(&lie.dirs)) {
                Some(Ok(found)) if found == digest => return check.notes(digest),
                Some(Ok(found)) => format!("its content has {found}"),
                Some(Err(source)) if is_lack(&*source) => {
                    return Err(VerifyError::Read { path: check.store.layer_place(&digest), source });
                }
                Some(Err(error)) => chain(&*error),
                None => "it is not there".to_owned(),
            };
            check.bad.layers.insert(digest.hex(), seq);
            check.find(Damage::Layer { digest, found });
            Ok(())
        })
    }

    fn notes(&mut self, digest: Digest) -> Result<(), VerifyError> {
        match self.store.has_whole_notes(&digest) {
            Ok(true) => {}
            Err(source) if is_lack(&source) => {
                return Err(VerifyError::Read { path: self.store.layer_place(&digest), source: source.into() });
            }
            Ok(false) | Err(_) => self.find(Damage::Notes { digest }),
        }
        Ok(())
    }

    /// Visits all content that counts, leased so that no collection takes it for missing.
    fn each(
        &mut self,
        class: Class,
        table: &str,
        progress: &mut dyn FnMut(Progress),
        mut visit: impl FnMut(&mut Self, Digest, i64) -> Result<(), VerifyError>,
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
                    visit(self, digest, seq)?;
                }
            } else {
                self.find(Damage::Index(format!("`{hex}` in {table} is not a digest")));
            }
            progress(Progress { class, done, total });
        }
        self.report.checked.insert(class, total);
        Ok(())
    }

    /// What the index says of content, as it was at one moment: builds and collections go on meanwhile.
    fn references(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), IndexError> {
        self.store.inner.agree()?;
        let seen = self.read(|index| Seen::read(index, &self.store.inner.boot, &self.bad))?;
        self.records(seen.results, seen.traces, &seen.content, progress);
        let total = seen.images.len() as u64;
        for (hex, names, lacking) in seen.images.into_iter().filter(|(_, _, lacking)| !lacking.is_empty()) {
            self.bad.images.insert(hex.clone());
            self.find(Damage::Image { digest: hex, names, parts: lacking });
        }
        progress(Progress { class: Class::Images, done: total, total });
        self.report.checked.insert(Class::Images, total);
        Ok(())
    }

    fn records(&mut self, results: Vec<Row>, traces: Vec<Row>, content: &Content, progress: &mut dyn FnMut(Progress)) {
        let total = (results.len() + traces.len()) as u64;
        for row in results {
            if !row.is_whole() || !row.is_result() {
                self.bad.results.insert(row.key.clone(), row.seq);
                self.find(Damage::Record { key: row.key });
            } else if let Some(layer) = row.layer.filter(|layer| !content.layers.contains(layer)) {
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
            // What was made anew since it was looked at is whole again.
            let content = Content::read(index, &self.store.inner.boot, bad)?;
            let mut images = Vec::new();
            for image in &bad.images {
                if !lacking(index, image, &content)?.is_empty() {
                    image::forget_image(index, image)?;
                    images.push(image.as_str());
                }
            }
            self.store.inner.write_down(index, &images, Commit::Durable)?;
            Ok::<_, IndexError>(())
        })?;
        for finding in &mut self.report.findings {
            if let Damage::Notes { digest } = finding.damage {
                // Whoever needs them does without, and a later check finds what is left of them.
                drop(std::fs::remove_dir_all(self.store.layer_place(&digest).join(NOTES)));
            }
            finding.is_repaired = true;
        }
        if self.report.findings.iter().any(|finding| matches!(finding.damage, Damage::Index(_))) {
            mark::leave_in(&self.store.inner.root);
        }
        Ok(())
    }

    fn read<T>(&self, work: impl Fn(&Access<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        self.store.inner.index.read(work)
    }

    fn find(&mut self, damage: Damage) {
        self.report.findings.push(Finding { damage, is_repaired: false });
    }
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
