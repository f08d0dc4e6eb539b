// SPDX-License-Identifier: Apache-2.0
//! One entry of a definition: a base or a step.

use serde_json::{Map, Value};

use super::{Reader, Table};
use crate::spec::check::Finding;
use crate::spec::nearest::known_hint;
use crate::spec::toml_value::child;
use crate::spec::{BASE_STEP, Code, Diagnostic, Step, ambient};
use crate::{Kind, core_steps};

/// The place of an entry in its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Base,
    Step,
}

impl Role {
    /// Returns whether a kind may stand here.
    pub(super) fn fits(self, kind: &Kind) -> bool {
        match self {
            Self::Base => kind.is_base,
            Self::Step => kind.is_step,
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads an entry. `None` where its kind is not known; every other fault is in `found`, and the entry is
    /// returned all the same, so that what follows it is read with the right names.
    pub(super) fn entry(&mut self, role: Role, pointer: &str, value: Value) -> Option<Step> {
        let mut table = self.entry_table(role, pointer, value)?;
        let kind = self.entry_kind(role, pointer, &mut table);
        let own = kind.map(own_options).unwrap_or_default();
        let mut faults = Vec::new();
        let ambient = ambient::take(&mut table, &own, pointer, &self.places, &mut faults);
        self.found.extend(faults);
        if role == Role::Base && ambient.name.is_some() {
            let message = "a base has no `name`: it is always called `base`";
            self.push_at_key(&child(pointer, "name"), Diagnostic::error(Code::Misplaced, message));
        }
        let kind = kind?;
        let options = Value::Object(table);
        self.check_options(pointer, kind, &options);
        let span = self.places.nearest(pointer).map(|place| place.value.clone()).unwrap_or_default();
        let places = self.places.below(pointer);
        Some(Step { id: BASE_STEP.to_owned(), kind: kind.name.clone(), options, ambient, span, places })
    }

    /// A base can be a word: `base = "scratch"`.
    fn entry_table(&mut self, role: Role, pointer: &str, value: Value) -> Option<Table> {
        match (role, value) {
            (_, Value::Object(table)) => Some(table),
            (Role::Base, Value::String(kind)) => Some(Map::from_iter([("kind".to_owned(), Value::String(kind))])),
            (Role::Base, other) => {
                self.wrong_type(pointer, "base", "a table or the name of a kind", &other);
                None
            }
            (Role::Step, other) => {
                self.wrong_type(pointer, "steps", "a list of tables", &other);
                None
            }
        }
    }

    fn entry_kind(&mut self, role: Role, pointer: &str, table: &mut Table) -> Option<&'a Kind> {
        let at = child(pointer, "kind");
        let Some(value) = table.remove("kind") else {
            let fault = self.no_kind(role, table);
            self.push_at(pointer, fault);
            return None;
        };
        let name = self.text(&at, "kind", &value)?;
        let Some(kind) = self.kind(&name) else {
            let fault = self.unknown_kind(role, &name);
            self.push_at(&at, fault);
            return None;
        };
        if !role.fits(kind) {
            let fault = self.misplaced(role, &name);
            self.push_at(&at, fault);
        }
        Some(kind)
    }

    fn no_kind(&self, role: Role, table: &Table) -> Diagnostic {
        let what = if role == Role::Base { "the base" } else { "this step" };
        let names = self.kind_names(role);
        let meant = table.keys().find(|key| names.contains(&key.as_str()) && !ambient::NAMES.contains(&key.as_str()));
        let guess = meant.map(|kind| format!("did you mean `kind = \"{kind}\"`? ")).unwrap_or_default();
        Diagnostic::error(Code::Missing, format!("{what} has no `kind`"))
            .label("`kind` is missing")
            .hint(format!("{guess}known kinds: {}", names.join(", ")))
    }

    fn unknown_kind(&self, role: Role, name: &str) -> Diagnostic {
        let what = if role == Role::Base { "base" } else { "step" };
        let fault = Diagnostic::error(Code::Unknown, format!("unknown {what} kind `{name}`"))
            .label("no plugin provides this kind")
            .hint(known_hint(name, "kinds", &self.kind_names(role)));
        if role == Role::Base && name.contains([':', '/']) {
            return fault.hint(format!("for an image: base = {{ kind = \"image\", reference = \"{name}\" }}"));
        }
        fault
    }

    fn misplaced(&self, role: Role, name: &str) -> Diagnostic {
        match role {
            Role::Base => Diagnostic::error(Code::Misplaced, format!("`{name}` is a step and cannot be a base"))
                .hint(format!("known bases: {}", self.kind_names(role).join(", "))),
            Role::Step => Diagnostic::error(Code::Misplaced, format!("`{name}` is a base and cannot be a step"))
                .hint("an image has one base, which is given as `base`"),
        }
    }

    /// Options of core kinds are checked further, where their shape is right.
    fn check_options(&mut self, pointer: &str, kind: &Kind, options: &Value) {
        let Some(validators) = &mut self.validators else { return };
        let findings = validators.check(kind, options);
        let is_shaped = findings.is_empty();
        for finding in findings {
            self.report(pointer, finding);
        }
        if !is_shaped || !kind.is_core() {
            return;
        }
        for (code, problem) in core_steps::faults(&kind.name, options) {
            let mut fault = Diagnostic::error(code, problem.message);
            fault.hints.extend(problem.hint);
            self.push_at(&format!("{pointer}{}", problem.path), fault);
        }
    }

    fn report(&mut self, pointer: &str, finding: Finding) {
        let Finding { pointer: option, at_key, code, message, label, hints } = finding;
        let fault = Diagnostic { label, hints, ..Diagnostic::error(code, message) };
        let at = format!("{pointer}{option}");
        if at_key { self.push_at_key(&at, fault) } else { self.push_at(&at, fault) }
    }
}

/// An option of every step that a core kind gives its own meaning, as `user` gives `user`. Plugins cannot: what surrounds
/// a step is the same for all of them.
fn own_options(kind: &Kind) -> Vec<&'static str> {
    let declares = |name: &&str| kind.schema.pointer(&child("/properties", name)).is_some();
    if kind.is_core() { ambient::NAMES.into_iter().filter(declares).collect() } else { Vec::new() }
}
