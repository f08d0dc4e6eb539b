// SPDX-License-Identifier: Apache-2.0
//! The secrets that a step asks for: by name in a definition, never by value.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Faults;
use super::read::{self, ID_HINT, is_id, mount_target, truth};
use crate::spec::nearest::known_hint;
use crate::spec::parse::wrong_type;
use crate::spec::{Code, Diagnostic};
use crate::{Mount, MountSource, Run};

/// Where secrets are found that name no other place.
const DIRECTORY: &str = "/run/secrets";

/// Mode of the file of a secret that names no other one.
const MODE: u32 = 0o400;

/// The keys of a secret.
const KEYS: [&str; 6] = ["env", "id", "mode", "owner", "required", "target"];

/// A secret as a step uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// Its name.
    pub id: String,
    /// How the commands find it.
    pub places: Vec<SecretPlace>,
    /// Whether a command without it fails.
    pub required: bool,
}

/// Where a command finds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    /// In a file.
    File {
        /// Absolute path.
        target: String,
        /// Mode bits.
        mode: u32,
        /// Whose it is; empty for the user of the command.
        owner: String,
    },
    /// In a variable.
    Variable(String),
}

impl SecretUse {
    /// Gives the secret to a command of a plan.
    pub(super) fn add_to(&self, run: &mut Run) {
        for place in &self.places {
            match place {
                SecretPlace::File { target, mode, owner } => {
                    let (id, owner) = (self.id.clone(), owner.clone());
                    let source = MountSource::SecretFile { id, mode: *mode, owner, required: self.required };
                    run.mounts.push(Mount::new(target.clone(), source));
                }
                SecretPlace::Variable(name) => {
                    run.secret_env.insert(name.clone(), (self.id.clone(), self.required));
                }
            }
        }
    }
}

/// Reads `secrets`: a list of names, or of tables that say more.
pub(super) fn secrets(value: &Value) -> Result<Vec<SecretUse>, Faults> {
    let list = value.as_array().ok_or_else(|| wrong_type("secrets", "a list of names or tables", value))?;
    let mut seen = BTreeSet::new();
    let one = |(index, value): (usize, &Value)| {
        let read = secret(value).and_then(|secret| check_places(&secret, &mut seen).map(|()| secret));
        (index.to_string(), read)
    };
    Faults::collect(list.iter().enumerate().map(one))
}

fn secret(value: &Value) -> Result<SecretUse, Diagnostic> {
    match value {
        Value::String(id) => {
            check_id(id, "a secret")?;
            Ok(SecretUse { id: id.clone(), places: vec![default_file(id)], required: true })
        }
        Value::Object(table) => from_table(table),
        other => Err(wrong_type("secrets", "a list of names or tables", other)),
    }
}

fn default_file(id: &str) -> SecretPlace {
    SecretPlace::File { target: format!("{DIRECTORY}/{id}"), mode: MODE, owner: String::new() }
}

fn from_table(table: &Map<String, Value>) -> Result<SecretUse, Diagnostic> {
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let message = format!("a secret has no `{key}`");
        return Err(Diagnostic::error(Code::Unknown, message).hint(known_hint(key, "keys", &KEYS)));
    }
    let id = text(table, "id")?.ok_or_else(|| Diagnostic::error(Code::Missing, "a secret needs an `id`"))?;
    check_id(id, "a secret")?;
    let mut places = Vec::new();
    if let Some(name) = text(table, "env")? {
        read::variable_name(name)?;
        places.push(SecretPlace::Variable(name.to_owned()));
    }
    let target = text(table, "target")?;
    if target.is_some() || places.is_empty() {
        places.push(file(table, id, target)?);
    } else if let Some(key) = ["mode", "owner"].into_iter().find(|key| table.contains_key(*key)) {
        let message = format!("`{key}` is about a file, and the secret is given in a variable");
        return Err(Diagnostic::error(Code::Conflict, message).hint("give it a `target` too, or leave it out"));
    }
    let required = table.get("required").map_or(Ok(true), |value| truth("required", value))?;
    Ok(SecretUse { id: id.to_owned(), places, required })
}

fn file(table: &Map<String, Value>, id: &str, target: Option<&str>) -> Result<SecretPlace, Diagnostic> {
    let target = target.map_or_else(|| format!("{DIRECTORY}/{id}"), str::to_owned);
    mount_target(&target)?;
    let mode = table.get("mode").map_or(Ok(MODE), mode)?;
    let owner = table.get("owner").map_or(Ok(String::new()), read::user)?;
    Ok(SecretPlace::File { target, mode, owner })
}

fn mode(value: &Value) -> Result<u32, Diagnostic> {
    let digits = value.as_str().ok_or_else(|| {
        wrong_type("mode", "a string of octal digits", value).hint("write it in quotes, as in \"0440\"")
    })?;
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777 && (3..=4).contains(&digits.len()));
    mode.ok_or_else(|| {
        Diagnostic::error(Code::Invalid, format!("`{}` cannot be the mode of a secret", digits.escape_debug()))
            .hint("write three or four octal digits, as in \"0440\"")
    })
}

fn text<'a>(table: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Diagnostic> {
    let Some(value) = table.get(key) else { return Ok(None) };
    value.as_str().map(Some).ok_or_else(|| wrong_type(key, "a string", value))
}

fn check_id(id: &str, what: &str) -> Result<(), Diagnostic> {
    if is_id(id) {
        return Ok(());
    }
    let message = format!("`{}` cannot be the name of {what}", id.escape_debug());
    Err(Diagnostic::error(Code::Invalid, message).hint(ID_HINT))
}

fn check_places(secret: &SecretUse, seen: &mut BTreeSet<String>) -> Result<(), Diagnostic> {
    for place in &secret.places {
        let (what, name) = match place {
            SecretPlace::File { target, .. } => ("at the same path", target),
            SecretPlace::Variable(name) => ("in the same variable", name),
        };
        if !seen.insert(name.clone()) {
            return Err(Diagnostic::error(Code::Duplicate, format!("two secrets are {what}: `{name}`")));
        }
    }
    Ok(())
}

/// Reads `ssh`: whether the step reaches the ssh agent, or the name of another agent.
pub(super) fn ssh(value: &Value) -> Result<Option<String>, Diagnostic> {
    match value {
        Value::Bool(wanted) => Ok(wanted.then(|| "default".to_owned())),
        Value::String(id) => check_id(id, "an ssh agent").map(|()| Some(id.clone())),
        other => Err(wrong_type("ssh", "true, false or the name of an agent", other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SecretPlace, SecretUse, secrets};
    use crate::{Command, MountSource, Run, VertexId};

    #[test]
    fn a_name_is_a_file_and_a_table_says_more() {
        let value = json!(["token", {"id": "hf", "env": "HF_TOKEN", "required": false},
            {"id": "netrc", "target": "/root/.netrc", "mode": "0440", "owner": "app"}]);
        let Ok(read) = secrets(&value) else { panic!("refused") };
        let file =
            |target: &str, mode, owner: &str| SecretPlace::File { target: target.into(), mode, owner: owner.into() };
        let one = |id: &str, place, required| SecretUse { id: id.into(), places: vec![place], required };
        let expected = [
            one("token", file("/run/secrets/token", 0o400, ""), true),
            one("hf", SecretPlace::Variable("HF_TOKEN".into()), false),
            one("netrc", file("/root/.netrc", 0o440, "app"), true),
        ];
        assert_eq!(read, expected);
        let mut run = Run::new(VertexId::BASE, Command::Shell("true".into()));
        read.iter().for_each(|secret| secret.add_to(&mut run));
        assert_eq!(run.secret_env["HF_TOKEN"], ("hf".to_owned(), false));
        let source = MountSource::SecretFile { id: "token".into(), mode: 0o400, owner: String::new(), required: true };
        assert_eq!((run.mounts[0].target.as_str(), &run.mounts[0].source), ("/run/secrets/token", &source));
    }
}
