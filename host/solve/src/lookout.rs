// SPDX-License-Identifier: Apache-2.0
//! A thread that looks at something again and again, beside what it watches.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two looks.
const TICK: Duration = Duration::from_millis(20);

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Lookout(Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>);

impl Lookout {
    /// Looks for the first time after one tick, and then until `look` says that it has seen enough.
    pub(crate) fn begin(name: &str, mut look: impl FnMut() -> ControlFlow<()> + Send + 'static) -> io::Result<Self> {
        let (sender, ended) = mpsc::channel::<()>();
        let watch = move || {
            while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) && look().is_continue() {}
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

impl Drop for Lookout {
    fn drop(&mut self) {
        self.end();
    }
}
