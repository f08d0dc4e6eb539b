// SPDX-License-Identifier: Apache-2.0
//! `RUN`: as a step of who knows the command, as a `run` step, or as it is.

use serde_json::{Map, Value};
use wythe_sdk::{Commanded, Verdict, recognise};

use super::steps::{is_root, only};
use super::{Item, Makes, Walk, What};
use crate::fault::Fault;
use crate::plan::stage::Config;
use crate::text::heredoc::{self, Heredoc};
use crate::text::instruction::{Command, Instruction};
use crate::text::{mount, shell};

/// Returns a command as text, for those who look through it.
pub(super) fn text_of(command: &Command, heredocs: &[Heredoc]) -> String {
    match command {
        Command::Shell(text) => heredoc::appended(text, heredocs),
        Command::Exec(argv) => argv.join(" "),
    }
}

impl<'p> Walk<'_, 'p> {
    pub(super) fn run_step(
        &mut self,
        one: &'p Instruction,
        command: &Command,
        heredocs: &[Heredoc],
    ) -> Result<Item<'p>, Fault> {
        let mut near = None;
        if heredocs.is_empty()
            && let Command::Shell(text) = command
            && let Some(commanded) = self.commanded(one, text)
        {
            match recognise::recognise(&commanded) {
                Verdict::Step { kind, options } => {
                    let mut options = options.as_object().cloned().unwrap_or_default();
                    self.add_env(&mut options);
                    let mut item = self.item(What::Known(kind, options), Some(one), one.place.line);
                    // The directory may be one of those that a package has, with attributes of its own.
                    item.makes = Makes::Otherwise;
                    return Ok(item);
                }
                Verdict::Near(why) => near = Some(why),
                Verdict::Other => {}
            }
        }
        let mut item = match self.plain(one, command, heredocs) {
            Ok(options) => self.step_of(one, "run", options),
            Err(why) => self.keep(one, why),
        };
        let is_roots = self.known.user && is_root(&self.work.config.user);
        item.makes = if is_roots { Makes::Workdir } else { Makes::Otherwise };
        if let Some(why) = near {
            let before = item.note.take().map(|note| format!("{note}; ")).unwrap_or_default();
            item.note = Some(format!("{before}stays a command: {why}"));
        }
        Ok(item)
    }

    /// Returns a command as recognisers get it; none where they are not asked.
    fn commanded(&self, one: &Instruction, text: &str) -> Option<Commanded> {
        let known = self.known;
        let is_asked = !self.wish.exact
            && known.env
            && is_root(&self.work.config.user)
            && self.work.config.shell() == Config::default().shell();
        let is_usual = one.flags.iter().all(|flag| match flag.name {
            "mount" => true,
            "network" => matches!(flag.value.as_deref(), Some("default" | "host")),
            _ => false,
        });
        if !is_asked || !is_usual {
            return None;
        }
        let mut caches = Vec::new();
        for flag in one.flags_of("mount") {
            let value = flag.value.as_deref().unwrap_or_default();
            let names = ["type", "target", "id", "sharing"];
            let is_plain = mount::cut(value).iter().all(|field| {
                let name = field.split_once('=').map_or(field.as_str(), |(name, _)| name).to_ascii_lowercase();
                names.contains(&mount::canonical(&name))
            });
            let target =
                mount::field(value, "target").filter(|target| target.starts_with('/') && !target.contains('$'));
            if mount::field(value, "type").as_deref() != Some("cache") || !is_plain {
                return None;
            }
            caches.push(target?.trim_end_matches('/').to_owned());
        }
        Some(Commanded {
            text: text.to_owned(),
            programs: shell::programs(text).unwrap_or_default(),
            workdir: self.work.config.workdir().to_owned(),
            env: self.work.scope.env.iter().cloned().chain(self.arguments()).collect(),
            caches,
            copied: self.copied.clone(),
            earlier: self.earlier.clone(),
        })
    }

    /// Returns the arguments that a command has in its environment.
    fn arguments(&self) -> Vec<(String, String)> {
        let declared = self.work.scope.for_command(&self.planner.given());
        // Proxies that nobody declares are the machine's affair.
        declared.into_iter().filter(|(name, _)| self.work.scope.args.contains_key(name)).collect()
    }

    fn add_env(&self, options: &mut Map<String, Value>) {
        let env = self.arguments();
        if !env.is_empty() {
            let env: Map<String, Value> = env.into_iter().map(|(name, value)| (name, value.into())).collect();
            options.insert("env".to_owned(), env.into());
        }
    }

    /// Returns the options of a `run` step, or why it is none.
    fn plain(
        &self,
        one: &Instruction,
        command: &Command,
        heredocs: &[Heredoc],
    ) -> Result<Map<String, Value>, &'static str> {
        let Command::Shell(text) = command else { return Err("the kind `run` runs commands in a shell") };
        if one.flags_of("mount").next().is_some() {
            return Err("no core kind has mounts as `--mount` writes them");
        }
        if one.flag("device").is_some() {
            return Err("the kind `run` asks for no device");
        }
        if !self.known.env && !self.arguments().is_empty() {
            return Err("a variable of the image below may win over an argument");
        }
        let mut options = match heredocs {
            [] => only("commands", vec![shell::tidy(text)]),
            [alone] if text.trim() == alone.word => {
                let content = alone.content();
                if content.starts_with("#!") || content.is_empty() {
                    return Err("its script is a program of its own");
                }
                only("script", content)
            }
            _ => only("script", heredoc::appended(text, heredocs) + "\n"),
        };
        self.add_env(&mut options);
        if one.flag("network").and_then(|flag| flag.value.as_deref()) == Some("none") {
            options.insert("network".to_owned(), "none".into());
        }
        if one.flag("security").and_then(|flag| flag.value.as_deref()) == Some("insecure") {
            options.insert("security".to_owned(), "insecure".into());
        }
        Ok(options)
    }
}
