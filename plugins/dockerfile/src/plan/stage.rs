// SPDX-License-Identifier: Apache-2.0
//! One stage: from what it stands on to its last instruction.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::Deserialize;
use wythe_sdk::{State, report};

use super::Planner;
use super::scope::{Scope, undefined};
use crate::fault::Fault;
use crate::text::instruction::{Action, Instruction};
use crate::text::{lines, parse};

/// A state and what is known of its configuration.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub(super) state: Rc<State>,
    pub(super) config: Config,
    /// The arguments that a stage has at its end, with their values: stages on top of it have them, too.
    pub(super) args: BTreeMap<String, Option<String>>,
    /// Those of them that stand before the environment of the image.
    pub(super) over: BTreeSet<String>,
}

impl Built {
    /// Returns an image, which has no arguments.
    pub(super) fn of_image(state: State, config: Config) -> Self {
        Self { state: Rc::new(state), config, args: BTreeMap::new(), over: BTreeSet::new() }
    }

    /// Returns the variables of a stage on top of this.
    pub(super) fn scope(&self) -> Scope {
        let pairs = self.config.env.iter().map(|pair| match pair.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (pair.clone(), String::new()),
        });
        Scope::new(pairs.collect(), self.args.clone(), self.over.clone())
    }
}

/// What instructions look at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Config {
    pub(super) env: Vec<String>,
    pub(super) working_dir: String,
    pub(super) user: String,
    pub(super) shell: Vec<String>,
    pub(super) cmd: Vec<String>,
    pub(super) on_build: Vec<String>,
    /// Whether the stage itself has set the command.
    #[serde(skip)]
    pub(super) has_own_cmd: bool,
}

impl Config {
    pub(super) fn workdir(&self) -> &str {
        if self.working_dir.is_empty() { "/" } else { &self.working_dir }
    }

    /// Returns the program that scripts run in.
    pub(super) fn shell(&self) -> Vec<String> {
        if self.shell.is_empty() { ["/bin/sh", "-c"].map(str::to_owned).to_vec() } else { self.shell.clone() }
    }
}

/// A stage under construction.
pub(super) struct Work {
    /// The place of the stage in the file: what stands before it can be named.
    pub(super) index: usize,
    pub(super) state: Rc<State>,
    pub(super) config: Config,
    pub(super) scope: Scope,
    pub(super) escape: char,
    /// What the stage is called, or its number.
    pub(super) part: String,
    /// Where the instruction stands that is planned.
    pub(super) place: report::Place,
    /// What should be looked at.
    pub(super) warnings: Vec<Fault>,
}

impl Work {
    /// Goes on from a new state.
    pub(super) fn step(&mut self, state: State) {
        self.state = Rc::new(state);
    }
}

impl Planner<'_> {
    /// Plans a stage.
    pub(super) fn stage(&self, index: usize) -> Result<Built, Fault> {
        let below = self.from(index)?;
        let scope = below.scope();
        let escape = self.file.directives.escape;
        let config = Config { has_own_cmd: false, ..below.config.clone() };
        let name = self.file.stages[index].name.as_ref();
        let part = name.map_or_else(|| index.to_string(), |name| name.text.clone());
        let (state, warnings) = (Rc::clone(&below.state), Vec::new());
        let place = self.source.place(self.file.stages[index].place);
        let mut work = Work { index, state, config, scope, escape, part, place, warnings };
        self.triggers(&mut work)?;
        for one in &self.file.stages[index].instructions {
            let done = self.instruction(&mut work, one);
            self.warnings.borrow_mut().append(&mut work.warnings);
            done?;
        }
        work.config.env = work.scope.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(Built { state: work.state, config: work.config, args: work.scope.args, over: work.scope.over })
    }

    /// Follows the triggers of the image below, as if they stood at the beginning of the stage.
    pub(super) fn triggers(&self, work: &mut Work) -> Result<(), Fault> {
        let triggers = std::mem::take(&mut work.config.on_build);
        if triggers.is_empty() {
            return Ok(());
        }
        let place = self.file.stages[work.index].place;
        work.step(work.state.without_onbuild());
        for trigger in triggers {
            let wrong = |fault: Fault| {
                if fault.is_secret {
                    return fault;
                }
                let hint = fault.hint;
                let fault = Fault::new(
                    place,
                    format!("trigger `{}` of the image below: {}", first_line(&trigger), fault.message),
                );
                hint.iter().fold(fault, |fault, hint| fault.hint(hint))
            };
            // A trigger is written with the escape of the file that it comes from, and that is the usual one.
            let file = lines::read(&trigger).map_err(wrong)?;
            for line in &file.lines {
                let mut one = parse::instruction(line, '\\').map_err(wrong)?;
                if matches!(one.action, Action::From { .. } | Action::Onbuild { .. } | Action::Maintainer(_)) {
                    return Err(wrong(Fault::new(place, format!("`{}` cannot be a trigger", one.name))));
                }
                one.place = place;
                self.instruction(work, &one).map_err(wrong)?;
            }
        }
        Ok(())
    }

    pub(super) fn instruction(&self, work: &mut Work, one: &Instruction) -> Result<(), Fault> {
        work.place = self.source.place(one.place);
        let done = match &one.action {
            Action::Arg(assignments) => work.scope.declare(assignments, &self.globals, &self.given(), work.escape),
            Action::Run { command, heredocs } => self.run(work, one, command, heredocs),
            Action::Copy { sources, dest, heredocs } | Action::Add { sources, dest, heredocs } => {
                self.copy(work, one, sources, dest, heredocs)
            }
            Action::From { .. } => unreachable!("a stage begins with its only `FROM`"),
            action => work.configure(one, action),
        };
        done?;
        let unset = undefined(one, &work.scope);
        work.warnings.extend(unset);
        Ok(())
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
