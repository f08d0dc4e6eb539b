// SPDX-License-Identifier: Apache-2.0
//! What each instruction becomes.

use serde_json::{Map, Value};
use wythe_sdk::Translated;

use super::{Item, Makes, Walk, What};
use crate::fault::Fault;
use crate::plan::{paths, ports};
use crate::text::instruction::{Action, Assignment, Command, Instruction, Text};

/// Returns options of one member.
pub(super) fn only(name: &str, value: impl Into<Value>) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.into())])
}

/// Whether a user is root, whose directories are those that everybody makes on the way.
pub(super) fn is_root(user: &str) -> bool {
    let (user, group) = user.split_once(':').unwrap_or((user, "0"));
    ["", "0", "root"].contains(&user) && ["0", "root"].contains(&group)
}

const ON_THE_IMAGE: &str = "its value depends on a variable of the image below";

impl<'p> Walk<'_, 'p> {
    /// Returns what an instruction becomes; none where nothing.
    pub(super) fn translated(&mut self, one: &'p Instruction) -> Result<Option<Item<'p>>, Fault> {
        let item = match &one.action {
            Action::Arg(_) => return Ok(None),
            Action::Maintainer(_) => {
                self.pending.push(format!("`{}` has no effect and is left out.", self.raw.said(one.place.line)));
                return Ok(None);
            }
            Action::From { .. } => unreachable!("a stage begins with its only `FROM`"),
            Action::Env { pairs, .. } => self.pairs_step(one, "env", pairs)?,
            Action::Label { pairs, .. } => self.pairs_step(one, "label", pairs)?,
            Action::Run { command, heredocs } => self.run_step(one, command, heredocs)?,
            Action::Copy { sources, dest, heredocs } => self.copy_step(one, sources, dest, heredocs)?,
            Action::Cmd(command) => match self.argv_surely(command) {
                Some(argv) => self.step_of(one, "cmd", only("argv", argv)),
                None => self.keep(one, "the shell that would run it is that of the image below"),
            },
            Action::Entrypoint(command) => return Ok(Some(self.entrypoint(one, command))),
            Action::Shell(argv) => self.step_of(one, "shell", only("argv", argv.clone())),
            Action::User(text) => match self.surely_text(text)? {
                Some(user) => self.step_of(one, "user", only("user", user)),
                None => self.keep(one, ON_THE_IMAGE),
            },
            Action::Workdir(text) => self.workdir_step(one, text)?,
            Action::Expose(texts) => self.expose_step(one, texts)?,
            Action::Add { .. } => self.keep(one, "`ADD` fetches and unpacks, and no core kind does"),
            Action::Volume(_) => self.keep(one, "no other kind declares volumes of containers"),
            Action::StopSignal(_) => self.keep(one, "no other kind sets a stop signal"),
            Action::Healthcheck(_) => self.keep(one, "no other kind sets a health check"),
            Action::Onbuild { .. } => self.keep(one, "no other kind sets a trigger"),
        };
        Ok(Some(item))
    }

    pub(super) fn step_of(
        &mut self,
        one: &'p Instruction,
        kind: &'static str,
        options: Map<String, Value>,
    ) -> Item<'p> {
        self.item(What::Step(kind, options), Some(one), one.place.line)
    }

    /// Leaves an instruction as it is, and says why. What may make files is not taken for something that makes none.
    pub(super) fn keep(&mut self, one: &'p Instruction, why: &str) -> Item<'p> {
        let mut item = self.item(What::Kept, Some(one), one.place.line);
        item.makes = match &one.action {
            Action::Run { .. } | Action::Copy { .. } | Action::Add { .. } | Action::Workdir(_) => Makes::Otherwise,
            _ => Makes::Nothing,
        };
        item.note = Some(format!("stays an instruction: {why}"));
        item
    }

    fn pairs_step(
        &mut self,
        one: &'p Instruction,
        kind: &'static str,
        pairs: &[Assignment],
    ) -> Result<Item<'p>, Fault> {
        let mut list = Vec::new();
        for pair in pairs {
            let place = pair.name.place;
            let name = if pair.name.text.contains('$') { None } else { self.surely_text(&pair.name)? };
            let value = self.surely(pair.value.as_deref().unwrap_or_default(), place)?;
            let (Some(name), Some(value)) = (name, value) else { return Ok(self.keep(one, ON_THE_IMAGE)) };
            list.push((name, value));
        }
        Ok(self.item(What::Pairs(kind, list), Some(one), one.place.line))
    }

    /// Returns the words of a command; none where its shell is not known.
    fn argv_surely(&self, command: &Command) -> Option<Vec<String>> {
        match command {
            Command::Exec(argv) => Some(argv.clone()),
            Command::Shell(text) => {
                self.known.shell.then(|| self.work.config.shell().into_iter().chain([text.clone()]).collect())
            }
        }
    }

    /// The kind `entrypoint` clears the command, and the instruction leaves one that this file has set.
    fn entrypoint(&mut self, one: &'p Instruction, command: &Command) -> Item<'p> {
        let Some(argv) = self.argv_surely(command) else {
            return self.keep(one, "the shell that would run it is that of the image below");
        };
        let item = self.step_of(one, "entrypoint", only("argv", argv));
        if !self.work.config.has_own_cmd {
            return item;
        }
        let is_cmd = |item: &Item<'_>| item.one.is_some_and(|one| matches!(one.action, Action::Cmd(_)));
        let cmd = match self.items.iter().rposition(is_cmd) {
            Some(place) => self.items.remove(place),
            None => {
                let cmd = self.work.config.cmd.clone();
                let mut cmd = self.item(What::Step("cmd", only("argv", cmd)), None, one.place.line);
                cmd.note = Some("the command of the base, which the kind `entrypoint` clears".to_owned());
                cmd
            }
        };
        self.items.push(item);
        cmd
    }

    fn workdir_step(&mut self, one: &'p Instruction, text: &Text) -> Result<Item<'p>, Fault> {
        let path = self.surely_text(text)?.filter(|path| self.known.workdir || path.starts_with('/'));
        let is_roots = self.known.user && is_root(&self.work.config.user);
        Ok(match path {
            None => self.keep(one, "it depends on the image below"),
            Some(_) if !is_roots => self.keep(one, "it makes its directory for the image's user"),
            Some(path) => {
                let path = paths::clean(&paths::absolute(self.work.config.workdir(), &path));
                self.item(What::Workdir(path), Some(one), one.place.line)
            }
        })
    }

    fn expose_step(&mut self, one: &'p Instruction, texts: &[Text]) -> Result<Item<'p>, Fault> {
        let mut list: Vec<Value> = Vec::new();
        for text in texts {
            let Some(words) = self.surely_words(text)? else { return Ok(self.keep(one, ON_THE_IMAGE)) };
            for word in words {
                for port in ports::read(&word).map_err(|what| Fault::new(text.place, what))? {
                    let number = port.strip_suffix("/tcp").and_then(|number| number.parse::<u16>().ok());
                    let port = number.map_or_else(|| port.into(), Value::from);
                    if !list.contains(&port) {
                        list.push(port);
                    }
                }
            }
        }
        match list.is_empty() {
            true => Ok(self.keep(one, "it names no port")),
            false => Ok(self.step_of(one, "expose", only("ports", list))),
        }
    }
}

/// Makes steps of pairs, all like the first one: as many as keep the order, since the members of a table are set in the order
/// of their names.
pub(super) fn in_order(pairs: Vec<(String, String)>, first: Translated) -> Vec<Translated> {
    let mut tables: Vec<Map<String, Value>> = Vec::new();
    let mut last: Option<String> = None;
    for (name, value) in pairs {
        // The order of labels is of no effect, but for two of one name.
        let goes_on = match first.kind.as_str() {
            "label" => tables.last().is_some_and(|table| !table.contains_key(&name)),
            _ => last.as_ref().is_some_and(|last| *last < name),
        };
        if !goes_on {
            tables.push(Map::new());
        }
        if let Some(table) = tables.last_mut() {
            table.insert(name.clone(), value.into());
        }
        last = Some(name);
    }
    let step = |(number, table): (usize, Map<String, Value>)| Translated {
        options: Value::Object(only("set", table)),
        comment: if number == 0 { first.comment.clone() } else { Vec::new() },
        note: if number == 0 { first.note.clone() } else { None },
        ..first.clone()
    };
    tables.into_iter().enumerate().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::is_root;

    #[test]
    fn root_has_several_names() {
        assert!(["", "0", "root", "0:0", "root:root", "root:0"].iter().all(|user| is_root(user)));
        assert!(!["app", "1", "root:app", "0:1", ":1"].iter().any(|user| is_root(user)));
    }
}
