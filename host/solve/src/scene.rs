// SPDX-License-Identifier: Apache-2.0
//! The place of a command: everything that it runs with, for a person who wants to look around there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::OnceCell;
use wythe_image::Image;
use wythe_plan::{Command, Label, Run, Vertex, VertexId};
use wythe_sandbox::{Ending, Stdio};
use wythe_snapshot::{Attributes, Editor};
use wythe_store::Active;
use wythe_sys::cancel::Cancel;

use crate::chain::{Chain, Turn};
use crate::disk::DiskWatch;
use crate::error::{BuildError, Cause};
use crate::operation::Operation;
use crate::run::Job;
use crate::state::StateFiles;
use crate::{StepId, snapshot};

/// Where the history of the shell is. Shells that keep one look in the variable `HISTFILE`.
const HISTORY: &str = "/run/wythe/history";

/// A command that has failed or would run next, and what it takes to be in its place.
///
/// Mounts, secrets and volumes are brought to hand anew when somebody enters: until then nothing is held that another
/// step may wait for.
pub struct Scene {
    chain: Arc<Chain>,
    turn: Arc<Turn>,
    run: Run,
    label: Label,
    states: BTreeMap<VertexId, Arc<Image>>,
    /// What the command had changed when it failed.
    wreck: Option<Active>,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("step", &self.turn.step).field("command", &self.command()).finish_non_exhaustive()
    }
}

/// What somebody brings who enters.
#[derive(Debug)]
pub struct Visit {
    /// The program to run there.
    pub argv: Vec<String>,
    /// The kind of the terminal, as the variable `TERM` has it.
    pub terminal: Option<String>,
    /// Ends the visit.
    pub cancel: Cancel,
}

impl Scene {
    pub(crate) fn of(operation: &Operation<'_>, run: &Run, wreck: Option<Active>) -> Box<Self> {
        Box::new(Self {
            chain: Arc::clone(operation.chain),
            turn: Arc::clone(operation.turn),
            run: run.clone(),
            label: operation.label.clone(),
            states: operation.states.clone(),
            wreck,
        })
    }

    /// Returns the step of the command.
    #[must_use]
    pub fn step(&self) -> &StepId {
        &self.turn.step
    }

    /// Returns the command as one would type it.
    #[must_use]
    pub fn command(&self) -> String {
        match &self.run.command {
            Command::Shell(script) => script.trim_end().to_owned(),
            Command::Argv(argv) => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }

    /// Whether the files are as the command left them when it failed; otherwise they are as it would find them.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.wreck.is_some()
    }

    /// Runs a program in the place of the command, at the terminal of this process. What it changes is thrown away; what it
    /// changes in caches and volumes stays, as it does when the command runs. It may take as long as it likes.
    ///
    /// # Errors
    ///
    /// Fails as the command would fail before it runs.
    pub async fn enter(&self, visit: &Visit) -> Result<Ending, BuildError> {
        let vertex = Vertex::Run(self.run.clone());
        let operation = Operation {
            chain: &self.chain,
            turn: &self.turn,
            vertex: &vertex,
            label: &self.label,
            states: self.states.clone(),
            serves_another: true,
            ration: OnceCell::new(),
        };
        let fail = |cause: Cause| BuildError::of(&self.turn.step, cause.placed(self.label.place()));
        let text = crate::operation::describe(&vertex, &self.label);
        let job = Job::prepare(&operation, &self.run, &text).await.map_err(fail)?;
        tokio::task::block_in_place(|| self.look_around(job, visit)).map_err(fail)
    }

    fn look_around(&self, mut job: Job, visit: &Visit) -> Result<Ending, Cause> {
        let engine = &self.chain.engine;
        let below = engine.views.files(job.on())?;
        let active = snapshot::begin(&engine.store, &below)?;
        self.write_history(&active, &below)?;
        job.dress(visit.argv.clone(), [("HISTFILE", Some(HISTORY)), ("TERM", visit.terminal.as_deref())]);
        let above = self.wreck.as_ref().map(Active::upper);
        let (mut request, _lent) = job.request(&active, &below, above)?;
        request.tuning.timeout = None;
        let disk = DiskWatch::begin(self.turn.ambient.limits.disk, &active, &engine.store, &visit.cancel);
        let disk = disk.map_err(Cause::doing("cannot watch what the step writes"))?;
        let outcome = engine.sandbox.run(&request, Stdio::Inherited, disk.cancel());
        let outcome = outcome.map_err(|source| Cause::Sandbox { command: visit.argv.join(" "), source })?;
        Ok(disk.verdict(outcome.ending))
    }

    fn write_history(&self, active: &Active, below: &StateFiles) -> Result<(), Cause> {
        let epoch = self.chain.pretence.source_date_epoch;
        let mut editor = Editor::open(&active.upper(), below.root(), epoch).map_err(Cause::files)?;
        // The shell of any user is to add to it.
        let attributes = Attributes { mode: Some(0o666), ..Attributes::default() };
        let text = history(&self.command());
        editor.put(Path::new(HISTORY), text.as_bytes(), &attributes).map_err(Cause::files)
    }
}

/// A file of one command. One of several lines is kept together by the time stamp before it (bash, `HISTFILE`).
fn history(command: &str) -> String {
    let stamp = if command.contains('\n') { "#1\n" } else { "" };
    format!("{stamp}{command}\n")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{history, quoted};

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [("a-b", "a-b"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_command_of_several_lines_is_one_entry() {
        assert_eq!(history("make test"), "make test\n");
        assert_eq!(history("set -e\nmake"), "#1\nset -e\nmake\n");
    }
}
