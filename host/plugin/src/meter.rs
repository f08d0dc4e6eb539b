// SPDX-License-Identifier: Apache-2.0
//! Counts what one call of a plugin takes, and says no.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::Limits;
use crate::clock::Moment;
use crate::limits::in_words;

/// What a line costs besides its text: an empty line is a line, and a flood of them ends too.
const LINE_BYTES: u64 = 16;

/// Ends a guest. What it means is kept beside it (in [`Meter::excess`] or [`crate::guest::Guest`]), never in its text.
#[derive(Debug, thiserror::Error)]
#[error("ended by the host")]
pub(crate) struct Ended;

/// The counters of one call, on the thread on which they were made.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Arc<Limits>,
    memory: u64,
    table_elements: usize,
    taken: u64,
    answered: u64,
    logged: u64,
    handles: usize,
    started: Moment,
    away: Duration,
    excess: Option<String>,
}

impl Meter {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            memory: 0,
            table_elements: 0,
            taken: 0,
            answered: 0,
            logged: 0,
            handles: 0,
            started: Moment::now(),
            away: Duration::ZERO,
            excess: None,
        }
    }

    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Returns which limit was exceeded, in words that follow the plugin's name.
    pub(crate) fn excess(&mut self) -> Option<String> {
        self.excess.take()
    }

    fn exceed(&mut self, words: String) -> Ended {
        self.excess.get_or_insert(words);
        Ended
    }

    /// Counts bytes that the guest handed over.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Ended> {
        self.taken = self.taken.saturating_add(bytes as u64);
        let most = self.limits.call_bytes;
        if self.taken <= most {
            return Ok(());
        }
        Err(self.exceed(format!("handed more than {} to the host (limit `call-bytes`)", in_words(most))))
    }

    /// Counts bytes that the guest is about to be handed.
    pub(crate) fn answer(&mut self, bytes: usize) -> Result<(), Ended> {
        self.answered = self.answered.saturating_add(bytes as u64);
        let most = self.limits.answer_bytes;
        if self.answered <= most {
            return Ok(());
        }
        Err(self.exceed(format!("asked for more than {} of answers (limit `answer-bytes`)", in_words(most))))
    }

    /// Counts bytes that go to the log.
    pub(crate) fn log(&mut self, bytes: usize) -> Result<(), Ended> {
        self.logged = self.logged.saturating_add(bytes as u64 + LINE_BYTES);
        let most = self.limits.log_bytes;
        if self.logged <= most {
            return Ok(());
        }
        Err(self.exceed(format!("logged more than {} (limit `log-bytes`)", in_words(most))))
    }

    /// Counts one handle more.
    pub(crate) fn open_handle(&mut self) -> Result<(), Ended> {
        let most = self.limits.handles;
        if self.handles >= most {
            return Err(self.exceed(format!("holds more than {most} handles (limit `handles`)")));
        }
        self.handles += 1;
        Ok(())
    }

    /// Counts one handle less.
    pub(crate) fn close_handle(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }

    /// Checks the number of operations of the plan.
    pub(crate) fn check_vertices(&mut self, vertices: usize) -> Result<(), Ended> {
        let most = self.limits.vertices;
        if vertices < most {
            return Ok(());
        }
        Err(self.exceed(format!("planned more than {most} operations (limit `vertices`)")))
    }

    /// Leaves time out of the guest's account.
    pub(crate) fn leave_out(&mut self, time: Duration) {
        self.away += time;
    }

    /// Checks the processor time of the guest's own code.
    pub(crate) fn check_clock(&mut self) -> Result<(), Ended> {
        let most = self.limits.cpu_time;
        if self.started.elapsed().saturating_sub(self.away) < most {
            return Ok(());
        }
        Err(self.exceed(format!("did not finish within {most:?} of processor time (limit `cpu-time`)")))
    }
}

/// Growth that is refused ends the guest at once: a guest that sees a failed allocation would end with a message about something else.
impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(desired.saturating_sub(current) as u64);
        let most = self.limits.memory;
        if wanted > most {
            return Err(self.exceed(format!("needs more than {} of memory (limit `memory`)", in_words(most))).into());
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.table_elements.saturating_add(desired.saturating_sub(current));
        let most = self.limits.table_elements;
        if wanted > most {
            return Err(self.exceed(format!("needs more than {most} table elements (limit `table-elements`)")).into());
        }
        self.table_elements = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}
