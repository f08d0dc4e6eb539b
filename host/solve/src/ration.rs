// SPDX-License-Identifier: Apache-2.0
//! What an operation may write while the store has a quota.
//!
//! What is known beforehand is asked for beforehand. What a command or an archive writes is not known, so the store is
//! measured while it does: every [`TICK`] the free space of the disk, which costs a system call, and the store itself where
//! so much less is free that the quota could be reached. Beyond the quota lies therefore at most what is written in one
//! tick and one measurement of the running steps; nothing of it is kept.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wythe_store::{QuotaError, Store, Usage, total};
use wythe_sys::cancel::Cancel;

use crate::engine::Engine;
use crate::error::Cause;

/// Time between two looks at the disk.
const TICK: Duration = Duration::from_millis(20);

/// Longest time between two measurements: others may free space while the store grows.
const LONGEST: Duration = Duration::from_secs(1);

/// The right of one operation to write.
pub(crate) struct Ration {
    /// Stops the operation: where somebody asks for it, or beyond the quota.
    pub(crate) cancel: Cancel,
    watch: Option<Watch>,
}

struct Watch {
    store: Arc<Store>,
    quota: u64,
    shared: Arc<Shared>,
    /// Dropping the sender ends the thread.
    thread: Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>,
}

#[derive(Default)]
struct Shared {
    /// What took room when it was too much.
    excess: Mutex<Option<Usage>>,
    exceeded: Notify,
}

impl Ration {
    /// Makes room for so many bytes, and watches from now on. Without a quota it does nothing.
    pub(crate) fn begin(engine: &Engine, needed: u64) -> Result<Self, Cause> {
        let store = &engine.store;
        let Some(quota) = store.quota().map_err(Cause::Quota)? else {
            return Ok(Self { cancel: engine.cancel.clone(), watch: None });
        };
        store.make_room(needed).map_err(Cause::Quota)?;
        let cancel = Cancel::new().map_err(Cause::doing("cannot watch the quota of the store"))?;
        let shared = Arc::new(Shared::default());
        let (sender, ended) = mpsc::channel();
        let (theirs, outer, inner) = (Arc::clone(store), engine.cancel.clone(), cancel.clone());
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("quota".to_owned());
        let thread = thread.spawn(move || watch(&theirs, quota, &outer, &inner, &told, &ended));
        let thread = thread.map_err(Cause::doing("cannot watch the quota of the store"))?;
        let thread = Mutex::new(Some((sender, thread)));
        Ok(Self { cancel, watch: Some(Watch { store: Arc::clone(store), quota, shared, thread }) })
    }

    /// Waits until the quota is exceeded, for ever where there is none.
    pub(crate) async fn exceeded(&self) {
        match &self.watch {
            Some(watch) => watch.shared.exceeded.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the watch, and says whether what was written may be kept.
    pub(crate) fn end(&self) -> Result<(), Cause> {
        let Some(watch) = &self.watch else { return Ok(()) };
        watch.stop();
        let excess = watch.shared.excess.lock().unwrap_or_else(PoisonError::into_inner).take();
        let occupied = excess.unwrap_or_else(|| watch.store.occupied());
        if total(&occupied) > watch.quota {
            return Err(Cause::Quota(QuotaError::Outgrown { quota: watch.quota, occupied }));
        }
        Ok(())
    }
}

impl Watch {
    fn stop(&self) {
        let taken = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = taken {
            drop(sender);
            // It does not panic, and has nothing to say.
            drop(thread.join());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

fn watch(store: &Store, quota: u64, outer: &Cancel, inner: &Cancel, shared: &Shared, ended: &mpsc::Receiver<()>) {
    let (mut free, mut left, mut measured) = (store.disk_free(), 0, None::<Instant>);
    while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
        if outer.is_cancelled() {
            return inner.cancel();
        }
        let now = store.disk_free();
        let is_recent = measured.is_some_and(|measured| measured.elapsed() < LONGEST);
        if is_recent && free.saturating_sub(now) < left {
            continue;
        }
        let mut occupied = store.occupied();
        // What may go goes before what runs is stopped.
        if total(&occupied) > quota && store.make_room(0).is_ok() {
            occupied = store.occupied();
        }
        let used = total(&occupied);
        (free, left, measured) = (now, quota.saturating_sub(used), Some(Instant::now()));
        if used > quota {
            *shared.excess.lock().unwrap_or_else(PoisonError::into_inner) = Some(occupied);
            shared.exceeded.notify_one();
            return inner.cancel();
        }
    }
}
