// SPDX-License-Identifier: Apache-2.0
//! `report`: messages to the person who waits.

use wythe_plan::{Finding, Offer, Offering, Problem, Severity, TextPlace};

use crate::guest::Guest;
use crate::surroundings::SURROUNDINGS;
use crate::untrusted;
use crate::v0_1::report::{self, Host, Level};
use crate::v0_1::severity;

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

    fn found(&mut self, finding: report::Finding) -> wasmtime::Result<()> {
        let texts = [Some(&finding.message), finding.hint.as_ref(), Some(&finding.rule)];
        self.meter.log(texts.into_iter().flatten().map(String::len).sum())?;
        let problem = Problem {
            severity: severity(finding.severity),
            path: String::new(),
            message: untrusted::lines(&finding.message),
            hint: finding.hint.as_deref().map(untrusted::lines),
            place: finding.place.map(place),
        };
        let finding = Finding { rule: untrusted::label(&finding.rule), problem };
        if finding.problem.severity == Severity::Error {
            self.draft.errors.push(finding.clone());
        }
        SURROUNDINGS.with(|surroundings| surroundings.world.found(&finding));
        Ok(())
    }

    fn offers(&mut self, offer: report::Offer) -> wasmtime::Result<()> {
        let texts = [Some(&offer.name), Some(&offer.description), offer.value.as_ref()];
        self.meter.log(texts.into_iter().flatten().map(String::len).sum())?;
        let offer = Offer {
            kind: match offer.kind {
                report::Offering::Target => Offering::Target,
                report::Offering::Argument => Offering::Argument,
                report::Offering::Secret => Offering::Secret,
                report::Offering::Ssh => Offering::Ssh,
            },
            name: untrusted::label(&offer.name),
            description: untrusted::label(&offer.description),
            value: offer.value.as_deref().map(untrusted::line),
            required: offer.required,
            place: offer.place.map(place),
        };
        SURROUNDINGS.with(|surroundings| surroundings.world.offers(&offer));
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

fn place(place: report::Place) -> TextPlace {
    TextPlace { source: untrusted::line(&place.source), line: place.line, column: place.column, length: place.length }
}
