// SPDX-License-Identifier: Apache-2.0
//! Artifacts: fetched once, several at a time, checked, and kept by content.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use wythe_image::Digest;
use wythe_plan::Artifact;
use wythe_remote::{Client, ClientOptions, Listener, Repeat};
use wythe_store::{Store, WriteBlobError};

use crate::error::Cause;

/// Connections at once. Mirrors serve small files, so latency counts; more than this many is impolite.
const CONNECTIONS: usize = 16;

type Cell = Arc<OnceCell<PathBuf>>;

/// Fetches artifacts into the store.
#[derive(Debug)]
pub(crate) struct Fetcher {
    store: Arc<Store>,
    /// None where nothing may be fetched.
    options: Option<ClientOptions>,
    /// Made when the first address is fetched: it reads and parses the machine's certificates.
    client: OnceCell<Client>,
    slots: Semaphore,
    cells: Mutex<BTreeMap<Digest, Cell>>,
}

/// Who is told of a set of artifacts.
pub(crate) struct Told<'a> {
    /// How much has come.
    pub(crate) progress: &'a (dyn Fn(u64, u64) + Send + Sync),
    /// Attempts that are repeated.
    pub(crate) repeats: Listener,
}

/// A wait shorter than this is not worth a line.
const SLOW: Duration = Duration::from_secs(1);

/// Says that a fetch is tried again.
pub(crate) fn describe_repeat(repeat: &Repeat<'_>) -> Option<String> {
    let Repeat { address, failure, attempt: (attempt, of), wait } = repeat;
    let seconds = wait.as_secs_f64();
    (*wait >= SLOW).then(|| format!("`{address}`: {failure}; attempt {attempt} of {of} follows in {seconds:.0} s"))
}

impl Fetcher {
    pub(crate) fn new(store: Arc<Store>, options: Option<ClientOptions>) -> Self {
        let slots = Semaphore::new(CONNECTIONS);
        Self { store, options, client: OnceCell::new(), slots, cells: Mutex::default() }
    }

    /// Returns whether nothing may be fetched.
    pub(crate) fn is_offline(&self) -> bool {
        self.options.is_none()
    }

    pub(crate) async fn client(&self) -> Result<&Client, Cause> {
        let make = async || {
            let options = self.options.clone();
            let options = options.ok_or_else(|| Cause::Bug("something was fetched without a network".to_owned()))?;
            Client::new(options).map_err(Cause::Client)
        };
        self.client.get_or_try_init(make).await
    }

    /// Returns where an artifact lies, if it is there with the right bytes: what goes into an image or a sandbox is
    /// read once before.
    async fn known(&self, artifact: &Artifact) -> Result<Option<PathBuf>, Cause> {
        let (store, digest) = (Arc::clone(&self.store), artifact.sha256);
        if store.is_checked(&digest) {
            return store.checked_blob(&digest).map_err(Cause::store);
        }
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let read = tokio::task::spawn_blocking(move || store.checked_blob(&digest));
        read.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map_err(Cause::store)
    }

    /// Returns where each artifact lies, in the order asked for. What is missing is fetched, all at once.
    pub(crate) async fn all(&self, artifacts: &[Artifact], told: &Told<'_>) -> Result<Vec<PathBuf>, Cause> {
        let mut total = 0;
        let mut missing = Vec::new();
        let known = futures_util::future::try_join_all(artifacts.iter().map(|artifact| self.known(artifact))).await?;
        for (artifact, known) in artifacts.iter().zip(known) {
            if known.is_none() {
                total += artifact.size.unwrap_or(0);
                missing.push(artifact.url.clone());
            }
        }
        if self.is_offline() && !missing.is_empty() {
            return Err(Cause::NotFetched { missing });
        }
        let done = AtomicU64::new(0);
        let one = |artifact| self.one(artifact, &done, total, told);
        futures_util::future::try_join_all(artifacts.iter().map(one)).await
    }

    async fn one(&self, artifact: &Artifact, done: &AtomicU64, total: u64, told: &Told<'_>) -> Result<PathBuf, Cause> {
        if let Some(path) = self.known(artifact).await? {
            return Ok(path);
        }
        let cell = self.cells.lock().expect("no fetch panics").entry(artifact.sha256).or_default().clone();
        let fetch = || self.fetch(artifact, done, total, told);
        cell.get_or_try_init(fetch).await.cloned()
    }

    async fn fetch(
        &self,
        artifact: &Artifact,
        done: &AtomicU64,
        total: u64,
        told: &Told<'_>,
    ) -> Result<PathBuf, Cause> {
        let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let mut writer = self.store.blob_writer().map_err(Cause::store)?;
        let before = AtomicU64::new(0);
        let report = |now: u64, _: Option<u64>| {
            let last = before.swap(now, Ordering::Relaxed);
            // A download that starts again reports less than before; the sum must not run backwards below zero.
            let sum = done.fetch_add(now.saturating_sub(last), Ordering::Relaxed) + now.saturating_sub(last);
            (told.progress)(sum, total);
        };
        self.client()
            .await?
            .heard_by(told.repeats.clone())
            .download(&artifact.url, &mut writer, artifact.size, &report)
            .await
            .map_err(Cause::Fetch)?;
        // The store checks the digest before it takes the bytes: what is not what was promised leaves no trace.
        writer.finish(Some(artifact.sha256)).map_err(|error| match error {
            WriteBlobError::Mismatch { expected, found: actual, .. } => {
                Cause::WrongContent { url: artifact.url.clone(), expected, actual }
            }
            error => Cause::store(error),
        })?;
        self.store
            .checked_blob(&artifact.sha256)
            .map_err(Cause::store)?
            .ok_or_else(|| Cause::Bug(format!("blob {} vanished", artifact.sha256)))
    }
}
