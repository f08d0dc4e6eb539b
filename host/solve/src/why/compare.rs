// SPDX-License-Identifier: Apache-2.0
//! A step now and the same step then: what differs in its own words, files, lock and surroundings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wythe_image::Digest;
use wythe_plan::Fact;

use super::json::{differences, lock_changes};
use super::past::{FactPast, OpPast, StepNow, StepPast};
use super::tree::Manifest;
use super::{FileChange, Reason, lines};
use crate::world::is_no_such_file;

/// Files that are named one by one.
const MOST_FILES: usize = 4;

/// Differences of a lock that are listed.
const MOST_CHANGES: usize = 200;

/// What a comparison may look at beside the two sides.
pub(super) trait Beside {
    /// Returns a kept list of files.
    fn manifest(&self, digest: &Digest) -> Option<Manifest>;

    /// Returns the step whose configuration has `new` in place of `old`, where the image so far does have them.
    fn setter(&self, part: &Part, old: Option<&str>, new: Option<&str>) -> Option<String>;
}

/// A part of the image's configuration that operations take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Variable(String),
    User,
    WorkingDirectory,
    Shell,
}

/// How the operations of two sides differ, apart from what they stand on.
#[derive(Debug, Default)]
struct Effects<'a> {
    /// What the plan does.
    plan: bool,
    parts: Vec<(Part, Option<String>, Option<String>)>,
    /// Inputs of the build context: the operation before and now, and the name.
    inputs: Vec<(&'a OpPast, &'a OpPast, &'a str)>,
    epoch: Option<(u64, u64)>,
    platform: Option<(&'a str, &'a str)>,
    format: bool,
}

/// Returns the step's own reasons: all that differ, apart from what the step stands on.
pub(super) fn own_reasons(now: &StepNow, then: &StepPast, beside: &dyn Beside) -> Vec<Reason> {
    let is = &now.past;
    if is.said.kind != then.said.kind {
        return vec![Reason::Kind { old: then.said.kind.clone(), new: is.said.kind.clone() }];
    }
    let mut effects = Effects::of(&then.operations, &is.operations);
    let options = differences(&then.said.options, &is.said.options);
    let mut reasons = Vec::new();
    // What the definition itself says of a part explains it; else the image so far does; else the plan.
    let mut said_parts = BTreeSet::new();
    let mut configured = Vec::new();
    for (part, old, new) in std::mem::take(&mut effects.parts) {
        let name = part.option();
        if options.iter().any(|found| found.path == name || found.path.starts_with(&format!("{name}["))) {
            said_parts.insert(name);
        } else if let Some(step) = beside.setter(&part, old.as_deref(), new.as_deref()) {
            configured.push(part.reason(old, new, step));
        } else {
            effects.plan = true;
        }
    }
    for found in options {
        let is_env = found.path.starts_with("env.");
        let is_part = said_parts.iter().any(|name| found.path == *name || found.path.starts_with(&format!("{name}[")));
        if is_part || (effects.plan && !is_env) {
            reasons.push(Reason::Option { name: found.path, old: found.old, new: found.new });
        }
    }
    reasons.extend(file_reasons(&effects, is, then, beside));
    reasons.extend(configured);
    if effects.plan {
        reasons.extend(is.facts.iter().filter_map(|(fact, answer)| argument(fact, answer, then.fact(fact)?)));
        if let (Some(old), Some(new)) = (then.plugin, is.plugin)
            && old != new
        {
            let (old, new) = (old.to_string(), new.to_string());
            reasons.push(Reason::Plugin { kind: is.said.kind.clone(), old, new });
        }
        reasons.extend(lock_reason(then.lock.as_ref(), is.lock.as_ref()));
    }
    reasons.extend(effects.surroundings(is, then));
    reasons
}

/// Says what the plan does, where nothing else explains a difference.
pub(super) fn fallback(now: &[OpPast], then: &[OpPast]) -> Reason {
    let told =
        |operations: &[OpPast], at: usize| operations.get(at).map_or_else(String::new, |found| found.text.clone());
    let differs = |at: &usize| now.get(*at).map(|found| &found.words) != then.get(*at).map(|found| &found.words);
    let at = (0..now.len().max(then.len())).find(differs).unwrap_or(0);
    let (mut old, mut new) = (told(then, at), told(now, at));
    if old == new
        && let (Some(was), Some(is)) = (then.get(at), now.get(at))
    {
        let word = was.words.keys().chain(is.words.keys()).find(|word| was.words.get(*word) != is.words.get(*word));
        let text =
            |side: &OpPast| word.and_then(|word| side.words.get(word)).map_or_else(String::new, Value::to_string);
        (old, new) = (text(was), text(is));
    }
    Reason::Operation { old, new }
}

fn file_reasons(effects: &Effects<'_>, is: &StepPast, then: &StepPast, beside: &dyn Beside) -> Vec<Reason> {
    let mut changes: BTreeMap<String, Vec<FileChange>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (was, now, name) in &effects.inputs {
        let list = |side: &OpPast| beside.manifest(side.trees.get(*name)?);
        let (Some(old), Some(new)) = (list(was), list(now)) else {
            let input = name.split_once("context ").map_or(*name, |(_, input)| input).to_owned();
            unknown.push(Reason::UnknownFiles { input });
            continue;
        };
        // Where other files are asked for, which ones come and go is the option's doing.
        let is_asked_anew = was.words.get("actions") != now.words.get("actions");
        for (path, change) in old.changes(&new) {
            if !(is_asked_anew && matches!(change, FileChange::Added | FileChange::Removed)) {
                let known = changes.entry(path).or_default();
                if !known.contains(&change) {
                    known.push(change);
                }
            }
        }
    }
    if effects.plan {
        for (fact, answer) in &is.facts {
            for (path, change) in then.fact(fact).map_or_else(Vec::new, |was| fact_changes(fact, was, answer)) {
                changes.entry(path).or_insert_with(|| vec![change]);
            }
        }
    }
    let all: Vec<Reason> = changes
        .into_iter()
        .flat_map(|(path, changes)| changes.into_iter().map(move |change| Reason::File { path: path.clone(), change }))
        .collect();
    let more = all.len().saturating_sub(MOST_FILES);
    let rest = (more > 0).then_some(Reason::MoreFiles { count: more });
    all.into_iter().take(MOST_FILES).chain(rest).chain(unknown).collect()
}

/// Returns what became of the files that a plan asked about.
fn fact_changes(fact: &Fact, was: &FactPast, is: &FactPast) -> Vec<(String, FileChange)> {
    if was.digest == is.digest {
        return Vec::new();
    }
    match fact {
        Fact::ContextRead(path) if is_no_such_file(&was.digest) => vec![(path.clone(), FileChange::Added)],
        Fact::ContextRead(path) if is_no_such_file(&is.digest) => vec![(path.clone(), FileChange::Removed)],
        Fact::ContextRead(path) => {
            let change = match (&was.text, &is.text) {
                (Some(old), Some(new)) => lines::change(old, new),
                _ => FileChange::Unknown,
            };
            vec![(path.clone(), change)]
        }
        Fact::ContextExists(path) => {
            let came = is.text.as_deref() == Some("true");
            vec![(path.clone(), if came { FileChange::Added } else { FileChange::Removed })]
        }
        Fact::ContextGlob(pattern) => {
            let (Some(old), Some(new)) = (&was.text, &is.text) else {
                return vec![(pattern.clone(), FileChange::Unknown)];
            };
            let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
            let came = new.difference(&old).map(|path| ((*path).to_owned(), FileChange::Added));
            let went = old.difference(&new).map(|path| ((*path).to_owned(), FileChange::Removed));
            came.chain(went).collect()
        }
        _ => Vec::new(),
    }
}

fn argument(fact: &Fact, is: &FactPast, was: &FactPast) -> Option<Reason> {
    let text = |side: &FactPast| side.text.clone().unwrap_or_default();
    match fact {
        Fact::Arg(name) if was.digest != is.digest => {
            Some(Reason::Argument { name: name.clone(), old: text(was), new: text(is) })
        }
        Fact::Image(_) if was.digest != is.digest => Some(Reason::Image { old: text(was), new: text(is) }),
        _ => None,
    }
}

fn lock_reason(was: Option<&Value>, is: Option<&Value>) -> Option<Reason> {
    if was == is {
        return None;
    }
    let mut changes = lock_changes(was, is);
    let more = changes.len().saturating_sub(MOST_CHANGES);
    changes.truncate(MOST_CHANGES);
    Some(Reason::Lock { changes, more })
}

impl<'a> Effects<'a> {
    fn of(then: &'a [OpPast], now: &'a [OpPast]) -> Self {
        let mut effects = Self { plan: then.len() != now.len(), ..Self::default() };
        for (was, is) in then.iter().zip(now).filter(|(was, is)| was.key != is.key) {
            effects.add(was, is);
        }
        effects
    }

    fn add(&mut self, was: &'a OpPast, is: &'a OpPast) {
        self.format |= was.format != is.format;
        if was.source_date_epoch != is.source_date_epoch {
            self.epoch = Some((was.source_date_epoch, is.source_date_epoch));
        }
        if was.platform != is.platform {
            self.platform = Some((&was.platform, &is.platform));
        }
        let words: BTreeSet<&String> = was.words.keys().chain(is.words.keys()).collect();
        for word in words.into_iter().filter(|word| was.words.get(*word) != is.words.get(*word)) {
            self.add_word(word, was.words.get(word), is.words.get(word));
        }
        let names: BTreeSet<&String> = was.inputs.keys().chain(is.inputs.keys()).collect();
        for name in names.into_iter().filter(|name| was.inputs.get(*name) != is.inputs.get(*name)) {
            let is_in_both = was.inputs.contains_key(name) && is.inputs.contains_key(name);
            match is_in_both && is_of_context(name) {
                true => self.inputs.push((was, is, name)),
                false => self.plan = true,
            }
        }
        self.plan |= was.operation != is.operation;
    }

    fn add_word(&mut self, word: &str, was: Option<&Value>, is: Option<&Value>) {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        match word {
            "env" => self.add_variables(was, is),
            "user" => self.add_part(Part::User, text(was), text(is)),
            "workdir" => self.add_part(Part::WorkingDirectory, text(was), text(is)),
            "argv" if is_another_shell(was, is) => self.add_part(Part::Shell, shell_of(was), shell_of(is)),
            _ => self.plan = true,
        }
    }

    fn add_variables(&mut self, was: Option<&Value>, is: Option<&Value>) {
        let empty = serde_json::Map::new();
        let map = |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned().unwrap_or(empty.clone());
        let (was, is) = (map(was), map(is));
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for name in names.into_iter().filter(|name| was.get(*name) != is.get(*name)) {
            // It follows the time that the build pretends, which is told by itself.
            if name == "SOURCE_DATE_EPOCH" {
                continue;
            }
            let text =
                |side: &serde_json::Map<String, Value>| side.get(name).and_then(Value::as_str).map(str::to_owned);
            self.add_part(Part::Variable(name.clone()), text(&was), text(&is));
        }
    }

    fn add_part(&mut self, part: Part, old: Option<String>, new: Option<String>) {
        if !self.parts.iter().any(|(known, ..)| *known == part) {
            self.parts.push((part, old, new));
        }
    }

    fn surroundings(&self, is: &StepPast, then: &StepPast) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let Some((old, new)) = self.epoch {
            reasons.push(match then.builder == is.builder {
                true => Reason::Time { old, new },
                false => Reason::Builder { old: then.builder.clone(), new: is.builder.clone() },
            });
        }
        if let Some((old, new)) = self.platform {
            reasons.push(Reason::Platform { old: old.to_owned(), new: new.to_owned() });
        }
        if self.format {
            reasons.push(Reason::KeyFormat);
        }
        reasons
    }
}

/// Inputs are named `context PATH` where they are mounted and `N context PATTERNS` where they are copied.
fn is_of_context(name: &str) -> bool {
    name.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with("context ")
}

/// Whether only what stands before the script differs.
fn is_another_shell(was: Option<&Value>, is: Option<&Value>) -> bool {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let (was, is) = (list(was), list(is));
    was.len() > 1 && is.len() > 1 && was.last() == is.last()
}

fn shell_of(argv: Option<&Value>) -> Option<String> {
    let argv = argv?.as_array()?;
    let words: Vec<&str> = argv[..argv.len() - 1].iter().filter_map(Value::as_str).collect();
    Some(words.join(" "))
}

impl Part {
    /// The option of a step that says the same for this step alone.
    fn option(&self) -> String {
        match self {
            Self::Variable(name) => format!("env.{name}"),
            Self::User => "user".to_owned(),
            Self::WorkingDirectory => "workdir".to_owned(),
            Self::Shell => "shell".to_owned(),
        }
    }

    fn reason(&self, old: Option<String>, new: Option<String>, step: String) -> Reason {
        let part = match self {
            Self::Variable(name) => return Reason::Environment { name: name.clone(), old, new, step: Some(step) },
            Self::User => "user",
            Self::WorkingDirectory => "working directory",
            Self::Shell => "shell",
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        Reason::Configuration { part: part.to_owned(), old, new, step: Some(step) }
    }
}

#[cfg(test)]
mod tests;
