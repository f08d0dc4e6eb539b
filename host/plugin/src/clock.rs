// SPDX-License-Identifier: Apache-2.0
//! The clock of plugins: processor time of the thread that a plugin runs on.
//!
//! By the clock on the wall a plugin on a busy machine is as slow as one that loops, and whether a plan is made would depend
//! on what else the machine does. Nor is such a clock needed to end a plugin that waits: it has nothing to wait with. It gets
//! no threads, no `wait` on memory, and what waits in WASI traps, so its own code computes or ends. What it asks of the host has
//! its own end there (a download that stalls, a probe's command when the build is stopped) and is not on its account.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// A moment on the clock of this thread; to be asked on the same thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) fn now() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread may ask for its own use");
        let micros = |time: nix::sys::time::TimeVal| {
            Duration::from_secs(time.tv_sec().unsigned_abs()) + Duration::from_micros(time.tv_usec().unsigned_abs())
        };
        Self(micros(usage.user_time()) + micros(usage.system_time()))
    }

    /// Returns how much the thread has computed since then.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Moment;

    #[test]
    fn it_advances_while_the_thread_computes_and_not_while_another_one_does() {
        let before = Moment::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let theirs = Moment::now();
                while theirs.elapsed() < Duration::from_millis(60) {}
            });
        });
        assert!(before.elapsed() < Duration::from_millis(60));
        while before.elapsed() < Duration::from_millis(10) {}
    }
}
