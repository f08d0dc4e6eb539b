// SPDX-License-Identifier: Apache-2.0
//! What an operation may write while the store has a quota.
//!
//! What is known beforehand is asked for beforehand. What a command or an archive writes is not known, so the store is
//! measured while it does: every tick of a [`Lookout`] the free space of the disk, which costs a system call, and the store
//! itself where so much less is free that the quota could be reached. Beyond the quota lies therefore at most what is
//! written in one tick and one measurement of the running steps; nothing of it is kept.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use wythe_store::{QuotaError, Store, Usage, total};
use wythe_sys::cancel::Cancel;

use crate::engine::Engine;
use crate::error::Cause;
use crate::lookout::{Gauge, Lookout};

/// Longest time between two measurements.
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
    lookout: Lookout,
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
        let mut patrol =
            Patrol { store: Arc::clone(store), quota, shared: Arc::clone(&shared), gauge: Gauge::new(LONGEST) };
        let lookout = Lookout::begin("quota", &engine.cancel, &cancel, move || patrol.look());
        let lookout = lookout.map_err(Cause::doing("cannot watch the quota of the store"))?;
        Ok(Self { cancel, watch: Some(Watch { store: Arc::clone(store), quota, shared, lookout }) })
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
        watch.lookout.end();
        let excess = watch.shared.excess.lock().unwrap_or_else(PoisonError::into_inner).take();
        let occupied = excess.unwrap_or_else(|| watch.store.occupied());
        if total(&occupied) > watch.quota {
            return Err(Cause::Quota(QuotaError::Outgrown { quota: watch.quota, occupied }));
        }
        Ok(())
    }
}

/// Who looks at the store from time to time.
struct Patrol {
    store: Arc<Store>,
    quota: u64,
    shared: Arc<Shared>,
    gauge: Gauge,
}

impl Patrol {
    fn look(&mut self) -> ControlFlow<()> {
        let free = self.store.disk_free();
        if !self.gauge.is_due(free) {
            return ControlFlow::Continue(());
        }
        let mut occupied = self.store.occupied();
        // What may go goes before what runs is stopped.
        if total(&occupied) > self.quota && self.store.make_room(0).is_ok() {
            occupied = self.store.occupied();
        }
        let used = total(&occupied);
        self.gauge.note(free, self.quota.saturating_sub(used));
        if used <= self.quota {
            return ControlFlow::Continue(());
        }
        *self.shared.excess.lock().unwrap_or_else(PoisonError::into_inner) = Some(occupied);
        self.shared.exceeded.notify_one();
        ControlFlow::Break(())
    }
}
