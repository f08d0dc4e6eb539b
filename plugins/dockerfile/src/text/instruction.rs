// SPDX-License-Identifier: Apache-2.0
//! Instructions as values. Variables in them are not replaced yet.

use super::heredoc::Heredoc;
use crate::fault::Place;

/// A piece of text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its name as it is written.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// Its last line.
    pub last: u32,
    /// The comment directly above it.
    pub comment: Vec<String>,
    /// An empty line inside of its continuation.
    pub empty_continuation: Option<Place>,
    /// Its flags.
    pub flags: Vec<Flag>,
    /// What it says.
    pub action: Action,
}

/// A flag: `--name` or `--name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without dashes.
    pub name: &'static str,
    /// Its value.
    pub value: Option<String>,
    /// Where it begins.
    pub place: Place,
}

/// A command in its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Text for the shell.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
}

/// What is written after a name: `name` or `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name.
    pub name: Text,
    /// The value, none where there is no `=`.
    pub value: Option<String>,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the instruction of its name")]
pub enum Action {
    From { image: Text, stage: Option<Text> },
    Arg(Vec<Assignment>),
    Env { pairs: Vec<Assignment>, is_legacy: bool },
    Label { pairs: Vec<Assignment>, is_legacy: bool },
    Run { command: Command, heredocs: Vec<Heredoc> },
    Copy { sources: Vec<Text>, dest: Text, heredocs: Vec<Heredoc> },
    Add { sources: Vec<Text>, dest: Text, heredocs: Vec<Heredoc> },
    Cmd(Command),
    Entrypoint(Command),
    Shell(Vec<String>),
    User(Text),
    Workdir(Text),
    Volume(Vec<Text>),
    Expose(Vec<Text>),
    StopSignal(Text),
    Healthcheck(Option<Command>),
    Onbuild { trigger: String },
    Maintainer(Text),
}

/// Every instruction, and the flags that it takes.
pub const INSTRUCTIONS: [(&str, &[&str]); 18] = [
    ("ADD", &["chmod", "checksum", "chown", "exclude", "keep-git-dir", "link", "unpack"]),
    ("ARG", &[]),
    ("CMD", &[]),
    ("COPY", &["chmod", "chown", "exclude", "from", "link", "parents"]),
    ("ENTRYPOINT", &[]),
    ("ENV", &[]),
    ("EXPOSE", &[]),
    ("FROM", &["platform"]),
    ("HEALTHCHECK", &["interval", "retries", "start-interval", "start-period", "timeout"]),
    ("LABEL", &[]),
    ("MAINTAINER", &[]),
    ("ONBUILD", &[]),
    ("RUN", &["device", "mount", "network", "security"]),
    ("SHELL", &[]),
    ("STOPSIGNAL", &[]),
    ("USER", &[]),
    ("VOLUME", &[]),
    ("WORKDIR", &[]),
];

/// Flags that may stand several times.
pub const REPEATED: [&str; 3] = ["device", "exclude", "mount"];

/// Flags that may stand without a value, for `true`.
pub const TRUTHS: [&str; 4] = ["keep-git-dir", "link", "parents", "unpack"];

impl Instruction {
    /// Returns the flag of a name.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// Returns every flag of a name.
    pub fn flags_of(&self, name: &'static str) -> impl Iterator<Item = &Flag> {
        self.flags.iter().filter(move |flag| flag.name == name)
    }
}
