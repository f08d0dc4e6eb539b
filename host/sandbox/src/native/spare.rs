// SPDX-License-Identifier: Apache-2.0
//! A keeper that has been started before there is anything to run: executing our binary takes more than half as long as all
//! else that a sandbox needs, and there is mostly a processor that has nothing to do while a command runs.

use std::sync::{Mutex, PoisonError};

use super::captured::Ready;
use crate::RunError;

/// At most one keeper that waits.
#[derive(Debug)]
pub(super) struct Spare(Mutex<State>);

#[derive(Debug)]
enum State {
    /// Who runs one command may run no other.
    First,
    /// Who has run two runs many.
    Again(Option<Box<Ready>>),
}

impl Spare {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State::First))
    }

    /// The one that waits, if it does. It has been told nothing yet, so it may have been ended by anybody.
    pub(super) fn take(&self) -> Option<Ready> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Again(spare) = &mut *state else { return None };
        let mut ready = spare.take()?;
        ready.is_alive().then_some(*ready)
    }

    /// Has one started if this was not the first run and none waits. That it cannot be is for the next run to say.
    pub(super) fn prepare(&self, start: impl FnOnce() -> Result<Ready, RunError>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::First => *state = State::Again(None),
            State::Again(spare @ None) => *spare = start().ok().map(Box::new),
            State::Again(Some(_)) => {}
        }
    }
}
