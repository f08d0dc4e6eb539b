// SPDX-License-Identifier: Apache-2.0
//! A request to stop, visible to code that looks and to code that sleeps in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::retry_on_intr;

/// A flag that is raised once and stays raised. Clones share it.
///
/// Its descriptor becomes readable when the flag is raised and stays so, since nobody reads it.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    raised: AtomicBool,
    event: OwnedFd,
}

impl Cancel {
    /// Creates a flag that is not raised. Fails only when the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { raised: AtomicBool::new(false), event })))
    }

    /// Raises the flag. Idempotent; safe to call from any thread.
    pub fn cancel(&self) {
        if !self.0.raised.swap(true, Ordering::SeqCst) {
            // An eventfd takes eight bytes at once; it could refuse only if its counter were full, and we add one once.
            let written = retry_on_intr(|| rustix::io::write(&self.0.event, &1u64.to_ne_bytes()));
            debug_assert_eq!(written, Ok(8), "an eventfd takes one");
        }
    }

    /// Whether the flag is raised.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }
}

impl AsFd for Cancel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn readable(cancel: &Cancel) -> bool {
        let mut fds = [PollFd::new(cancel, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn a_clone_sees_the_flag_raised_and_it_stays_readable() {
        let cancel = Cancel::new().unwrap();
        let seen = cancel.clone();
        assert!(!seen.is_cancelled() && !readable(&seen));
        cancel.cancel();
        cancel.cancel();
        assert!(seen.is_cancelled() && readable(&seen) && readable(&seen));
    }
}
