// SPDX-License-Identifier: Apache-2.0
//! How the operations of a step differ from those that it had.

use std::collections::BTreeSet;

use serde_json::Value;
use wythe_plan::Word;

use super::part::Part;
use crate::why::Reason;
use crate::why::past::{OpPast, StepPast};

/// How the operations of two sides differ, apart from what they stand on.
#[derive(Debug, Default)]
pub(super) struct Effects<'a> {
    /// What the plan does.
    pub(super) plan: bool,
    pub(super) parts: Vec<(Part, Option<String>, Option<String>)>,
    /// Inputs of the build context: the operation before and now, and the name.
    pub(super) inputs: Vec<(&'a OpPast, &'a OpPast, &'a str)>,
    epoch: Option<(u64, u64)>,
    platform: Option<(&'a str, &'a str)>,
    format: bool,
}

impl<'a> Effects<'a> {
    pub(super) fn of(then: &'a [OpPast], now: &'a [OpPast]) -> Self {
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
            let [was, is] = [was, is].map(|side| side.words.get(word).map(Word::value));
            self.add_word(word, was.as_ref(), is.as_ref());
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

    pub(super) fn surroundings(&self, is: &StepPast, then: &StepPast) -> Vec<Reason> {
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
