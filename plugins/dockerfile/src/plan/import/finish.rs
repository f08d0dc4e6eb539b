// SPDX-License-Identifier: Apache-2.0
//! How a translation ends: items become steps, once it is known which working directories something makes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use wythe_sdk::{Translated, Translation};

use super::steps::{in_order, only};
use super::{Item, KIND, Makes, Walk, What};
use crate::text::instruction::{Action, Instruction};

impl Walk<'_, '_> {
    /// Ends the walk.
    pub(super) fn finish(mut self, base: Translated, target: usize) -> Translation {
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
        Translation { base, steps, closing }
    }

    /// Returns the items that are working directories which something makes later, as the instruction would have.
    fn workdirs_that_are_made(&self) -> BTreeSet<usize> {
        let mut made: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
        let mut found = BTreeSet::new();
        for (number, item) in self.items.iter().enumerate() {
            let What::Workdir(path) = &item.what else { continue };
            let is_there = made.iter().any(|known| is_in(known, path));
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
            What::Pairs(kind, pairs) => {
                let first = Translated { kind: kind.to_owned(), options: Value::Null, comment, line, said, note };
                return in_order(pairs, first);
            }
            What::Step(kind, options) => (kind.to_owned(), options, note),
            What::Known(kind, options) => (kind, options, note),
            What::Workdir(path) if is_made => ("workdir".to_owned(), only("path", path), note),
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
        let is_instruction = |one: &&Value| !one.as_str().is_some_and(|text| text.starts_with("# escape="));
        commands.extend(more.iter().filter(is_instruction).cloned());
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
            (_, Makes::Below(directory)) => is_in(directory, path).then_some(true),
            (_, Makes::Otherwise) => Some(false),
        }
    }
}

/// Whether a directory is another one, or below it.
fn is_in(directory: &str, other: &str) -> bool {
    directory.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
