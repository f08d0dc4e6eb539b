// SPDX-License-Identifier: Apache-2.0
//! From a file to a definition that builds the same image.
//!
//! ```text
//! stages ──chain──► FROM … FROM stage … target ──walk──► base and steps
//! ```
//!
//! The stages that the target stands on, one on the other, are one chain of instructions. Each becomes a step of a core kind
//! where that has certainly the same effect; a command that another plugin knows becomes that plugin's step; everything else
//! stays what it is, as a step of this kind. Where stages copy from each other, what is above the last such instruction is the
//! base, as text. Every instruction is planned on the way, so that what could not be built is not translated either.

mod base;
mod copy;
mod finish;
mod raw;
mod run;
mod steps;
mod surely;
mod walk;

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use wythe_sdk::{State, Translation, Wish};

use super::stage::Work;
use super::{Planner, references};
use crate::Options;
use crate::fault::Fault;
use crate::pins::Downloads;
use crate::source::Source;
use crate::text::instruction::{Action, Instruction};
use crate::text::stages::Dockerfile;
use raw::Raw;

/// The kind that instructions stay in.
const KIND: &str = "dockerfile";

/// Why a file stays whole.
const OWN_IGNORE_FILE: &str = "all of the file stays as it is: it has an ignore file of its own name, which steps do not \
    read, and which should leave out this definition and its lock";
const ARGUMENT_OF_THE_IMAGE: &str =
    "all of the file stays as it is: the value of an argument depends on a variable of the image below";
const TRIGGERS_OF_A_STAGE: &str =
    "all of the file stays as it is: an instruction on a stage that sets triggers would follow them";

/// Turns a file into a definition.
///
/// # Errors
///
/// What is wrong with the file, and where.
pub(crate) fn translate(
    file: &Dockerfile,
    source: &Source,
    options: &Options,
    wish: &Wish,
) -> Result<Translation, Fault> {
    let (base, downloads) = (State::scratch(), Downloads::guessed());
    let target = super::target(file, options)?;
    let planner = Planner { stands_in: true, ..Planner::new(file, source, &base, options, &downloads, target)? };
    let chain = planner.chain(target)?;
    let border = planner.border(&chain);
    let first = border.map_or(chain[0], |(stage, _)| stage);
    if file.stages[first].from.is_none() {
        let fault = Fault::new(file.stages[first].place, "there is no `FROM`, and a definition begins with a base");
        return Err(fault.hint("write `FROM image` above it"));
    }
    for index in references::needed(file, options, &planner.globals, target)? {
        // What is not part of the chain stays text, and is to be as right as the rest.
        if index < first
            && let Err(fault) = planner.ensure(index)
            && planner.missing.borrow().is_empty()
        {
            return Err(fault);
        }
    }
    let mut walk = Walk::begin(&planner, Raw::of(&source.text), wish, first)?;
    if walk.ignores_otherwise() && walk.needs_ignore_file(target) {
        return Ok(walk.whole(OWN_IGNORE_FILE));
    }
    let sets_triggers =
        |index: &usize| file.stages[*index].instructions.iter().any(|one| matches!(one.action, Action::Onbuild { .. }));
    let is_in_text = border.is_some_and(|(stage, _)| sets_triggers(&stage));
    if is_in_text || chain[..chain.len() - 1].iter().any(sets_triggers) {
        return Ok(walk.whole(TRIGGERS_OF_A_STAGE));
    }
    let base = match border {
        Some((_, last)) => walk.base_of_text(first, last)?,
        None => walk.base_of_image(first)?,
    };
    let (below, chain): (Vec<usize>, Vec<usize>) = chain.into_iter().partition(|index| *index < first);
    below.iter().flat_map(|index| &file.stages[*index].instructions).for_each(|one| walk.recall(one));
    for index in chain {
        walk.stage(index, border.filter(|(stage, _)| *stage == index).map(|(_, last)| last))?;
    }
    if walk.has_floating_argument {
        return Ok(walk.whole(ARGUMENT_OF_THE_IMAGE));
    }
    Ok(walk.finish(base, target))
}

impl Planner<'_> {
    /// Returns the stages that stand on each other up to the target, the lowest first.
    fn chain(&self, target: usize) -> Result<Vec<usize>, Fault> {
        let mut chain = vec![target];
        let mut index = target;
        while self.file.stages[index].from.is_some() {
            let name = references::base_name(self.file, &self.globals, index)?;
            let Some(below) = self.stage_named(&name, index, false) else { break };
            chain.push(below);
            index = below;
        }
        chain.reverse();
        Ok(chain)
    }

    /// Returns the last instruction of a chain that takes something from another stage: its stage, and its place in it.
    fn border(&self, chain: &[usize]) -> Option<(usize, usize)> {
        let takes =
            |one: &Instruction, index: usize| !references::taken_from(self.file, self.options, one, index).is_empty();
        chain.iter().rev().find_map(|&index| {
            let instructions = &self.file.stages[index].instructions;
            instructions.iter().rposition(|one| takes(one, index)).map(|last| (index, last))
        })
    }
}

/// What is known of the image so far without having it.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Its environment.
    env: bool,
    user: bool,
    workdir: bool,
    shell: bool,
}

/// What an instruction becomes.
#[derive(Debug)]
enum What {
    /// A step.
    Step(&'static str, Map<String, Value>),
    /// A step that sets names to values, in this order.
    Pairs(&'static str, Vec<(String, String)>),
    /// A step of a plugin that knows the command.
    Known(String, Map<String, Value>),
    /// A working directory; whether its directory is made by what follows is not decided.
    Workdir(String),
    /// The instruction itself.
    Kept,
}

/// An instruction on its way.
#[derive(Debug)]
struct Item<'a> {
    what: What,
    one: Option<&'a Instruction>,
    comment: Vec<String>,
    line: u32,
    said: String,
    note: Option<String>,
    /// Arguments that stand where the instruction does, with their values.
    args: Vec<(String, Option<String>)>,
    /// Directories that come into being as a working directory would, and those that come otherwise.
    makes: Makes,
}

/// Whether an instruction makes a working directory that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Makes {
    /// It makes no directory that could be asked about.
    Nothing,
    /// The directory that it runs in: of root, with the usual mode.
    Workdir,
    /// Files below this directory, which is made as a working directory would be.
    Below(String),
    /// It may make the directory in another way.
    Otherwise,
}

/// The chain, instruction by instruction.
struct Walk<'a, 'p> {
    planner: &'p Planner<'a>,
    raw: Raw<'p>,
    wish: &'p Wish,
    work: Work,
    known: Known,
    /// Variables of the image that this file has set, and whose values follow from it alone.
    own: BTreeSet<String>,
    /// Whether an argument was declared whose value depends on a variable of the image.
    has_floating_argument: bool,
    items: Vec<Item<'p>>,
    /// Comments that belong to what comes next.
    pending: Vec<String>,
    /// Files of the context that are in the image as they are.
    copied: Vec<(String, String)>,
    /// Commands that stay commands.
    earlier: Vec<String>,
}
