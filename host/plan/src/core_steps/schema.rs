// SPDX-License-Identifier: Apache-2.0
//! The schemas of the core kinds, by which they are checked and listed like any other kind.

use serde_json::{Value, json};
use wythe_image::{Digest, to_canonical_json};

use super::CORE;
use crate::Kind;

pub(super) fn kinds() -> Vec<Kind> {
    let mut kinds = vec![
        kind("run", "runs commands in a sandbox", run()),
        kind("env", "sets environment variables of the image", table("set", VARIABLE)),
        kind("workdir", "sets the working directory of the image", only("path", &text("a path"))),
        kind("user", "sets the user of the image", only("user", &user())),
        kind("entrypoint", "sets or clears the entry point of the image", only("argv", &words(0))),
        kind("cmd", "sets or clears the command of the image", only("argv", &words(0))),
        kind("shell", "sets the shell in which commands are run", only("argv", &words(1))),
        kind("label", "sets labels of the image", table("set", LABEL)),
        kind("expose", "declares ports of the image", only("ports", &ports())),
        kind("files", "copies files of the definition's directory", files()),
        base("image", "starts from an image", only("reference", &reference())),
        base("scratch", "starts from nothing", options(&json!({}), &[])),
    ];
    kinds.sort_by(|one, other| one.name.cmp(&other.name));
    kinds
}

fn kind(name: &str, summary: &str, schema: Value) -> Kind {
    Kind {
        name: name.to_owned(),
        summary: summary.to_owned(),
        plugin: CORE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        digest: Digest::of(&to_canonical_json(&schema)),
        is_base: false,
        is_step: true,
        files: Vec::new(),
        resolves: false,
        hosts: Vec::new(),
        imports: Vec::new(),
        schema,
    }
}

fn base(name: &str, summary: &str, schema: Value) -> Kind {
    Kind { is_base: true, is_step: false, ..kind(name, summary, schema) }
}

fn options(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn only(name: &str, schema: &Value) -> Value {
    options(&json!({ name: schema }), &[name])
}

/// What a key of a table may be, and why not.
const VARIABLE: (&str, &str) = ("^[^=]+$", "the name of a variable is not empty and has no `=`");
const LABEL: (&str, &str) = ("^.+$", "the name of a label is not empty");

fn table(name: &str, (pattern, message): (&str, &str)) -> Value {
    only(
        name,
        &json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": pattern, "x-message": message},
            "additionalProperties": {"type": "string"},
        }),
    )
}

fn text(what: &str) -> Value {
    json!({"type": "string", "minLength": 1, "description": what})
}

fn words(least: u64) -> Value {
    json!({"type": "array", "minItems": least, "items": {"type": "string"}, "description": "a program and its arguments"})
}

fn command() -> Value {
    json!({"type": "string", "pattern": r"\S", "x-message": "a command is not blank"})
}

fn run() -> Value {
    let mut schema = options(
        &json!({
            "commands": {
                "type": "array", "minItems": 1, "items": command(),
                "description": "commands for the shell, each of its own layer",
            },
            "script": {
                "type": "string", "pattern": r"\S", "x-message": "a script is not blank",
                "description": "one script of several lines, of one layer",
            },
            "shell": words(1),
            "workdir": text("the directory to run in"),
        }),
        &[],
    );
    schema["oneOf"] = json!([{"required": ["commands"]}, {"required": ["script"]}]);
    schema
}

fn user() -> Value {
    json!({
        "type": "string", "pattern": r"^[^:\s]+(:[^:\s]+)?$",
        "x-message": "a user is a name or number, or both user and group as in `app:app` or `1000:1000`",
    })
}

fn ports() -> Value {
    json!({
        "type": "array", "minItems": 1,
        "items": {
            "type": ["integer", "string"], "minimum": 1, "maximum": 65535,
            "pattern": "^[1-9][0-9]{0,4}(/(tcp|udp|sctp))?$",
            "x-message": "a port is a number, or a number and a protocol as in \"53/udp\"",
        },
    })
}

fn patterns() -> Value {
    json!({"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}})
}

fn files() -> Value {
    options(
        &json!({
            "from": text("a file or directory below the definition's directory"),
            "to": text("where to, absolute or relative to the working directory"),
            "include": patterns(),
            "exclude": patterns(),
            "owner": user(),
            "mode": {
                "type": "string", "pattern": "^0?[0-7]{3,4}$",
                "x-message": "a mode is three or four octal digits in quotes, as in \"0644\"",
            },
            "copy": {"type": "boolean"},
        }),
        &["from", "to"],
    )
}

fn reference() -> Value {
    json!({
        "type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$",
        "x-message": "a reference is a name with an optional tag or digest, such as `example.com/app:1.4`",
    })
}
