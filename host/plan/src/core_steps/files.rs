// SPDX-License-Identifier: Apache-2.0
//! `files`: files of the definition's directory, copied.

use serde::Deserialize;
use serde_json::Value;
use wythe_image::Config;

use super::{hinted, problem};
use crate::spec::Code;
use crate::{Action, Brush, Fact, Files, Fragment, Label, PlanError, Problem, Source, Vertex, VertexId, World};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    from: String,
    to: String,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    owner: String,
    mode: Option<String>,
    #[serde(rename = "copy")]
    _copy: Option<bool>,
}

pub(super) fn plan(options: Options, world: &dyn World) -> Result<Fragment, PlanError> {
    let from = tidy(&options.from);
    let there = world.fact(&Fact::ContextExists(from.clone()))?.map_err(|reason| missing(&from, &reason))?;
    if there != b"true" {
        return Err(missing(&from, "it is not there"));
    }
    let dest = destination(&options.to, world)?;
    let label = Label::new(format!("files {from} → {}", options.to));
    let mode = options.mode.as_deref().and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let exclude = exclusions(options.include, options.exclude);
    let brush = Brush { mode, exclude, owner: options.owner, ..Brush::default() };
    let source = Source::Context { patterns: vec![globset::escape(&from)] };
    let actions = vec![Action::Copy { source, dest, brush }];
    let mut fragment = Fragment::new();
    let head = fragment.add(Vertex::Files(Files { on: VertexId::BASE, actions }), label);
    fragment.set_head(head);
    Ok(fragment)
}

fn missing(from: &str, reason: &str) -> PlanError {
    let message = format!("cannot copy `{from}`: {reason}");
    PlanError::Declined(vec![hinted("/from", message, "paths are relative to the directory of the definition")])
}

/// `include` is said in the language of exclusions: all is left out, except that.
fn exclusions(include: Vec<String>, exclude: Vec<String>) -> Vec<String> {
    let all = (!include.is_empty()).then(|| "**".to_owned());
    all.into_iter().chain(include.into_iter().map(|pattern| format!("!{pattern}"))).chain(exclude).collect()
}

fn destination(to: &str, world: &dyn World) -> Result<String, PlanError> {
    if to.starts_with('/') {
        return Ok(to.to_owned());
    }
    let answer = world.fact(&Fact::BaseConfig)?.map_err(PlanError::World)?;
    let config: Config = serde_json::from_slice(&answer)
        .map_err(|error| PlanError::World(format!("the configuration of the image below is malformed: {error}")))?;
    let plain = to.strip_prefix("./").unwrap_or(to);
    Ok(config.workdir_joined(if plain == "." { "" } else { plain }))
}

/// Returns the path without `.` parts and doubled or final slashes; `.` for the whole directory.
fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

pub(super) fn faults(options: &Value) -> Vec<(Code, Problem)> {
    let text = |name: &str| options.get(name).and_then(Value::as_str).unwrap_or_default();
    let climbs = |path: &str| path.split('/').any(|part| part == "..");
    let mut faults = Vec::new();
    let from = text("from");
    if from.starts_with('/') || climbs(from) {
        let message = format!("`{from}` is outside the directory of the definition");
        let hint = "`from` is a path below that directory, without `..`";
        faults.push((Code::OutsideContext, hinted("/from", message, hint)));
    }
    if climbs(text("to")) {
        faults.push((Code::Invalid, problem("/to", format!("`to` cannot be `{}`: it has a `..`", text("to")))));
    }
    if options.get("copy") == Some(&Value::Bool(false)) {
        let message = "`copy = false` is not available in this version of wythe";
        faults
            .push((Code::NotAvailable, hinted("/copy", message, "leave it out: the files are then part of the image")));
    }
    for name in ["include", "exclude"] {
        let patterns = options.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, pattern) in patterns.iter().enumerate() {
            let what = pattern_fault(pattern.as_str().unwrap_or_default(), name == "include");
            faults.extend(what.map(|what| (Code::Invalid, problem(&format!("/{name}/{index}"), what))));
        }
    }
    faults
}

fn pattern_fault(pattern: &str, is_include: bool) -> Option<String> {
    if is_include && pattern.starts_with('!') {
        return Some(format!("`{pattern}` cannot be included: put it into `exclude`, without the `!`"));
    }
    let plain = pattern.strip_prefix('!').unwrap_or(pattern);
    if plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
        return Some(format!("`{pattern}` matches nothing: patterns are relative to `from`"));
    }
    let error = globset::GlobBuilder::new(plain).literal_separator(true).build().err()?;
    Some(format!("`{pattern}` is not a pattern: {}", error.kind()))
}
