// SPDX-License-Identifier: Apache-2.0
//! `report`: messages to the person who waits.

use wythe_plan::Severity;

use crate::guest::Guest;
use crate::surroundings::SURROUNDINGS;
use crate::untrusted;
use crate::v0_1::report::{Host, Level};

impl Host for Guest {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        match level {
            Level::Trace => Ok(self.meter.log(message.len())?),
            Level::Info => self.log(Severity::Note, &message),
            Level::Warning => self.log(Severity::Warning, &message),
            Level::Error => self.log(Severity::Error, &message),
        }
    }

    fn progress(&mut self, label: String, done: u64, total: u64) -> wasmtime::Result<()> {
        self.meter.log(label.len())?;
        let label = untrusted::label(&label);
        SURROUNDINGS.with(|surroundings| surroundings.world.progress(&label, done, total));
        Ok(())
    }

    fn panicked(&mut self, message: String, file: String, line: u32, column: u32) -> wasmtime::Result<()> {
        self.meter.log(message.len() + file.len())?;
        let place = untrusted::label(&file);
        let message: Vec<String> = message.lines().map(untrusted::line).collect();
        // The first panic is the cause; one while it unwinds is not.
        self.panicked.get_or_insert(format!("panicked at {place}:{line}:{column}: {}", message.join("; ")));
        Ok(())
    }
}
