// SPDX-License-Identifier: Apache-2.0
//! The kinds that edit the image configuration. They make no layer.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{ConfigEdit, Fragment, Label, Vertex, VertexId};

/// The options of all these kinds; the schema of each accepts its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    set: BTreeMap<String, String>,
    path: String,
    user: String,
    argv: Vec<String>,
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

pub(super) fn plan(kind: &str, options: Options) -> Fragment {
    let edits: Vec<ConfigEdit> = match kind {
        "env" => options.set.into_iter().map(|(name, value)| ConfigEdit::Env(name, value)).collect(),
        "label" => options.set.into_iter().map(|(name, value)| ConfigEdit::Label(name, value)).collect(),
        "workdir" => vec![ConfigEdit::Workdir(options.path)],
        "user" => vec![ConfigEdit::User(options.user)],
        "entrypoint" => vec![ConfigEdit::Entrypoint(options.argv)],
        "cmd" => vec![ConfigEdit::Cmd(options.argv)],
        "shell" => vec![ConfigEdit::Shell(options.argv)],
        _ => options.ports.into_iter().map(|port| ConfigEdit::Expose(port.into_text())).collect(),
    };
    let mut fragment = Fragment::new();
    let mut head = VertexId::BASE;
    for edit in edits {
        let label = Label::new(words(&edit));
        head = fragment.add(Vertex::Configure { on: head, edit }, label);
    }
    fragment.set_head(head);
    fragment
}

impl Port {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn words(edit: &ConfigEdit) -> String {
    let argv = |kind: &str, argv: &[String]| format!("{kind} {}", serde_json::Value::from(argv));
    match edit {
        ConfigEdit::Env(name, value) => format!("env {name}={value}"),
        ConfigEdit::Label(name, value) => format!("label {name}={value}"),
        ConfigEdit::Workdir(path) => format!("workdir {path}"),
        ConfigEdit::User(user) => format!("user {user}"),
        ConfigEdit::Entrypoint(words) => argv("entrypoint", words),
        ConfigEdit::Cmd(words) => argv("cmd", words),
        ConfigEdit::Shell(words) => argv("shell", words),
        ConfigEdit::Expose(port) => format!("expose {port}"),
        _ => String::new(),
    }
}
