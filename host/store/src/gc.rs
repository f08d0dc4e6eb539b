// SPDX-License-Identifier: Apache-2.0
//! Collection: what nobody needs goes.
//!
//! Roots are the named images and what is leased. A collection takes stock, chooses (a pure function), and removes:
//! each thing under its exclusive lock, after looking once more whether something refers to it, the record durably
//! before the content. A collection that is killed leaves content without records, which the next one takes.

mod choose;
mod doomed;
mod remove;
mod stock;

use std::io;
use std::path::PathBuf;

use crate::index::IndexError;
use crate::usage::{Class, Usage};
use crate::{Store, claim, heal};

/// What may go. The default takes only garbage: what no result and no image refers to, and what cannot be trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcPolicy {
    /// Results, blobs, traces, logs and images without a name go that were not used for so many seconds.
    pub max_age: Option<i64>,
    /// Then the least recently used go until the store has at most so many bytes. Volumes and compiled plugins do not
    /// count.
    pub max_bytes: Option<u64>,
    /// Whether cache mounts may go as well.
    pub caches: bool,
    /// Whether to report only.
    pub dry_run: bool,
}

/// What went, or would go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcReport {
    /// What, by class.
    pub removed: Usage,
    /// Things that were to go and are in use.
    pub in_use: u64,
    /// Bytes that layers, blobs, cache mounts and logs have afterwards.
    pub kept_bytes: u64,
}

impl GcReport {
    /// Returns the bytes that went.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.removed.values().map(|tally| tally.bytes).sum()
    }

    fn add(&mut self, class: Class, bytes: u64) {
        self.removed.entry(class).or_default().add(bytes);
        self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
    }
}

/// A collection that could not be finished. What it removed before is gone, what remains is whole.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// The index cannot be used.
    #[error("cannot collect")]
    Index(#[from] IndexError),
    /// A directory cannot be read or a lock taken.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Content cannot be removed; its record is gone already.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// The content.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Store {
    /// Removes what the policy lets go. Other processes may build meanwhile; of two collections at once, each takes
    /// what the other leaves.
    ///
    /// # Errors
    ///
    /// See [`GcError`].
    pub fn gc(&self, policy: &GcPolicy) -> Result<GcReport, GcError> {
        if !policy.dry_run {
            self.inner.spend_reserve();
        }
        self.inner.write_uses()?;
        self.inner.agree()?;
        let stock = stock::take(&self.inner)?;
        let victims = choose::choose(&stock, policy, self.inner.now);
        let mut report = GcReport { kept_bytes: stock.bytes(), ..GcReport::default() };
        if !policy.dry_run {
            for _ in 0..claim::sweep(&self.inner) {
                report.add(Class::Active, 0);
            }
        }
        remove::Removal::new(&self.inner, policy, &mut report).run(&stock, &victims)?;
        if !policy.dry_run {
            heal::remove_aside(&self.inner.root);
            self.inner.ensure_reserve();
        }
        Ok(report)
    }
}
