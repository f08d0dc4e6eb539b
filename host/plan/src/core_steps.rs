// SPDX-License-Identifier: Apache-2.0
//! The core kinds: the vocabulary of operations itself, spelled as steps. They need no plugin.

mod config;
mod files;
mod image;
mod run;
mod schema;

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::spec::Code;
use crate::{Fragment, Kind, PlanError, Problem, Severity, StepCall, World};

/// The `plugin` of a core kind.
const CORE: &str = "core";

/// All core kinds, sorted by name. Their `plugin` is `core`, and they are always known, whatever plugins there are.
pub static CORE_KINDS: LazyLock<Vec<Kind>> = LazyLock::new(schema::kinds);

impl Kind {
    /// Returns whether it is a core kind.
    #[must_use]
    pub fn is_core(&self) -> bool {
        self.plugin == CORE
    }
}

/// Plans a step of a core kind.
///
/// # Errors
///
/// [`PlanError::Declined`] where the options cannot be honoured; what `world` fails with.
///
/// # Panics
///
/// Panics where the kind is no core kind.
pub fn plan_core_step(call: StepCall<'_>, world: &dyn World) -> Result<Fragment, PlanError> {
    let faults = faults(call.kind, call.options);
    if !faults.is_empty() {
        return Err(PlanError::Declined(faults.into_iter().map(|(_, problem)| problem).collect()));
    }
    match call.kind {
        "scratch" => Ok(Fragment::new()),
        "image" => image::plan(&read(call.options)?, world),
        "run" => Ok(run::plan(read(call.options)?)),
        "files" => files::plan(read(call.options)?, world),
        "env" | "workdir" | "user" | "entrypoint" | "cmd" | "shell" | "label" | "expose" => {
            Ok(config::plan(call.kind, read(call.options)?))
        }
        other => panic!("`{other}` is a core kind"),
    }
}

/// Returns what is wrong with options that the schema of a core kind accepts.
pub(crate) fn faults(kind: &str, options: &Value) -> Vec<(Code, Problem)> {
    let mut faults = Vec::new();
    find_zero_bytes(options, "", &mut faults);
    if kind == "files" {
        faults.extend(files::faults(options));
    }
    faults
}

/// Nothing that takes a text here (an argument, a path, a variable) can take a zero byte.
fn find_zero_bytes(value: &Value, pointer: &str, faults: &mut Vec<(Code, Problem)>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            faults.push((Code::Invalid, problem(pointer, "the text contains a zero byte")));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| find_zero_bytes(value, &format!("{pointer}/{index}"), faults));
        }
        Value::Object(table) => {
            for (name, value) in table {
                let below = crate::spec::child(pointer, name);
                if name.contains('\0') {
                    faults.push((Code::Invalid, problem(&below, "the name contains a zero byte")));
                }
                find_zero_bytes(value, &below, faults);
            }
        }
        _ => {}
    }
}

fn problem(path: &str, message: impl Into<String>) -> Problem {
    Problem { severity: Severity::Error, path: path.to_owned(), message: message.into(), hint: None, place: None }
}

fn hinted(path: &str, message: impl Into<String>, hint: &str) -> Problem {
    Problem { hint: Some(hint.to_owned()), ..problem(path, message) }
}

fn read<T: DeserializeOwned>(options: &Value) -> Result<T, PlanError> {
    T::deserialize(options).map_err(|error| PlanError::Declined(vec![problem("", error.to_string())]))
}

#[cfg(test)]
mod tests;
