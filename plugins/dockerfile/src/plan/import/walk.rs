// SPDX-License-Identifier: Apache-2.0
//! The walk over the instructions: each becomes an item, and tells something of the image.

use super::{Item, Makes, Walk, What, run};
use crate::fault::Fault;
use crate::plan::stage::Work;
use crate::text::instruction::{Action, Assignment, Instruction};

impl<'p> Walk<'_, 'p> {
    /// Goes through a stage; what stands up to `border` is part of the base.
    pub(super) fn stage(&mut self, index: usize, border: Option<usize>) -> Result<(), Fault> {
        let planner = self.planner;
        let stage = &planner.file.stages[index];
        if index != self.work.index {
            self.pending.extend(self.raw.comments_above(stage.place.line));
            self.work.index = index;
            self.work.config.has_own_cmd = false;
        }
        for (number, one) in stage.instructions.iter().enumerate() {
            // What variables of an image hold that is not there makes no mistake of what uses them.
            let is_unsure = !self.known.env && self.raw_of(one).contains('$');
            let plan = |work: &mut Work| match planner.instruction(work, one) {
                Err(_) if is_unsure => Ok(()),
                planned => planned,
            };
            if border.is_some_and(|last| number <= last) {
                plan(&mut self.work)?;
                self.learn(one, None);
                self.remember(one);
                continue;
            }
            self.pending.extend(self.raw.comments_above(one.place.line));
            let found = match self.translated(one) {
                Err(_) if is_unsure => Ok(Some(self.keep(one, "it depends on the image below"))),
                found => found,
            };
            plan(&mut self.work)?;
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
            Action::Arg(pairs) => self.has_floating_argument |= pairs.iter().any(|pair| self.floats(pair)),
            Action::Env { pairs, .. } if pairs.iter().any(|pair| pair.name.text.contains('$')) => self.own.clear(),
            Action::Env { pairs, .. } => {
                let is_sure = matches!(item.map(|item| &item.what), Some(What::Pairs(..)));
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

    /// Notes an instruction of a stage that the base is made of.
    pub(super) fn recall(&mut self, one: &Instruction) {
        if let Action::Arg(pairs) = &one.action {
            self.has_floating_argument |= pairs.iter().any(|pair| self.floats(pair));
        }
        self.remember(one);
    }

    /// Whether the value of an argument would have to be written out, and depends on a variable of the image.
    fn floats(&self, pair: &Assignment) -> bool {
        let value = pair.value.as_deref().unwrap_or_default();
        let is_given = self.planner.given().get(&pair.name.text).is_some();
        !is_given && value.contains('$') && !matches!(self.surely(value, pair.name.place), Ok(Some(_)))
    }

    pub(super) fn item(&mut self, what: What, one: Option<&'p Instruction>, line: u32) -> Item<'p> {
        let mut comment = std::mem::take(&mut self.pending);
        if let (Some(one), false) = (one, matches!(what, What::Kept)) {
            comment.extend(self.raw.comments_in(one));
        }
        let said = self.raw.said(line);
        // One that the image has set after it is no argument any more.
        let scope = &self.work.scope;
        let args = scope.args.iter().filter(|(name, _)| scope.is_argument(name));
        let args = args.map(|(name, value)| (name.clone(), value.clone())).collect();
        Item { what, one, comment, line, said, note: None, args, makes: Makes::Nothing }
    }

    /// Notes a command that stays one.
    pub(super) fn remember(&mut self, one: &Instruction) {
        if let Action::Run { command, heredocs } = &one.action {
            self.earlier.push(run::text_of(command, heredocs));
        }
    }

    fn push(&mut self, item: Item<'p>) {
        match (&item.what, item.one.map(|one| &one.action)) {
            (What::Kept | What::Step(..), Some(Action::Run { .. })) => {
                self.copied.clear();
                item.one.into_iter().for_each(|one| self.remember(one));
            }
            (What::Kept, Some(Action::Copy { .. } | Action::Add { .. } | Action::Workdir(_))) => self.copied.clear(),
            _ => {}
        }
        self.items.push(item);
    }
}
