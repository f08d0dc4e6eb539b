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

mod copy;
mod raw;
mod run;
mod steps;
mod surely;

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value, json};
use wythe_sdk::{State, Translated, Translation, Wish};

use super::stage::{Config, Work};
use super::{Planner, references};
use crate::Options;
use crate::fault::Fault;
use crate::pins::Downloads;
use crate::source::Source;
use crate::text::instruction::{Action, Instruction};
use crate::text::mount;
use crate::text::stages::Dockerfile;
use raw::Raw;

/// The kind that instructions stay in.
const KIND: &str = "dockerfile";

/// Why a file stays whole.
const OWN_IGNORE_FILE: &str = "all of the file stays as it is: it has an ignore file of its own name, which steps do not \
    read, and which should leave out this definition and its lock";
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
    if walk.ignores_otherwise() && walk.needs_ignore_file(&chain) {
        return Ok(walk.whole(OWN_IGNORE_FILE));
    }
    let sets_triggers =
        |index: &usize| file.stages[*index].instructions.iter().any(|one| matches!(one.action, Action::Onbuild { .. }));
    let is_in_text = border.is_some_and(|(stage, _)| sets_triggers(&stage));
    if is_in_text || chain[..chain.len() - 1].iter().any(sets_triggers) {
        return Ok(walk.whole(TRIGGERS_OF_A_STAGE));
    }
    match border {
        Some((_, last)) => walk.base_of_text(first, last)?,
        None => walk.base_of_image(first)?,
    }
    for index in chain.into_iter().filter(|index| *index >= first) {
        walk.stage(index, border.filter(|(stage, _)| *stage == index).map(|(_, last)| last))?;
    }
    Ok(walk.finish(target))
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
        let names_stage = |index: usize, one: &Instruction| match &one.action {
            Action::Copy { .. } | Action::Add { .. } => {
                let from = one.flag("from").and_then(|flag| flag.value.as_deref());
                from.is_some_and(|name| self.stage_named(name, index, true).is_some())
            }
            Action::Run { .. } => one.flags_of("mount").any(|flag| {
                let from = mount::field(flag.value.as_deref().unwrap_or_default(), "from");
                from.is_some_and(|name| self.stage_named(&name, index, true).is_some())
            }),
            _ => false,
        };
        chain.iter().rev().find_map(|&index| {
            let instructions = &self.file.stages[index].instructions;
            instructions.iter().rposition(|one| names_stage(index, one)).map(|last| (index, last))
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
    base: Option<Translated>,
    items: Vec<Item<'p>>,
    /// Comments that belong to what comes next.
    pending: Vec<String>,
    /// Files of the context that are in the image as they are.
    copied: Vec<(String, String)>,
    /// Commands that stay commands.
    earlier: Vec<String>,
}

impl<'a, 'p> Walk<'a, 'p> {
    /// Stands on what a stage stands on.
    fn begin(planner: &'p Planner<'a>, raw: Raw<'p>, wish: &'p Wish, first: usize) -> Result<Self, Fault> {
        let below = planner.from(first)?;
        let name = references::base_name(planner.file, &planner.globals, first)?;
        let is_there = !planner.missing.borrow().contains(&name)
            && planner.stage_named(&name, first, false).is_none_or(|_| planner.missing.borrow().is_empty());
        let known = Known { env: is_there, user: is_there, workdir: is_there, shell: is_there };
        let scope = below.config.scope();
        let own = if name == "scratch" { BTreeSet::from(["PATH".to_owned()]) } else { BTreeSet::new() };
        let config = Config { has_own_cmd: false, ..below.config.clone() };
        let escape = planner.file.directives.escape;
        let (state, part, warnings) = (Rc::clone(&below.state), String::new(), Vec::new());
        let place = planner.source.place(planner.file.stages[first].place);
        let work = Work { index: first, state, config, scope, escape, part, place, warnings };
        let (base, items, pending, copied, earlier) = (None, Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { planner, raw, wish, work, known, own, base, items, pending, copied, earlier })
    }

    /// Keeps the whole file.
    fn whole(mut self, why: &str) -> Translation {
        let mut options = Map::new();
        let given = self.planner.options;
        match given.path.as_ref().filter(|_| why == OWN_IGNORE_FILE) {
            Some(path) => options.insert("path".to_owned(), path.clone().into()),
            None => options.insert("text".to_owned(), self.text_up_to(u32::MAX).into()),
        };
        for (name, value) in [("context", &given.context), ("target", &given.target)] {
            options.extend(value.clone().map(|value| (name.to_owned(), value.into())));
        }
        self.set_base(1, KIND, options, Some(why.to_owned()));
        let base = self.base.take().unwrap_or_else(|| unreachable!("it was just set"));
        Translation { base, steps: Vec::new(), closing: Vec::new() }
    }

    /// Begins with the text of the file up to an instruction.
    fn base_of_text(&mut self, stage: usize, last: usize) -> Result<(), Fault> {
        let instruction = &self.planner.file.stages[stage].instructions[last];
        let text = self.text_up_to(instruction.last);
        let note = "stages that copy from each other stay as they are: a definition has one chain of steps";
        let options = Map::from_iter([("text".to_owned(), text.into())]);
        self.set_base(self.planner.file.stages[stage].place.line, KIND, options, Some(note.to_owned()));
        self.planner.triggers(&mut self.work)
    }

    /// Begins with an image.
    fn base_of_image(&mut self, first: usize) -> Result<(), Fault> {
        let stage = &self.planner.file.stages[first];
        let name = references::base_name(self.planner.file, &self.planner.globals, first)?;
        let line = stage.place.line;
        self.pending = self.raw.comments_above(line);
        if name == "scratch" {
            self.set_base(line, "scratch", Map::new(), None);
            let path = self.work.scope.env.first().map_or("", |(_, value)| value.as_str());
            let set = json!({ "PATH": path });
            let mut item = self.item(What::Step("env", Map::from_iter([("set".to_owned(), set)])), None, line);
            item.note = Some("a stage on `scratch` has a `PATH`, and the base `scratch` has none".to_owned());
            self.items.push(item);
            return Ok(());
        }
        let has_triggers = !self.work.config.on_build.is_empty();
        if self.known.env && !has_triggers {
            let options = Map::from_iter([("reference".to_owned(), name.into())]);
            self.set_base(line, "image", options, None);
            return Ok(());
        }
        let note = match has_triggers {
            true => format!("`{name}` has triggers (`ONBUILD`), which only an instruction follows"),
            false => format!(
                "`{name}` is not in the store, so its user, shell, directory and triggers are not known: what depends on \
                 them stays as it is"
            ),
        };
        let options = Map::from_iter([("text".to_owned(), format!("FROM {name}\n").into())]);
        self.set_base(line, KIND, options, Some(note));
        self.planner.triggers(&mut self.work)
    }

    fn set_base(&mut self, line: u32, kind: &str, mut options: Map<String, Value>, note: Option<String>) {
        if kind == KIND && !self.planner.options.args.is_empty() {
            options.insert("args".to_owned(), json!(self.planner.options.args));
        }
        if let (KIND, Some(context)) = (kind, &self.planner.options.context) {
            options.insert("context".to_owned(), context.clone().into());
        }
        let said = match kind == KIND && options.contains_key("path") {
            true => "the file".to_owned(),
            false => self.raw.said(line),
        };
        let comment = std::mem::take(&mut self.pending);
        let (kind, options) = (kind.to_owned(), Value::Object(options));
        self.base = Some(Translated { kind, options, comment, line, said, note });
    }

    /// Goes through a stage; what stands up to `border` is part of the base.
    fn stage(&mut self, index: usize, border: Option<usize>) -> Result<(), Fault> {
        let planner = self.planner;
        let stage = &planner.file.stages[index];
        if index != self.work.index {
            self.pending.extend(self.raw.comments_above(stage.place.line));
            self.work.index = index;
            self.work.scope.args.clear();
            self.work.config.has_own_cmd = false;
        }
        for (number, one) in stage.instructions.iter().enumerate() {
            // What variables of an image hold that is not there makes no mistake of what uses them.
            let is_unsure = !self.known.env && self.raw_of(one).contains('$');
            if border.is_some_and(|last| number <= last) {
                planner
                    .instruction(&mut self.work, one)
                    .or_else(|fault| if is_unsure { Ok(()) } else { Err(fault) })?;
                self.learn(one, None);
                continue;
            }
            self.pending.extend(self.raw.comments_above(one.place.line));
            let found = match self.translated(one) {
                Err(_) if is_unsure => Ok(Some(self.keep(one, "it depends on the image below"))),
                found => found,
            };
            planner.instruction(&mut self.work, one).or_else(|fault| if is_unsure { Ok(()) } else { Err(fault) })?;
            let found = found?;
            self.learn(one, found.as_ref());
            match found {
                Some(item) => self.push(item),
                None => self.pending.extend(self.raw.comments_in(one)),
            }
        }
        Ok(())
    }

    /// Notes what an instruction tells of the image.
    fn learn(&mut self, one: &Instruction, item: Option<&Item<'_>>) {
        match &one.action {
            Action::User(text) => self.known.user = self.known.env || !text.text.contains('$'),
            Action::Workdir(text) if !self.known.env && text.text.contains('$') => self.known.workdir = false,
            Action::Workdir(text) => self.known.workdir |= text.text.starts_with('/'),
            Action::Shell(_) => self.known.shell = true,
            Action::Env { pairs, .. } if pairs.iter().any(|pair| pair.name.text.contains('$')) => self.own.clear(),
            Action::Env { pairs, .. } => {
                let is_sure = matches!(item.map(|item| &item.what), Some(What::Step(..)));
                for pair in pairs {
                    match is_sure {
                        true => drop(self.own.insert(pair.name.text.clone())),
                        false => drop(self.own.remove(&pair.name.text)),
                    }
                }
            }
            _ => {}
        }
    }

    fn item(&mut self, what: What, one: Option<&'p Instruction>, line: u32) -> Item<'p> {
        let mut comment = std::mem::take(&mut self.pending);
        if let (Some(one), false) = (one, matches!(what, What::Kept)) {
            comment.extend(self.raw.comments_in(one));
        }
        let said = self.raw.said(line);
        let args = self.work.scope.args.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Item { what, one, comment, line, said, note: None, args, makes: Makes::Nothing }
    }

    fn push(&mut self, item: Item<'p>) {
        match (&item.what, item.one.map(|one| &one.action)) {
            (What::Kept | What::Step(..), Some(Action::Run { command, .. })) => {
                self.copied.clear();
                self.earlier.push(run::text_of(command));
            }
            (What::Kept, Some(Action::Copy { .. } | Action::Add { .. } | Action::Workdir(_))) => self.copied.clear(),
            _ => {}
        }
        self.items.push(item);
    }

    /// Ends the walk.
    fn finish(mut self, target: usize) -> Translation {
        let workdirs = self.workdirs_that_are_made();
        let items = std::mem::take(&mut self.items);
        let mut steps = Vec::new();
        // An instruction on an image with triggers would follow them, so they come together, and last.
        let mut triggers: Option<Translated> = None;
        for (number, item) in items.into_iter().enumerate() {
            let sets_trigger = item.one.is_some_and(|one| matches!(one.action, Action::Onbuild { .. }));
            let made = self.step(item, workdirs.contains(&number));
            match (sets_trigger, &mut triggers) {
                (false, _) => steps.extend(made),
                (true, None) => triggers = made.into_iter().next(),
                (true, Some(first)) => made.into_iter().for_each(|next| join(first, next)),
            }
        }
        steps.extend(triggers);
        let is_last = target + 1 == self.planner.file.stages.len();
        let mut closing = std::mem::take(&mut self.pending);
        if is_last {
            closing.extend(self.raw.comments_at_the_end());
        }
        let base = self.base.take().unwrap_or_else(|| unreachable!("a walk begins with a base"));
        Translation { base, steps, closing }
    }

    /// Returns the items that are working directories which something makes later, as the instruction would have.
    fn workdirs_that_are_made(&self) -> BTreeSet<usize> {
        let mut made: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
        let mut found = BTreeSet::new();
        for (number, item) in self.items.iter().enumerate() {
            let What::Workdir(path) = &item.what else { continue };
            let is_there = made.iter().any(|known| known == path || known.starts_with(&format!("{path}/")));
            if is_there || self.items[number + 1..].iter().find_map(|later| later.decides(path)) == Some(true) {
                found.insert(number);
            }
            made.insert(path.clone());
        }
        found
    }

    /// Makes steps of an item: several where an order has to be kept.
    fn step(&self, item: Item<'_>, is_made: bool) -> Vec<Translated> {
        let Item { what, one, comment, line, said, note, args, .. } = item;
        let (kind, options, note) = match what {
            What::Step(kind @ ("env" | "label"), options) => {
                return steps::in_order(
                    kind,
                    &options,
                    Translated { kind: kind.to_owned(), options: Value::Null, comment, line, said, note },
                );
            }
            What::Step(kind, options) => (kind.to_owned(), options, note),
            What::Known(kind, options) => (kind, options, note),
            What::Workdir(path) if is_made => {
                ("workdir".to_owned(), Map::from_iter([("path".to_owned(), path.into())]), note)
            }
            What::Workdir(_) => {
                let note = note.or_else(|| {
                    Some("`WORKDIR` makes its directory, which the kind `workdir` leaves to what runs there".to_owned())
                });
                (KIND.to_owned(), self.kept(one, &args), note)
            }
            What::Kept => (KIND.to_owned(), self.kept(one, &args), note),
        };
        vec![Translated { kind, options: Value::Object(options), comment, line, said, note }]
    }

    /// Returns the options of a step that is an instruction.
    fn kept(&self, one: Option<&Instruction>, args: &[(String, Option<String>)]) -> Map<String, Value> {
        let one = one.unwrap_or_else(|| unreachable!("what is kept is an instruction"));
        let text = self.raw_of(one);
        let mut commands = Vec::new();
        if self.work.escape != '\\' {
            commands.push(format!("# escape={}", self.work.escape));
        }
        let mut options = Map::new();
        if !args.is_empty() && (matches!(one.action, Action::Run { .. }) || text.contains('$')) {
            commands.push(format!("ARG {}", args.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")));
            let values = args.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?.into())));
            let values: Map<String, Value> = values.collect();
            if !values.is_empty() {
                options.insert("args".to_owned(), values.into());
            }
        }
        commands.push(text);
        options.insert("commands".to_owned(), commands.into());
        if let Some(context) = &self.planner.options.context {
            options.insert("context".to_owned(), context.clone().into());
        }
        options
    }
}

/// Adds the instructions of a step to another one.
fn join(first: &mut Translated, next: Translated) {
    first.comment.extend(next.comment);
    if let (Some(Value::Array(commands)), Some(more)) =
        (first.options.get_mut("commands"), next.options["commands"].as_array())
    {
        let is_escape = |one: &&Value| !one.as_str().is_some_and(|text| text.starts_with("# escape="));
        commands.extend(more.iter().filter(is_escape).cloned());
    }
}

impl Item<'_> {
    /// Returns whether this makes a working directory as `WORKDIR` would: none where it leaves that to what follows.
    fn decides(&self, path: &str) -> Option<bool> {
        match (&self.what, &self.makes) {
            // Somewhere else from here on; what was not made before is made by nobody.
            (What::Workdir(other), _) if other != path => Some(false),
            (_, Makes::Nothing) => None,
            (_, Makes::Workdir) => Some(true),
            (_, Makes::Below(directory)) => {
                let is_below = directory == path || directory.starts_with(&format!("{path}/"));
                is_below.then_some(true)
            }
            (_, Makes::Otherwise) => Some(false),
        }
    }
}
