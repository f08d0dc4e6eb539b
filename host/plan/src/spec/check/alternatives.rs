// SPDX-License-Identifier: Apache-2.0
//! `anyOf` and `oneOf`: which of the alternatives was meant, and what is wrong with it.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Keyword;
use serde_json::Value;

use super::sentence::{choices, names_in, not_a_choice, type_finding, types_of};
use super::{Check, Finding};
use crate::spec::Code;

type Branch<'e> = Vec<&'e ValidationError<'e>>;

impl Check<'_> {
    /// No alternative fits. What is said depends on why not:
    /// the type, a choice of words, a choice of options, or the faults of the alternative that fits best.
    pub(super) fn no_alternative(
        &self,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
    ) -> Vec<Finding> {
        let here = error.instance_path().as_str();
        if let Some(reason) = self.words(error, "x-message") {
            let mut finding = Finding::new(Code::Invalid, here, format!("{}: {reason}", self.name_of(here)));
            finding.hints.extend(self.words(error, "x-hint").map(str::to_owned));
            return vec![finding];
        }
        let branches: Vec<Branch<'_>> = context.iter().map(|branch| branch.iter().collect()).collect();
        if let Some(finding) = self.no_choice(here, error, &branches).or_else(|| self.none_given(here, &branches)) {
            return vec![finding];
        }
        let fits = |branch: &&Branch<'_>| !branch.iter().any(|error| is_about_type(error, here));
        let Some(best) = branches.iter().filter(fits).min_by_key(|branch| branch.len()) else {
            let mut wanted: Vec<&str> = Vec::new();
            for kind in
                branches.iter().flatten().filter(|error| error.instance_path().as_str() == here).flat_map(accepted)
            {
                if !wanted.contains(&kind) && (kind != "null" || branches.len() == 1) {
                    wanted.push(kind);
                }
            }
            return vec![type_finding(here, &self.name_of(here), &wanted, error.instance())];
        };
        self.findings(best.iter().copied())
    }

    /// Every alternative that fits the type is a word, and it is another one.
    fn no_choice(&self, here: &str, error: &ValidationError<'_>, branches: &[Branch<'_>]) -> Option<Finding> {
        let mut words = Vec::new();
        for branch in branches.iter().filter(|branch| !branch.iter().any(|error| is_about_type(error, here))) {
            let word = branch.iter().find(|error| error.instance_path().as_str() == here)?;
            match word.kind() {
                Keyword::Constant { expected_value } => {
                    words.extend(choices(&Value::Array(vec![(**expected_value).clone()])));
                }
                Keyword::Enum { options } => words.extend(choices(options)),
                _ => return None,
            }
        }
        (!words.is_empty()).then(|| not_a_choice(here, &self.name_of(here), error.instance(), &words))
    }

    /// Every alternative needs another option, and none of them is there.
    fn none_given(&self, here: &str, branches: &[Branch<'_>]) -> Option<Finding> {
        let mut names = BTreeSet::new();
        for branch in branches {
            let [only] = branch[..] else { return None };
            match only.kind() {
                Keyword::Required { property } if only.instance_path().as_str() == here => {
                    names.insert(format!("`{}`", property.as_str()?));
                }
                _ => return None,
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        let owner = if here.is_empty() { format!("`{}`", self.kind.name) } else { self.name_of(here) };
        let message = format!("{owner} needs {}", names.join(" or "));
        Some(Finding::new(Code::Missing, here, message).label(format!("one of {} is needed", names.join(", "))))
    }

    /// More than one alternative fits where one only is accepted.
    pub(super) fn too_many_alternatives(&self, error: &ValidationError<'_>) -> Finding {
        let here = error.instance_path().as_str();
        let node = self.node(error);
        if let Some(reason) = node.get("x-message").and_then(Value::as_str) {
            return Finding::new(Code::Conflict, here, format!("{}: {reason}", self.name_of(here)));
        }
        let alternatives = node.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let given: BTreeSet<&str> = alternatives
            .iter()
            .flat_map(|alternative| names_in(alternative.get("required")))
            .filter(|name| error.instance().get(name).is_some())
            .collect();
        if given.len() < 2 {
            let message = format!("{} can be read in more than one way", self.name_of(here));
            return Finding::new(Code::Conflict, here, message);
        }
        self.together(here, &given.into_iter().collect::<Vec<_>>())
    }
}

fn is_about_type(error: &ValidationError<'_>, here: &str) -> bool {
    matches!(error.kind(), Keyword::Type { .. }) && error.instance_path().as_str() == here
}

fn accepted(error: &&ValidationError<'_>) -> Vec<&'static str> {
    match error.kind() {
        Keyword::Type { kind } => types_of(kind),
        _ => Vec::new(),
    }
}
