// SPDX-License-Identifier: Apache-2.0
//! A thread that looks at something again and again, beside what it watches.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wythe_sys::cancel::Cancel;

/// Time between two looks.
const TICK: Duration = Duration::from_millis(20);

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Lookout(Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>);

impl Lookout {
    /// Looks for the first time after one tick, and then until `look` says that it has seen enough: that stops what is
    /// watched, as does whoever stops it from outside.
    pub(crate) fn begin(
        name: &str,
        outer: &Cancel,
        watched: &Cancel,
        mut look: impl FnMut() -> ControlFlow<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, ended) = mpsc::channel::<()>();
        let (outer, watched) = (outer.clone(), watched.clone());
        let watch = move || {
            while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                if outer.is_cancelled() || look().is_break() {
                    watched.cancel();
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(watch)?;
        Ok(Self(Mutex::new(Some((sender, thread)))))
    }

    /// Waits for a look that has begun; there is none after that. Idempotent.
    pub(crate) fn end(&self) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = taken {
            drop(sender);
            // It does not panic, and has nothing to say.
            drop(thread.join());
        }
    }
}

/// When something that may grow so far and no farther has to be measured again, which takes long, where looking at the disk
/// does not: while less is gone from the disk than was left, whoever took it, there is nothing to measure.
#[derive(Debug)]
pub(crate) struct Gauge {
    /// Longest time between two measurements: others may free space while it grows.
    longest: Duration,
    /// Free bytes of the disk, what was left, and when that was.
    measured: Option<(u64, u64, Instant)>,
}

impl Gauge {
    /// Measures at the first look.
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, measured: None }
    }

    /// Whether it is time to measure, where so many bytes of the disk are free now.
    pub(crate) fn is_due(&self, free: u64) -> bool {
        self.measured.is_none_or(|(then, left, at)| at.elapsed() >= self.longest || then.saturating_sub(free) >= left)
    }

    /// Takes note of a measurement: so many bytes of the disk were free, and by so many it may grow.
    pub(crate) fn note(&mut self, free: u64, left: u64) {
        self.measured = Some((free, left, Instant::now()));
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Gauge};

    #[test]
    fn it_is_measured_at_first_and_where_it_may_have_grown_too_far_and_after_a_while() {
        let mut gauge = Gauge::new(Duration::MAX);
        assert!(gauge.is_due(100));
        gauge.note(100, 10);
        assert_eq!([120, 100, 91, 90, 0].map(|free| gauge.is_due(free)), [false, false, false, true, true]);
        let mut impatient = Gauge::new(Duration::ZERO);
        impatient.note(100, 10);
        assert!(impatient.is_due(100));
    }
}
