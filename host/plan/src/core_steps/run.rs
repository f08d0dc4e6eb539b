// SPDX-License-Identifier: Apache-2.0
//! `run`: commands in a sandbox.
//!
//! Each command is an operation of its own: editing the last of five runs one again, not five. They start anew each
//! time, so a `cd` or `export` of one command does not reach the next; a script is one operation.

use serde::Deserialize;

use crate::{Command, Fragment, Label, Network, Run, Vertex, VertexId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    #[serde(default)]
    commands: Vec<String>,
    script: Option<String>,
    shell: Option<Vec<String>>,
    workdir: Option<String>,
}

/// The network is the machine's unless the step says otherwise: who writes a command expects to reach what it names.
pub(super) fn plan(options: Options) -> Fragment {
    let mut fragment = Fragment::new();
    let mut head = VertexId::BASE;
    for text in options.commands.iter().chain(&options.script) {
        let command = match &options.shell {
            Some(shell) => Command::Argv(shell.iter().chain([text]).cloned().collect()),
            None => Command::Shell(text.clone()),
        };
        let mut run = Run::new(head, command);
        run.workdir.clone_from(&options.workdir);
        run.network = Network::Host;
        head = fragment.add(Vertex::Run(run), Label::new(first_line(text)));
    }
    fragment.set_head(head);
    fragment
}

fn first_line(text: &str) -> String {
    let text = text.trim();
    match text.split_once('\n') {
        Some((line, _)) => format!("{} …", line.trim_end()),
        None => text.to_owned(),
    }
}
