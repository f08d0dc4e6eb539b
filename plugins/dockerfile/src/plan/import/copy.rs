// SPDX-License-Identifier: Apache-2.0
//! `COPY`: files of the context as `files` steps.

use serde_json::{Map, Value};
use wythe_sdk::{build, recognise};

use super::steps::only;
use super::surely::rebased;
use super::{Item, Makes, Walk, What};
use crate::fault::Fault;
use crate::plan::ignore::{context_path, leaves_out};
use crate::plan::paths;
use crate::text::heredoc::Heredoc;
use crate::text::instruction::{Instruction, Text};

impl<'p> Walk<'_, 'p> {
    /// Returns what a copy becomes; of one with several sources the last step, after the others have been added.
    pub(super) fn copy_step(
        &mut self,
        one: &'p Instruction,
        sources: &[Text],
        dest: &Text,
        heredocs: &[Heredoc],
    ) -> Result<Item<'p>, Fault> {
        if !heredocs.is_empty() {
            return Ok(self.keep(one, "no core kind writes a file that stands in the definition"));
        }
        if one.flag("from").is_some() {
            return Ok(self.keep(one, "the kind `files` copies from the build context only"));
        }
        if let Some(flag) = one.flags.iter().find(|flag| !["chown", "chmod", "link"].contains(&flag.name)) {
            let why = format!("the kind `files` has nothing for `--{}`", flag.name);
            return Ok(self.keep(one, &why));
        }
        let Some(brush) = self.brush(one)? else {
            return Ok(self.keep(one, "its owner or mode is none that the kind `files` takes"));
        };
        let to = self.surely_text(dest)?.filter(|to| self.known.workdir || to.starts_with('/'));
        let Some(to) = to else { return Ok(self.keep(one, "its destination depends on the image below")) };
        let to = paths::absolute(self.work.config.workdir(), &to);
        let mut steps = Vec::new();
        for source in sources {
            match self.source(source, &to, &brush)? {
                Ok(step) => steps.push(step),
                Err(why) => return Ok(self.keep(one, why)),
            }
        }
        let mut last = None;
        for Copied { options, makes, is_at } in steps {
            self.items.extend(last.take());
            let mut item = self.item(What::Step("files", options), Some(one), one.place.line);
            item.makes = if brush.is_empty() { makes } else { Makes::Otherwise };
            self.copied.push(is_at);
            last = Some(item);
        }
        Ok(last.unwrap_or_else(|| unreachable!("a copy has a source")))
    }

    /// Returns owner and mode as options; none where they cannot be.
    fn brush(&self, one: &Instruction) -> Result<Option<Map<String, Value>>, Fault> {
        let mut options = Map::new();
        for (flag, option) in [("chown", "owner"), ("chmod", "mode")] {
            let Some(flag) = one.flag(flag) else { continue };
            let Some(value) = self.surely(flag.value.as_deref().unwrap_or_default(), flag.place)? else {
                return Ok(None);
            };
            let is_octal = (3..=4).contains(&value.len()) && value.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
            if option == "mode" && !is_octal {
                return Ok(None);
            }
            options.insert(option.to_owned(), value.into());
        }
        Ok(Some(options))
    }

    /// Returns the step of one source, or why there is none.
    fn source(
        &self,
        source: &Text,
        to: &str,
        brush: &Map<String, Value>,
    ) -> Result<Result<Copied, &'static str>, Fault> {
        let Some(path) = self.surely_text(source)? else { return Ok(Err("its source depends on the image below")) };
        if path.contains(['*', '?', '[', '\\']) {
            return Ok(Err("the kind `files` takes no patterns as source"));
        }
        // What leads out of the context is refused by planning.
        let inside = paths::in_context(&path).unwrap_or_default();
        let place = paths::clean(&context_path(self.planner.options, &inside));
        let place = if place.is_empty() { ".".to_owned() } else { place };
        if place != "." && (!build::exists(&place) || recognise::is_link(&place)) {
            return Ok(Err("its source is a link, or not there"));
        }
        let is_file = place != "." && build::glob(&place) == [place.clone()];
        let rules = &self.planner.ignore;
        let mut exclude: Vec<String> = match is_file {
            true if rules.iter().any(|rule| rule.contains('[')) || leaves_out(rules, &place) => {
                return Ok(Err("an ignore file may leave its source out"));
            }
            true => Vec::new(),
            false => match rebased(rules, &place) {
                Some(rules) => rules,
                None => return Ok(Err("rules of the ignore file cannot be said of this directory alone")),
            },
        };
        if place == "." {
            exclude.extend(self.added().into_iter().cloned());
        }
        let mut options = only("from", place.clone());
        options.insert("to".to_owned(), to.into());
        options.extend(brush.clone());
        if !exclude.is_empty() {
            options.insert("exclude".to_owned(), exclude.into());
        }
        let (directory, name) = (to.ends_with('/'), place.rsplit('/').next().unwrap_or_default());
        let at = if is_file && directory { format!("{to}{name}") } else { paths::clean(to) };
        let above = at.rsplit_once('/').map_or("", |(above, _)| above);
        // The directory that a directory's content goes into may get the attributes of that.
        let makes = match is_file {
            true => Makes::Below(if above.is_empty() { "/".to_owned() } else { above.to_owned() }),
            false => Makes::Otherwise,
        };
        Ok(Ok(Copied { options, makes, is_at: (at, place) }))
    }
}

/// A source that is a step.
struct Copied {
    options: Map<String, Value>,
    makes: Makes,
    /// Where it is in the image, and in the context.
    is_at: (String, String),
}
