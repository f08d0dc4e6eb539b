// SPDX-License-Identifier: Apache-2.0
//! A step now and the same step then: what differs in its own words, files, lock and surroundings.

use std::collections::BTreeSet;

use serde_json::Value;
use wythe_image::Digest;
use wythe_plan::Fact;

use super::Reason;
use super::json::{differences, lock_changes};
use super::past::{FactPast, OpPast, StepNow, StepPast};

mod effects;
mod files;
mod part;
#[cfg(test)]
mod tests;

use effects::Effects;
use files::file_reasons;
pub(super) use part::Part;

/// Differences of a lock that are listed.
const MOST_CHANGES: usize = 200;

/// What a comparison may look at beside the two sides.
pub(super) trait Beside {
    /// Returns a kept list of files.
    fn manifest(&self, digest: &Digest) -> Option<Vec<u8>>;

    /// Returns the step whose configuration has `new` in place of `old`, where the image so far does have them.
    fn setter(&self, part: &Part, old: Option<&str>, new: Option<&str>) -> Option<String>;
}

/// Returns the step's own reasons: all that differ, apart from what the step stands on.
pub(super) fn own_reasons(now: &StepNow, then: &StepPast, beside: &dyn Beside) -> Vec<Reason> {
    let is = &now.past;
    if is.said.kind != then.said.kind {
        return vec![Reason::Kind { old: then.said.kind.clone(), new: is.said.kind.clone() }];
    }
    let mut effects = Effects::of(&then.operations, &is.operations);
    let options = differences(&then.said.options, &is.said.options);
    let mut reasons = Vec::new();
    // What the definition itself says of a part explains it; else the image so far does; else the plan.
    let mut said_parts = BTreeSet::new();
    let mut configured = Vec::new();
    for (part, old, new) in std::mem::take(&mut effects.parts) {
        let name = part.option();
        if options.iter().any(|found| found.path == name || found.path.starts_with(&format!("{name}["))) {
            said_parts.insert(name);
        } else if let Some(step) = beside.setter(&part, old.as_deref(), new.as_deref()) {
            configured.push(part.reason(old, new, step));
        } else {
            effects.plan = true;
        }
    }
    for found in options {
        let is_env = found.path.starts_with("env.");
        let is_part = said_parts.iter().any(|name| found.path == *name || found.path.starts_with(&format!("{name}[")));
        if is_part || (effects.plan && !is_env) {
            reasons.push(Reason::Option { name: found.path, old: found.old, new: found.new });
        }
    }
    reasons.extend(file_reasons(&effects, is, then, beside));
    reasons.extend(configured);
    if effects.plan {
        reasons.extend(is.facts.iter().filter_map(|(fact, answer)| argument(fact, answer, then.fact(fact)?)));
        if let (Some(old), Some(new)) = (then.plugin, is.plugin)
            && old != new
        {
            let (old, new) = (old.to_string(), new.to_string());
            reasons.push(Reason::Plugin { kind: is.said.kind.clone(), old, new });
        }
        reasons.extend(lock_reason(then.lock.as_ref(), is.lock.as_ref()));
    }
    reasons.extend(effects.surroundings(is, then));
    reasons
}

/// Says what the plan does, where nothing else explains a difference.
pub(super) fn fallback(now: &[OpPast], then: &[OpPast]) -> Reason {
    let told =
        |operations: &[OpPast], at: usize| operations.get(at).map_or_else(String::new, |found| found.text.clone());
    let differs = |at: &usize| now.get(*at).map(|found| &found.words) != then.get(*at).map(|found| &found.words);
    let at = (0..now.len().max(then.len())).find(differs).unwrap_or(0);
    let (mut old, mut new) = (told(then, at), told(now, at));
    if old == new
        && let (Some(was), Some(is)) = (then.get(at), now.get(at))
    {
        let word = was.words.keys().chain(is.words.keys()).find(|word| was.words.get(*word) != is.words.get(*word));
        let text = |side: &OpPast| word.and_then(|word| side.words.get(word)).map_or("", |word| word.text()).to_owned();
        (old, new) = (text(was), text(is));
    }
    Reason::Operation { old, new }
}

fn argument(fact: &Fact, is: &FactPast, was: &FactPast) -> Option<Reason> {
    let text = |side: &FactPast| side.text.clone().unwrap_or_default();
    match fact {
        Fact::Arg(name) if was.digest != is.digest => {
            Some(Reason::Argument { name: name.clone(), old: text(was), new: text(is) })
        }
        Fact::Image(_) if was.digest != is.digest => Some(Reason::Image { old: text(was), new: text(is) }),
        _ => None,
    }
}

fn lock_reason(was: Option<&Value>, is: Option<&Value>) -> Option<Reason> {
    if was == is {
        return None;
    }
    let mut changes = lock_changes(was, is);
    let more = changes.len().saturating_sub(MOST_CHANGES);
    changes.truncate(MOST_CHANGES);
    Some(Reason::Lock { changes, more })
}
