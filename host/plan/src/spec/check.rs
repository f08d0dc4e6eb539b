// SPDX-License-Identifier: Apache-2.0
//! Options against the schema of their kind, and what a validator finds in words for people.
//!
//! A schema can say more about itself than the standard does: `x-message` beside a keyword is the reason why a value
//! is refused ("a package name does not begin with a dash"), `x-hint` is what can be done about it.

mod alternatives;
mod sentence;

use std::collections::BTreeMap;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::Code;
use crate::Kind;

pub(super) use sentence::{quote_hint, type_of};

/// One thing that is wrong with the options of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// RFC 6901 pointer into the options.
    pub(super) pointer: String,
    /// Whether it is the key and not the value that is wrong.
    pub(super) at_key: bool,
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) hints: Vec<String>,
}

impl Finding {
    fn new(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        Self { pointer, at_key: false, code, message, label: String::new(), hints: Vec::new() }
    }

    fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    fn at_key(self) -> Self {
        Self { at_key: true, ..self }
    }
}

/// What the sentences need to know.
struct Check<'a> {
    kind: &'a Kind,
    options: &'a Value,
}

/// The schemas of the kinds that a definition uses, each compiled once: that takes longer than checking a step.
#[derive(Default)]
pub(super) struct Validators(BTreeMap<String, Result<Validator, String>>);

impl Validators {
    /// Returns everything that is wrong with the options of a step of this kind.
    pub(super) fn check(&mut self, kind: &Kind, options: &Value) -> Vec<Finding> {
        let validator = match self.0.entry(kind.name.clone()).or_insert_with(|| compile(kind)) {
            Ok(validator) => validator,
            Err(message) => {
                let finding = Finding::new(Code::BrokenSchema, "", message.clone());
                return vec![finding.hint("this is a fault of the plugin")];
            }
        };
        let check = Check { kind, options };
        let errors: Vec<ValidationError<'_>> = validator.iter_errors(options).collect();
        check.findings(errors.iter())
    }
}

fn compile(kind: &Kind) -> Result<Validator, String> {
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&kind.schema);
    validator
        .map_err(|error| format!("the schema of `{}` from plugin `{}` cannot be used: {error}", kind.name, kind.plugin))
}

impl Check<'_> {
    fn findings<'e>(&self, errors: impl Iterator<Item = &'e ValidationError<'e>>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for finding in errors.flat_map(|error| self.finding(error)) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    }

    /// Returns the part of the schema that holds the keyword which an error is about.
    fn node(&self, error: &ValidationError<'_>) -> &Value {
        let path = error.schema_path().as_str();
        let node = path.rfind('/').and_then(|end| self.kind.schema.pointer(&path[..end]));
        node.unwrap_or(&Value::Null)
    }

    /// Returns what the schema says in its own words, such as `x-message`.
    fn words(&self, error: &ValidationError<'_>, keyword: &str) -> Option<&str> {
        self.node(error).get(keyword).and_then(Value::as_str)
    }
}
