// SPDX-License-Identifier: Apache-2.0
//! How a translation begins: on an image, on the text of the file up to an instruction, or on all of it.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value, json};
use wythe_sdk::{Translated, Translation, Wish};

use super::raw::Raw;
use super::steps::only;
use super::{KIND, Known, OWN_IGNORE_FILE, Walk, What};
use crate::fault::Fault;
use crate::plan::stage::{Config, Work};
use crate::plan::{Planner, references};

impl<'a, 'p> Walk<'a, 'p> {
    /// Stands on what a stage stands on.
    pub(super) fn begin(planner: &'p Planner<'a>, raw: Raw<'p>, wish: &'p Wish, first: usize) -> Result<Self, Fault> {
        let below = planner.from(first)?;
        let name = references::base_name(planner.file, &planner.globals, first)?;
        let is_there = !planner.missing.borrow().contains(&name)
            && planner.stage_named(&name, first, false).is_none_or(|_| planner.missing.borrow().is_empty());
        let known = Known { env: is_there, user: is_there, workdir: is_there, shell: is_there };
        let scope = below.scope();
        let own = if name == "scratch" { BTreeSet::from(["PATH".to_owned()]) } else { BTreeSet::new() };
        let config = Config { has_own_cmd: false, ..below.config.clone() };
        let escape = planner.file.directives.escape;
        let (state, part, warnings) = (Rc::clone(&below.state), String::new(), Vec::new());
        let place = planner.source.place(planner.file.stages[first].place);
        let work = Work { index: first, state, config, scope, escape, part, place, warnings };
        let (items, pending, copied, earlier) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let has_floating_argument = false;
        Ok(Self { planner, raw, wish, work, known, own, has_floating_argument, items, pending, copied, earlier })
    }

    /// Keeps the whole file.
    pub(super) fn whole(mut self, why: &str) -> Translation {
        // Comments are part of the text.
        self.pending.clear();
        let given = self.planner.options;
        let mut options = match given.path.as_ref().filter(|_| why == OWN_IGNORE_FILE) {
            Some(path) => only("path", path.clone()),
            None => only("text", self.text_up_to(u32::MAX)),
        };
        options.extend(given.target.clone().map(|target| ("target".to_owned(), target.into())));
        let base = self.base(1, KIND, options, Some(why.to_owned()));
        Translation { base, steps: Vec::new(), closing: Vec::new() }
    }

    /// Begins with the text of the file up to an instruction.
    pub(super) fn base_of_text(&mut self, stage: usize, last: usize) -> Result<Translated, Fault> {
        let instruction = &self.planner.file.stages[stage].instructions[last];
        let text = self.text_up_to(instruction.last);
        let note = "stages that copy from each other stay as they are: a definition has one chain of steps";
        let line = self.planner.file.stages[stage].place.line;
        let base = self.base(line, KIND, only("text", text), Some(note.to_owned()));
        self.planner.triggers(&mut self.work)?;
        Ok(base)
    }

    /// Begins with an image.
    pub(super) fn base_of_image(&mut self, first: usize) -> Result<Translated, Fault> {
        let stage = &self.planner.file.stages[first];
        let name = references::base_name(self.planner.file, &self.planner.globals, first)?;
        let line = stage.place.line;
        self.pending = self.raw.comments_above(line);
        if let Some(platform) = self.planner.platform_of(first)? {
            // That of the machine is not written down: it is another one elsewhere.
            let said = stage.platform.as_ref().and_then(|flag| flag.value.as_deref()).unwrap_or_default();
            let platform = if ["$BUILDPLATFORM", "${BUILDPLATFORM}"].contains(&said) { said } else { &platform };
            let text = format!("FROM --platform={platform} {name}\n");
            let note = "it is for another platform than the image, which only an instruction says";
            let base = self.base(line, KIND, only("text", text), Some(note.to_owned()));
            self.planner.triggers(&mut self.work)?;
            return Ok(base);
        }
        if name == "scratch" {
            let base = self.base(line, "scratch", Map::new(), None);
            let path = self.work.scope.env.first().map_or("", |(_, value)| value.as_str());
            let pairs = vec![("PATH".to_owned(), path.to_owned())];
            let mut item = self.item(What::Pairs("env", pairs), None, line);
            item.note = Some("a stage on `scratch` has a `PATH`, and the base `scratch` has none".to_owned());
            self.items.push(item);
            return Ok(base);
        }
        let has_triggers = !self.work.config.on_build.is_empty();
        if self.known.env && !has_triggers {
            return Ok(self.base(line, "image", only("reference", name), None));
        }
        let note = match has_triggers {
            true => format!("`{name}` has triggers (`ONBUILD`), which only an instruction follows"),
            false => format!(
                "`{name}` is not in the store, so its user, shell, directory and triggers are not known: what depends on \
                 them stays as it is"
            ),
        };
        let base = self.base(line, KIND, only("text", format!("FROM {name}\n")), Some(note));
        self.planner.triggers(&mut self.work)?;
        Ok(base)
    }

    fn base(&mut self, line: u32, kind: &str, mut options: Map<String, Value>, note: Option<String>) -> Translated {
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
        Translated { kind, options, comment, line, said, note }
    }
}
