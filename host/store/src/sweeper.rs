// SPDX-License-Identifier: Apache-2.0
//! Removes what steps leave behind, beside the steps that follow.
//!
//! Freeing a directory waits for the disk where the file system tells the disk at once what is free (ext4 without a
//! journal and with `discard`: 4 ms each), and a step leaves half a dozen. Side by side they take as long as one.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::remove;

/// Threads that wait for the disk side by side.
const THREADS: usize = 4;

/// An entry of `active/` that nobody needs any more.
#[derive(Debug)]
pub(crate) struct Leftover {
    /// Keeps sweeps of other processes away, also from its name.
    pub(crate) lock: File,
    pub(crate) name: CString,
}

/// The threads, started when there is work for them. Dropping it waits until all is removed.
#[derive(Debug)]
pub(crate) struct Sweeper {
    active: Arc<OwnedFd>,
    crew: Mutex<Crew>,
    open: Arc<Open>,
}

/// How much is left to do.
#[derive(Debug, Default)]
struct Open {
    count: Mutex<usize>,
    none: Condvar,
}

impl Open {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all threads take from.
type Queue = Arc<Mutex<Receiver<Leftover>>>;

#[derive(Debug, Default)]
struct Crew {
    /// None before the first leftover.
    queue: Option<(Sender<Leftover>, Queue)>,
    threads: Vec<JoinHandle<()>>,
}

impl Sweeper {
    pub(crate) fn new(active: Arc<OwnedFd>) -> Self {
        Self { active, crew: Mutex::default(), open: Arc::default() }
    }

    /// Waits until all that was taken is removed.
    pub(crate) fn finish(&self) {
        let mut count = self.open.count();
        while *count > 0 {
            count = self.open.none.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Removes an entry, soon.
    pub(crate) fn take(&self, leftover: Leftover) {
        let mut crew = self.crew.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, receiver) = crew.queue.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            (sender, Arc::new(Mutex::new(receiver)))
        });
        let (receiver, active, open) = (Arc::clone(receiver), Arc::clone(&self.active), Arc::clone(&self.open));
        *open.count() += 1;
        let sent = sender.send(leftover);
        debug_assert!(sent.is_ok(), "the crew holds the receiver");
        if crew.threads.len() < THREADS {
            let ours = Arc::clone(&receiver);
            let body = move || while turn(&active, &receiver, &open) {};
            match std::thread::Builder::new().name("sweep".into()).spawn(body) {
                Ok(thread) => crew.threads.push(thread),
                // No thread at all: it is done here.
                Err(_) if crew.threads.is_empty() => drop(turn(&self.active, &ours, &self.open)),
                Err(_) => {}
            }
        }
    }
}

/// Removes the next entry; `false` when there will be none.
fn turn(active: &OwnedFd, queue: &Mutex<Receiver<Leftover>>, open: &Open) -> bool {
    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let Ok(Leftover { lock, name }) = next else { return false };
    // What cannot be removed now is tried again by the next sweep.
    let _left = remove::remove_entry(active.as_fd(), &name);
    drop(lock);
    let mut count = open.count();
    *count -= 1;
    if *count == 0 {
        open.none.notify_all();
    }
    true
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        let crew = self.crew.get_mut().unwrap_or_else(PoisonError::into_inner);
        crew.queue = None;
        for thread in crew.threads.drain(..) {
            // A thread that panicked leaves its entry to the next sweep.
            drop(thread.join());
        }
    }
}
