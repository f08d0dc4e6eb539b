// SPDX-License-Identifier: Apache-2.0
//! `recognition`: asking the plugins that know commands.

use crate::guest::Guest;
use crate::untrusted;
use crate::v0_1::commands::{Command, Verdict};
use crate::v0_1::recognition::Host;

impl Host for Guest {
    fn recognise(&mut self, command: Command) -> wasmtime::Result<Verdict> {
        self.charge([command.text.as_str()])?;
        self.demand_translating("recognition.recognise")?;
        // What is wrong with a command is the fault of who shows it, and would end who looks at it.
        let programs = command.programs.iter().try_for_each(|program| untrusted::program(&program.argv));
        self.demand("recognition.recognise", programs)?;
        let verdict = self.wait(|surroundings| surroundings.plugins.recognise(&command, surroundings));
        verdict.map_err(|error| self.end(error))
    }

    fn is_link(&mut self, path: String) -> wasmtime::Result<bool> {
        self.charge([path.as_str()])?;
        self.demand_translating("recognition.is-link")?;
        self.wait(|surroundings| surroundings.world.is_link(&path)).map_err(|error| self.end(error))
    }
}
