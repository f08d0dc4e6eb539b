// SPDX-License-Identifier: Apache-2.0
//! Reasons in words.

use std::fmt;

use serde_json::Value;

use super::redact::redacted;
use super::{FileChange, Forced, LockChange, Reason, Root};

/// Longest text that is quoted in a sentence; JSON has all of it.
const LONGEST: usize = 80;

/// Packages of a lock that are named one by one.
const MOST_PACKAGES: usize = 5;

/// Returns the sentence that says why a step ran.
pub(super) fn sentence(step: &str, was: Option<&str>, reasons: &[Reason], made: Made) -> String {
    let called = was.map(|was| format!(" (which was `{was}`)")).unwrap_or_default();
    let because = if reasons.is_empty() { "its key changed".to_owned() } else { listed(reasons) };
    let ran = if made == Made::NotYet { "would run" } else { "ran" };
    let made = match made {
        Made::Other | Made::NotYet => "",
        Made::Same => "; it made the same bytes as before",
        Made::Nothing => "; it changed nothing, as before",
    };
    format!("`{step}`{called} {ran} because {because}{made}")
}

/// What a step made, compared with what it made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Other,
    Same,
    Nothing,
    /// It did not run: this is foreseen.
    NotYet,
}

fn listed<T: fmt::Display>(parts: &[T]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(T::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let text = redacted(text).replace('\n', "⏎");
    let cut: String = text.chars().take(LONGEST).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("`{cut}{dots}`")
}

fn value(value: &Value) -> String {
    quoted(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn set_by(step: Option<&String>) -> String {
    step.map(|step| format!(" (set by step `{step}`)")).unwrap_or_default()
}

fn changed(f: &mut fmt::Formatter<'_>, what: &str, old: Option<String>, new: Option<String>) -> fmt::Result {
    match (old, new) {
        (Some(old), Some(new)) => write!(f, "{what} changed from {old} to {new}"),
        (None, Some(new)) => write!(f, "{what} was set to {new}"),
        (Some(old), None) => write!(f, "{what} was taken away (it was {old})"),
        (None, None) => write!(f, "{what} changed"),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstBuild => f.write_str("no earlier build of this definition is remembered"),
            Self::NewStep => f.write_str("the step is new"),
            Self::Unfinished => f.write_str("the last build ended before it was done"),
            Self::ReorderedStep => f.write_str("the step stands in another order"),
            Self::RemovedStep => f.write_str("the step was removed"),
            Self::MovedStep { is_below: true } => f.write_str("the step now stands below"),
            Self::MovedStep { is_below: false } => f.write_str("the step no longer stands below"),
            Self::Kind { old, new } => write!(f, "its kind changed from `{old}` to `{new}`"),
            Self::Option { name, old, new } => option(f, name, old.as_ref(), new.as_ref()),
            Self::File { path, change } => file(f, path, change),
            Self::MoreFiles { count: 1 } => f.write_str("one more file differs"),
            Self::MoreFiles { count } => write!(f, "{count} more files differ"),
            Self::UnknownFiles { input } => {
                write!(f, "files of `{input}` changed (which ones is not remembered any more)")
            }
            Self::Environment { name, old, new, step } => {
                let quote = |text: &Option<String>| text.as_deref().map(quoted);
                changed(f, &format!("variable `{name}` of the image"), quote(old), quote(new))?;
                f.write_str(&set_by(step.as_ref()))
            }
            Self::Configuration { part, old, new, step } => {
                changed(f, &format!("the {part} of the image"), Some(quoted(old)), Some(quoted(new)))?;
                f.write_str(&set_by(step.as_ref()))
            }
            Self::Below { steps } if steps.is_empty() => f.write_str("the image below it changed"),
            Self::Below { steps } => f.write_str(&listed(steps)),
            Self::Forced { by } => f.write_str(forced(*by)),
            Self::Plugin { kind, old, new } => {
                write!(f, "the plugin of `{kind}` changed ({} → {})", short(old), short(new))
            }
            Self::Lock { changes, more } => lock(f, changes, *more),
            Self::Argument { name, old, new } => {
                changed(f, &format!("build argument `{name}`"), Some(quoted(old)), Some(quoted(new)))
            }
            Self::Platform { old, new } => write!(f, "the platform changed from {old} to {new}"),
            Self::Builder { old, new } => write!(f, "the builder version changed from {old} to {new}"),
            Self::Time { old, new } => write!(f, "SOURCE_DATE_EPOCH changed from {old} to {new}"),
            Self::Image { old, new } => write!(f, "its image changed ({} → {})", short(old), short(new)),
            Self::Collected => f.write_str("its result was no longer in the store (it was collected)"),
            Self::LayerGone => f.write_str("the layer of its result was gone from the store"),
            Self::Damaged => f.write_str("the record of its result was damaged"),
            Self::NotFlushed => f.write_str("the machine went down before its result was on the disk"),
            Self::KeyFormat => f.write_str("this version of wythe names results in another way"),
            Self::Operation { old, new } => write!(f, "what it does changed from {} to {}", quoted(old), quoted(new)),
        }
    }
}

fn option(f: &mut fmt::Formatter<'_>, name: &str, old: Option<&Value>, new: Option<&Value>) -> fmt::Result {
    if let (Some(Value::String(old)), Some(Value::String(new))) = (old, new)
        && old.contains('\n')
    {
        return file(f, name, &super::lines::change(old, new));
    }
    match (name.strip_suffix("[]"), old, new) {
        (Some(list), None, Some(new)) => write!(f, "option `{list}` gained {}", value(new)),
        (Some(list), Some(old), None) => write!(f, "option `{list}` lost {}", value(old)),
        _ => changed(f, &format!("option `{name}`"), old.map(value), new.map(value)),
    }
}

fn file(f: &mut fmt::Formatter<'_>, path: &str, change: &FileChange) -> fmt::Result {
    match change {
        FileChange::Added => write!(f, "`{path}` was added"),
        FileChange::Removed => write!(f, "`{path}` was removed"),
        FileChange::Mode { old, new } => write!(f, "the mode of `{path}` changed from {old} to {new}"),
        FileChange::Type { old, new } => write!(f, "`{path}` was a {old} and is a {new} now"),
        FileChange::Target { old, new } => write!(f, "the link `{path}` pointed to `{old}` and points to `{new}` now"),
        FileChange::Line { line, old, new, more } => {
            write!(f, "`{path}` changed (line {line}: ")?;
            match (old, new) {
                (Some(old), Some(new)) => write!(f, "{} → {}", quoted(old), quoted(new))?,
                (None, Some(new)) => write!(f, "{} was added", quoted(new))?,
                (Some(old), None) => write!(f, "{} was removed", quoted(old))?,
                (None, None) => f.write_str("it differs")?,
            }
            match more {
                0 => f.write_str(")"),
                1 => f.write_str("; one more line)"),
                more => write!(f, "; {more} more lines)"),
            }
        }
        FileChange::LineEnds => write!(f, "`{path}` changed (only the ends of its lines)"),
        FileChange::Content { old, new } if old == new => write!(f, "`{path}` changed ({new} bytes, as before)"),
        FileChange::Content { old, new } => write!(f, "`{path}` changed ({old} → {new} bytes)"),
        FileChange::Unknown => write!(f, "`{path}` changed"),
    }
}

fn forced(by: Forced) -> &'static str {
    match by {
        Forced::RebuildStep => "`--rebuild` asked for it",
        Forced::RebuildAll => "`--rebuild-all` asked for it",
        Forced::Definition => "the definition says `force = true`",
        Forced::Variable => "WYTHE_FORCE_BUILD asked for it",
    }
}

fn lock(f: &mut fmt::Formatter<'_>, changes: &[LockChange], more: usize) -> fmt::Result {
    let named = changes.iter().take(MOST_PACKAGES).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    write!(f, "the lock changed ({named}")?;
    match changes.len().saturating_sub(MOST_PACKAGES) + more {
        0 => f.write_str(")"),
        more => write!(f, ", and {more} more)"),
    }
}

impl fmt::Display for LockChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, old, new } = self;
        let cut = |text: &String| redacted(text).chars().take(LONGEST).collect::<String>();
        match (old.as_ref().map(cut), new.as_ref().map(cut)) {
            (Some(old), Some(new)) => write!(f, "{name} {old} → {new}"),
            (None, Some(new)) => write!(f, "{name} {new} was added"),
            (Some(old), None) => write!(f, "{name} {old} was removed"),
            (None, None) => write!(f, "{name}"),
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, reasons } = self;
        match &reasons[..] {
            [Reason::NewStep] => write!(f, "step `{step}` was added below it"),
            [Reason::RemovedStep] => write!(f, "step `{step}` below it was removed"),
            [Reason::MovedStep { is_below: true }] => write!(f, "step `{step}` was moved below it"),
            [Reason::MovedStep { is_below: false }] => write!(f, "step `{step}` no longer stands below it"),
            [Reason::ReorderedStep] => write!(f, "step `{step}` below it stands in another order"),
            [] => write!(f, "step `{step}` below it changed"),
            reasons => write!(f, "step `{step}` below it changed: {}", listed(reasons)),
        }
    }
}

/// The first digits of a digest.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
