// SPDX-License-Identifier: Apache-2.0
//! `recognition`: asking the plugins that know commands.

use wythe_plan::PlanError;

use crate::clock::Moment;
use crate::guest::Guest;
use crate::surroundings::{SURROUNDINGS, Surroundings};
use crate::v0_1::commands::{Command, Verdict};
use crate::v0_1::recognition::Host;

impl Host for Guest {
    fn recognise(&mut self, command: Command) -> wasmtime::Result<Verdict> {
        self.charge([command.text.as_str()])?;
        self.demand_translating("recognition.recognise")?;
        self.wait(|surroundings| surroundings.plugins.recognise(&command, surroundings))
    }

    fn is_link(&mut self, path: String) -> wasmtime::Result<bool> {
        self.charge([path.as_str()])?;
        self.demand_translating("recognition.is-link")?;
        self.wait(|surroundings| surroundings.world.is_link(&path))
    }
}

impl Guest {
    /// Waits for an answer that is not the guest's own doing: its clock stands still meanwhile.
    fn wait<T>(&mut self, question: impl FnOnce(Surroundings<'_>) -> Result<T, PlanError>) -> wasmtime::Result<T> {
        let before = Moment::now();
        let answer = SURROUNDINGS.with(question);
        self.meter.leave_out(before.elapsed());
        answer.map_err(|error| self.end(error))
    }
}
