// SPDX-License-Identifier: Apache-2.0
//! How much one command may write into the image's files.
//!
//! The kernel has no such limit for a directory that every file system would know, so the directory is measured: from time
//! to time while the command runs, and once more when it has ended. Beyond the limit lies therefore what is written between
//! two looks, for a moment; but nothing that is larger is ever kept.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wythe_sandbox::{Ending, Exceeded, Resource};
use wythe_store::{Active, Meter, Store};
use wythe_sys::cancel::Cancel;

use crate::lookout::{Gauge, Lookout};

/// Longest time between two measurements.
const LONGEST: Duration = Duration::from_millis(500);

/// The watch over one command.
#[derive(Debug)]
pub struct DiskWatch {
    cancel: Cancel,
    watch: Option<Watch>,
}

#[derive(Debug)]
struct Watch {
    limit: u64,
    meter: Meter,
    lookout: Lookout,
    /// It was too much at one time, whatever it is now.
    exceeded: Arc<AtomicBool>,
}

impl DiskWatch {
    /// Watches the directory from now on. Without a limit it does nothing.
    ///
    /// # Errors
    ///
    /// Fails where no thread or descriptor is to be had.
    pub fn begin(limit: Option<u64>, active: &Active, store: &Arc<Store>, outer: &Cancel) -> io::Result<Self> {
        let Some(limit) = limit else { return Ok(Self { cancel: outer.clone(), watch: None }) };
        let cancel = Cancel::new()?;
        let exceeded = Arc::new(AtomicBool::new(false));
        let mut patrol = Patrol {
            limit,
            meter: active.meter(),
            store: Arc::clone(store),
            exceeded: Arc::clone(&exceeded),
            gauge: Gauge::new(LONGEST),
        };
        // Nothing is written yet.
        patrol.gauge.note(store.disk_free(), limit);
        let lookout = Lookout::begin("disk", outer, &cancel, move || patrol.look())?;
        Ok(Self { cancel, watch: Some(Watch { limit, meter: active.meter(), lookout, exceeded }) })
    }

    /// Returns what stops the command: where somebody asks for it, or beyond the limit.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Ends the watch, and says how a command ended that ended so: one that has written too much did that, whatever
    /// else became of it.
    #[must_use]
    pub fn verdict(self, ending: Ending) -> Ending {
        let Some(Watch { limit, meter, lookout, exceeded }) = self.watch else { return ending };
        lookout.end();
        let too_much = exceeded.load(Ordering::SeqCst) || meter.bytes() > limit;
        if too_much { Ending::Exceeded(Exceeded { resource: Resource::Disk, limit }) } else { ending }
    }
}

/// Who looks at the directory from time to time.
struct Patrol {
    limit: u64,
    meter: Meter,
    store: Arc<Store>,
    exceeded: Arc<AtomicBool>,
    gauge: Gauge,
}

impl Patrol {
    fn look(&mut self) -> ControlFlow<()> {
        let free = self.store.disk_free();
        if !self.gauge.is_due(free) {
            return ControlFlow::Continue(());
        }
        let written = self.meter.bytes();
        self.gauge.note(free, self.limit.saturating_sub(written));
        if written <= self.limit {
            return ControlFlow::Continue(());
        }
        self.exceeded.store(true, Ordering::SeqCst);
        ControlFlow::Break(())
    }
}
