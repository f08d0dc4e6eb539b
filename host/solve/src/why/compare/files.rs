// SPDX-License-Identifier: Apache-2.0
//! The files that differ: those that are copied or mounted, and those that a plan was made from.

use std::collections::{BTreeMap, BTreeSet};

use wythe_plan::Fact;

use super::Beside;
use super::effects::Effects;
use crate::why::past::{FactPast, OpPast, StepPast};
use crate::why::{FileChange, Reason, lines, tree};
use crate::world::is_no_such_file;

/// Files that are named one by one.
const MOST_FILES: usize = 4;

pub(super) fn file_reasons(effects: &Effects<'_>, is: &StepPast, then: &StepPast, beside: &dyn Beside) -> Vec<Reason> {
    let mut changes: BTreeMap<String, Vec<FileChange>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (was, now, name) in &effects.inputs {
        let list = |side: &OpPast| beside.manifest(side.trees.get(*name)?);
        let found = list(was).zip(list(now)).and_then(|(old, new)| tree::changes(&old, &new));
        let Some(found) = found else {
            let input = name.split_once("context ").map_or(*name, |(_, input)| input).to_owned();
            unknown.push(Reason::UnknownFiles { input });
            continue;
        };
        // Where other files are asked for, which ones come and go is the option's doing.
        let is_asked_anew = was.words.get("actions") != now.words.get("actions");
        for (path, change) in found {
            if !(is_asked_anew && matches!(change, FileChange::Added | FileChange::Removed)) {
                let known = changes.entry(path).or_default();
                if !known.contains(&change) {
                    known.push(change);
                }
            }
        }
    }
    if effects.plan {
        for (fact, answer) in &is.facts {
            for (path, change) in then.fact(fact).map_or_else(Vec::new, |was| fact_changes(fact, was, answer)) {
                changes.entry(path).or_insert_with(|| vec![change]);
            }
        }
    }
    let all: Vec<Reason> = changes
        .into_iter()
        .flat_map(|(path, changes)| changes.into_iter().map(move |change| Reason::File { path: path.clone(), change }))
        .collect();
    let more = all.len().saturating_sub(MOST_FILES);
    let rest = (more > 0).then_some(Reason::MoreFiles { count: more });
    all.into_iter().take(MOST_FILES).chain(rest).chain(unknown).collect()
}

/// Returns what became of the files that a plan asked about.
fn fact_changes(fact: &Fact, was: &FactPast, is: &FactPast) -> Vec<(String, FileChange)> {
    if was.digest == is.digest {
        return Vec::new();
    }
    match fact {
        Fact::ContextRead(path) if is_no_such_file(&was.digest) => vec![(path.clone(), FileChange::Added)],
        Fact::ContextRead(path) if is_no_such_file(&is.digest) => vec![(path.clone(), FileChange::Removed)],
        Fact::ContextRead(path) => {
            let change = match (&was.text, &is.text) {
                (Some(old), Some(new)) => lines::change(old, new),
                _ => FileChange::Unknown,
            };
            vec![(path.clone(), change)]
        }
        Fact::ContextExists(path) => {
            let came = is.text.as_deref() == Some("true");
            vec![(path.clone(), if came { FileChange::Added } else { FileChange::Removed })]
        }
        Fact::ContextGlob(pattern) => {
            let (Some(old), Some(new)) = (&was.text, &is.text) else {
                return vec![(pattern.clone(), FileChange::Unknown)];
            };
            let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
            let came = new.difference(&old).map(|path| ((*path).to_owned(), FileChange::Added));
            let went = old.difference(&new).map(|path| ((*path).to_owned(), FileChange::Removed));
            came.chain(went).collect()
        }
        _ => Vec::new(),
    }
}
