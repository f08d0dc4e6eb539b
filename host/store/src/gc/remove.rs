// SPDX-License-Identifier: Apache-2.0
//! Removing what was chosen, each thing under its lock.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::PathBuf;

use wythe_image::Digest;

use crate::cache::{LOCKS, lock_digest};
use crate::index::{Commit, IndexError};
use crate::lease::{self, Collector};
use crate::log::log_digest;
use crate::open::Inner;
use crate::range::{self, Hold};
use crate::record::digest_of;
use crate::usage::Class;
use crate::{claim, image};

use super::choose::Victims;
use super::doomed::{self, Doomed};
use super::stock::{Stock, Thing};
use super::{GcError, GcPolicy, GcReport};

/// Things whose records go in one transaction: each costs one `fsync`, and locks are held meanwhile.
const BATCH: usize = 128;

/// Least age in seconds at which what explains a miss, or spares reading a file, goes: such rows are small.
const REMEMBERED: i64 = 30 * 24 * 60 * 60;

pub(super) struct Removal<'a> {
    inner: &'a Inner,
    policy: &'a GcPolicy,
    report: &'a mut GcReport,
    collector: Collector,
}

impl<'a> Removal<'a> {
    pub(super) fn new(inner: &'a Inner, policy: &'a GcPolicy, report: &'a mut GcReport) -> Self {
        Self { inner, policy, report, collector: inner.leases.collector() }
    }

    pub(super) fn run(mut self, stock: &Stock, victims: &Victims) -> Result<(), GcError> {
        self.images(victims)?;
        self.records(stock, victims)?;
        let (layers, blobs) = (self.inner.layers.as_fd(), self.inner.blobs.as_fd());
        self.content(Class::Layers, layers, &doomed::doomed_layers(stock, victims), doomed::delete_layers)?;
        self.content(Class::Blobs, blobs, &doomed::doomed(&stock.blobs, &victims.blobs), doomed::delete_blobs)?;
        self.content(Class::Layers, layers, &doomed::loose(&stock.loose_layers), doomed::loose_layers)?;
        self.content(Class::Blobs, blobs, &doomed::loose(&stock.loose_blobs), doomed::loose_blobs)?;
        self.logs(stock, victims)?;
        self.caches(stock, victims)?;
        if !self.policy.dry_run {
            self.tidy_index()?;
        }
        Ok(())
    }

    /// An image in use is one whose manifest is leased.
    fn images(&mut self, victims: &Victims) -> Result<(), GcError> {
        let images: Vec<Digest> = victims.images.iter().filter_map(|hex| digest_of(hex)).collect();
        for batch in images.chunks(BATCH) {
            let taken = self.take(batch.iter().copied())?;
            if !self.policy.dry_run {
                self.inner.index.write(Commit::Lazy, |index| {
                    let mut gone = Vec::new();
                    for hex in taken.iter().map(Digest::hex) {
                        let sql = "SELECT 1 FROM names WHERE image = ?1";
                        if index.row(sql, [&hex], |_| Ok(()))?.is_none() {
                            image::forget_image(index, &hex)?;
                            gone.push(hex);
                        }
                    }
                    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
                    self.inner.write_down(index, &gone, Commit::Lazy)
                })?;
            }
            for image in &taken {
                self.report.add(Class::Images, 0);
                self.collector.release(image);
            }
        }
        Ok(())
    }

    /// Results go before their layers: what is left of them goes with the layer.
    fn records(&mut self, stock: &Stock, victims: &Victims) -> Result<(), GcError> {
        let results = "DELETE FROM results WHERE key = ?1 AND (used <= ?2 OR boot NOT IN ('', ?3))";
        let uses = victims.results.iter().filter_map(|key| Some((digest_of(key)?, stock.results.get(key)?.used)));
        self.keyed(results, &uses.collect::<Vec<_>>())?;
        let traces = "DELETE FROM traces WHERE key = ?1 AND (used <= ?2 OR boot NOT IN ('', ?3))";
        let uses = victims.traces.iter().filter_map(|key| Some((digest_of(key)?, stock.traces.get(key)?.used)));
        self.keyed(traces, &uses.collect::<Vec<_>>())
    }

    fn keyed(&mut self, delete: &str, records: &[(Digest, i64)]) -> Result<(), GcError> {
        for batch in records.chunks(BATCH) {
            let taken = self.take(batch.iter().map(|(key, _)| *key))?;
            let batch = batch.iter().filter(|(key, _)| taken.contains(key));
            if !self.policy.dry_run {
                self.inner.index.write(Commit::Lazy, |index| {
                    for (key, used) in batch {
                        index.run(delete, (key.hex(), used, &self.inner.boot))?;
                    }
                    Ok::<_, IndexError>(())
                })?;
            }
            for key in &taken {
                self.report.add(Class::Records, 0);
                self.collector.release(key);
            }
        }
        Ok(())
    }

    /// Removes content: records first and durably, so that no power cut brings back the record of what is gone.
    fn content(
        &mut self,
        class: Class,
        directory: BorrowedFd<'_>,
        doomed: &[Doomed],
        delete: doomed::Delete,
    ) -> Result<(), GcError> {
        for batch in doomed.chunks(BATCH) {
            let taken = self.take(batch.iter().map(|doomed| doomed.digest))?;
            let mut batch: Vec<&Doomed> = batch.iter().filter(|doomed| taken.contains(&doomed.digest)).collect();
            if !self.policy.dry_run && !batch.is_empty() {
                self.inner.index.write(Commit::Durable, |index| delete(index, self.inner, &mut batch))?;
            }
            let mut trash = Vec::new();
            for doomed in &batch {
                self.report.add(class, doomed.bytes);
                if !self.policy.dry_run {
                    trash.extend(self.discard(directory, place_of(class), &doomed.digest.hex())?);
                }
            }
            for digest in &taken {
                self.collector.release(digest);
            }
            for (name, path) in trash {
                self.sweep(&name, path)?;
            }
        }
        Ok(())
    }

    fn logs(&mut self, stock: &Stock, victims: &Victims) -> Result<(), GcError> {
        let directory = self.open("logs")?;
        for name in &victims.logs {
            let lock = log_digest(name);
            if self.take([lock])?.is_empty() {
                continue;
            }
            self.remove_entry(Class::Logs, &directory, name, stock.logs.get(name))?;
            self.collector.release(&lock);
        }
        Ok(())
    }

    fn caches(&mut self, stock: &Stock, victims: &Victims) -> Result<(), GcError> {
        if victims.caches.is_empty() {
            return Ok(());
        }
        let path = self.inner.path(LOCKS);
        let fail = |source| GcError::File { path: path.clone(), source };
        let directory = self.open("cache")?;
        for name in &victims.caches {
            let locks = range::open(&path).map_err(fail)?;
            if !range::try_lock(&locks, Hold::Exclusive, range::place(&lock_digest(name))).map_err(fail)? {
                self.report.in_use += 1;
                continue;
            }
            if !self.policy.dry_run {
                let sql = "DELETE FROM caches WHERE directory = ?1";
                self.inner.index.write(Commit::Lazy, |index| index.run(sql, [name]).map(drop))?;
            }
            self.remove_entry(Class::Caches, &directory, name, stock.caches.get(name))?;
        }
        Ok(())
    }

    fn remove_entry(&mut self, class: Class, from: &File, name: &str, thing: Option<&Thing>) -> Result<(), GcError> {
        self.report.add(class, thing.map_or(0, |thing| thing.bytes));
        if !self.policy.dry_run
            && let Some((trash, path)) = self.discard(from.as_fd(), place_of(class), name)?
        {
            self.sweep(&trash, path)?;
        }
        Ok(())
    }

    /// Takes the locks that can be had, and counts the others.
    fn take(&mut self, digests: impl IntoIterator<Item = Digest>) -> Result<Vec<Digest>, GcError> {
        let mut taken = Vec::new();
        for digest in digests {
            let path = || self.inner.path(lease::FILES);
            if self.collector.try_take(&digest).map_err(|source| GcError::File { path: path(), source })? {
                taken.push(digest);
            } else {
                self.report.in_use += 1;
            }
        }
        Ok(taken)
    }

    /// Moves an entry of the directory `from`, which is called `place`, out of the way.
    fn discard(&self, from: BorrowedFd<'_>, place: &str, name: &str) -> Result<Option<(CString, PathBuf)>, GcError> {
        let trash = claim::discard(self.inner, from, name);
        let path = || self.inner.path(place).join(name);
        let trash = trash.map_err(|error| GcError::Remove { path: path(), source: error.into() })?;
        Ok(trash.map(|trash| (trash, path())))
    }

    fn sweep(&self, trash: &CStr, path: PathBuf) -> Result<(), GcError> {
        match claim::sweep_entry(self.inner, trash) {
            // Somebody else's sweep may have been faster.
            Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(GcError::Remove { path, source: error.into() }),
        }
    }

    fn open(&self, directory: &str) -> Result<File, GcError> {
        let path = self.inner.path(directory);
        File::open(&path).map_err(|source| GcError::File { path, source })
    }

    fn tidy_index(&self) -> Result<(), IndexError> {
        if let Some(age) = self.policy.max_age {
            let before = self.inner.now.saturating_sub(age.max(REMEMBERED));
            self.inner.index.write(Commit::Lazy, |index| {
                index.run("DELETE FROM steps WHERE used <= ?1", [before])?;
                index.run("DELETE FROM stats WHERE root IN (SELECT id FROM stat_roots WHERE used <= ?1)", [before])?;
                index.run("DELETE FROM stat_roots WHERE used <= ?1", [before])?;
                Ok::<_, IndexError>(())
            })?;
        }
        self.inner.index.fold()
    }
}

/// Returns the directory of the store in which things of a class lie.
fn place_of(class: Class) -> &'static str {
    match class {
        Class::Layers => "layers",
        Class::Blobs => "blobs/sha256",
        Class::Logs => "logs",
        Class::Caches => "cache",
        _ => "active",
    }
}
