// SPDX-License-Identifier: Apache-2.0
//! A running plugin as the host sees it: what it may do, what it has said so far, and why it ended.

use std::sync::Arc;

use wythe_plan::{Fact, FactAnswer, PlanError, Severity};

use crate::clock::Moment;
use crate::draft::Draft;
use crate::meter::{Ended, Meter};
use crate::surroundings::{SURROUNDINGS, Surroundings};
use crate::{Limits, untrusted};

/// How much of what a plugin wrote to its standard error is kept for the message about its end.
const LAST_WORDS: usize = 2048;

/// Which of its functions a plugin is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `plan`: facts only.
    Plan,
    /// `resolve`: fetches and probes too.
    Resolve,
    /// `packages`: facts of a finished image only.
    Packages,
    /// `translate`: facts, and what recognisers say.
    Translate,
    /// `recognise`: facts only.
    Recognise,
}

impl Phase {
    /// What the plugin is doing, to follow "while".
    fn doing(self) -> &'static str {
        match self {
            Self::Plan => "planning",
            Self::Resolve => "resolving",
            Self::Packages => "listing packages",
            Self::Translate => "translating",
            Self::Recognise => "looking at a command",
        }
    }
}

/// The state of one call; lives in the store of wasmtime.
#[derive(Debug)]
pub(crate) struct Guest {
    pub plugin: Arc<str>,
    pub phase: Phase,
    /// Hosts that it was granted.
    pub hosts: Arc<[String]>,
    pub draft: Draft,
    pub meter: Meter,
    /// Where it panicked and what it said, by its own account.
    pub panicked: Option<String>,
    last_words: String,
    ended: Option<PlanError>,
}

impl Guest {
    pub(crate) fn new(plugin: Arc<str>, hosts: Arc<[String]>, phase: Phase, limits: Arc<Limits>) -> Self {
        Self {
            plugin,
            phase,
            hosts,
            draft: Draft::new(),
            meter: Meter::new(limits),
            panicked: None,
            last_words: String::new(),
            ended: None,
        }
    }

    /// Ends the guest with an error that reaches the caller of the planner as it is.
    pub(crate) fn end(&mut self, error: PlanError) -> wasmtime::Error {
        self.ended.get_or_insert(error);
        Ended.into()
    }

    /// Ends the guest because it broke the contract of the interface; `what` follows its name.
    pub(crate) fn break_off(&mut self, what: impl Into<String>) -> wasmtime::Error {
        let plugin = self.plugin.to_string();
        self.end(PlanError::Broken { plugin, what: what.into(), frames: Vec::new() })
    }

    /// Ends the guest where a call was given something impossible.
    pub(crate) fn demand<T>(&mut self, call: &str, checked: Result<T, String>) -> wasmtime::Result<T> {
        checked.map_err(|why| self.break_off(format!("called `{call}` with {why}")))
    }

    /// Ends the guest where a power is used outside of resolving.
    pub(crate) fn demand_resolving(&mut self, call: &str) -> wasmtime::Result<()> {
        if self.phase == Phase::Resolve {
            return Ok(());
        }
        Err(self.break_off(format!("called `{call}` while {}; only `resolve` may", self.phase.doing())))
    }

    /// Ends the guest where a power is used outside of translating.
    pub(crate) fn demand_translating(&mut self, call: &str) -> wasmtime::Result<()> {
        if self.phase == Phase::Translate {
            return Ok(());
        }
        Err(self.break_off(format!("called `{call}` while {}; only `translate` may", self.phase.doing())))
    }

    /// Asks the world a question and charges the answer.
    pub(crate) fn fact(&mut self, fact: &Fact) -> wasmtime::Result<FactAnswer> {
        if self.phase == Phase::Packages && !is_of_an_image(fact) {
            let doing = self.phase.doing();
            return Err(self.break_off(format!("asked about the build while {doing}, when there is none")));
        }
        self.ask(|surroundings| surroundings.world.fact(fact))
    }

    /// Asks for a fact that is text, as the host's own answers are.
    pub(crate) fn text_fact(&mut self, fact: &Fact) -> wasmtime::Result<Result<String, String>> {
        match self.fact(fact)? {
            Err(why) => Ok(Err(why)),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(Ok(text)),
                Err(_) => Err(self.end(PlanError::World(format!("the answer to {fact:?} is not UTF-8")))),
            },
        }
    }

    /// Asks for a fact that always has an answer.
    pub(crate) fn sure_fact(&mut self, fact: &Fact) -> wasmtime::Result<String> {
        self.text_fact(fact)?.map_err(|why| self.end(PlanError::World(why)))
    }

    /// Waits for the world, and charges its answer.
    pub(crate) fn ask(
        &mut self,
        question: impl FnOnce(Surroundings<'_>) -> Result<FactAnswer, PlanError>,
    ) -> wasmtime::Result<FactAnswer> {
        let answer = self.wait(question).map_err(|error| self.end(error))?;
        self.meter.answer(answer.as_ref().map_or_else(String::len, Vec::len))?;
        Ok(answer)
    }

    /// Waits for an answer that is not the guest's own doing: its clock stands still meanwhile.
    pub(crate) fn wait<T>(
        &mut self,
        question: impl FnOnce(Surroundings<'_>) -> Result<T, PlanError>,
    ) -> Result<T, PlanError> {
        let before = Moment::now();
        let answer = SURROUNDINGS.with(question);
        self.meter.leave_out(before.elapsed());
        answer
    }

    /// Passes lines on to the person, made harmless for a terminal.
    pub(crate) fn log(&mut self, severity: Severity, message: &str) -> wasmtime::Result<()> {
        self.meter.log(message.len())?;
        let lines: Vec<String> = message.lines().map(untrusted::line).filter(|line| !line.trim().is_empty()).collect();
        SURROUNDINGS.with(|surroundings| lines.iter().for_each(|line| surroundings.world.log(severity, line)));
        Ok(())
    }

    /// Takes what the guest wrote to an output stream: into the log, and its end for the message about its own.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        self.last_words.push_str(&text);
        if self.last_words.len() > LAST_WORDS {
            let cut = self.last_words.ceil_char_boundary(self.last_words.len() - LAST_WORDS);
            self.last_words.drain(..cut);
        }
        self.meter.take(bytes.len())?;
        self.log(Severity::Note, &text)
    }

    /// Why the host ended it, where it did.
    pub(crate) fn verdict(&mut self) -> Option<PlanError> {
        let plugin = self.plugin.to_string();
        let excess = self.meter.excess().map(|what| PlanError::Broken { plugin, what, frames: Vec::new() });
        self.ended.take().or(excess)
    }

    /// What it said last: its panic, or what it wrote to its standard error.
    pub(crate) fn said(&self) -> Option<String> {
        let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with("note: run with");
        let written = || self.last_words.lines().filter(is_said).map(untrusted::line).collect::<Vec<_>>().join(" ");
        self.panicked.clone().or_else(|| Some(written()).filter(|words| !words.is_empty()))
    }
}

/// Whether a fact is one of a finished image, and not of a build.
fn is_of_an_image(fact: &Fact) -> bool {
    match fact {
        Fact::Platform
        | Fact::BaseConfig
        | Fact::BaseRead(_)
        | Fact::BaseExists(_)
        | Fact::BaseWhich(_)
        | Fact::BaseGlob(_) => true,
        Fact::BuilderVersion
        | Fact::MachinePlatform
        | Fact::SourceDateEpoch
        | Fact::Arg(_)
        | Fact::ContextRead(_)
        | Fact::ContextExists(_)
        | Fact::ContextGlob(_)
        | Fact::Image(_)
        | Fact::ImageConfig(_) => false,
    }
}
