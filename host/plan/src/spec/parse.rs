// SPDX-License-Identifier: Apache-2.0
//! From text to spec: the top of a definition and its images.

mod entry;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use wythe_image::{Digest, Platform, to_canonical_json};

use super::ambient::{NAME_HINT, is_name};
use super::check::{Validators, quote_hint, type_of};
use super::nearest::known_hint;
use super::toml_value::{self, child};
use super::{BASE_STEP, BuilderVersion, Code, Diagnostic, ImageSpec, Places, SourceText, Spec, SpecErrors, Step};
use crate::{CORE_KINDS, Kind, Severity};
use entry::Role;

type Table = Map<String, Value>;

/// Version of what is checked. It rises when a definition that was accepted might be refused.
const CHECKS: u32 = 1;

/// The keys of an image: at the top of a definition of one image, or in its table.
const IMAGE_KEYS: [&str; 4] = ["args", "base", "platform", "steps"];

impl Spec {
    /// Parses a definition. `kinds` are those of the planner; the core kinds are always known, and a kind of the same
    /// name as a core kind is not reached.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong, not only the first thing; text that is not TOML stops at its first fault.
    pub fn parse(file_name: &str, text: &str, kinds: &[Kind]) -> Result<Self, SpecErrors> {
        Self::read(file_name, text, kinds, Some(Validators::default()))
    }

    /// Parses a definition that [`Spec::parse`] has accepted before, as its [`acceptance`](Spec::acceptance) shows: what
    /// it says is not checked against the schemas of its kinds again, which takes longer than all the rest.
    ///
    /// # Errors
    ///
    /// As [`Spec::parse`], but for the options of steps.
    pub fn parse_accepted(file_name: &str, text: &str, kinds: &[Kind]) -> Result<Self, SpecErrors> {
        Self::read(file_name, text, kinds, None)
    }

    /// Names the fact that a definition is accepted with these kinds. Another text or another kind has another name.
    #[must_use]
    pub fn acceptance(text: &str, kinds: &[Kind]) -> Digest {
        let known = CORE_KINDS.iter().chain(kinds).map(|kind| (&kind.name, &kind.digest));
        let checker = (env!("CARGO_PKG_VERSION"), CHECKS);
        Digest::of(&to_canonical_json(&("accepted", checker, text, known.collect::<Vec<_>>())))
    }

    fn read(file_name: &str, text: &str, kinds: &[Kind], validators: Option<Validators>) -> Result<Self, SpecErrors> {
        let source = SourceText::new(file_name, text);
        let document = match toml_value::read(text) {
            Ok(document) => document,
            Err(fault) => return Err(SpecErrors { source, diagnostics: vec![fault] }),
        };
        let mut reader = Reader { source: &source, kinds, validators, places: document.places, found: document.errors };
        let builder = reader.builder(&document.table);
        let images = reader.images(document.table);
        let mut found = reader.found;
        found.sort_by_key(|one| one.span.as_ref().map(|span| span.start));
        if found.iter().any(|one| one.severity == Severity::Error) {
            return Err(SpecErrors { source, diagnostics: found });
        }
        Ok(Self { builder, images, warnings: found, source })
    }
}

/// What the parts of the parser share.
struct Reader<'a> {
    source: &'a SourceText,
    kinds: &'a [Kind],
    /// None where the options are known to be right.
    validators: Option<Validators>,
    /// Places of the whole document.
    places: Places,
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn builder(&mut self, table: &Table) -> BuilderVersion {
        let newest = BuilderVersion::newest();
        let Some(value) = table.get("builder") else {
            let message = format!("no builder version is given; {newest} is used");
            let hint = format!(
                "begin the definition with `builder = \"{newest}\"`, so that a later wythe builds the same image"
            );
            self.found.push(Diagnostic::warning(Code::BuilderNotPinned, message).hint(hint));
            return newest;
        };
        let Some(text) = self.text("/builder", "builder", value) else { return newest };
        text.parse().unwrap_or_else(|error| {
            let known: Vec<&str> = BuilderVersion::all().iter().map(BuilderVersion::as_str).collect();
            let fault = Diagnostic::error(Code::Unknown, format!("{error}"));
            self.push_at("/builder", fault.hint(known_hint(&text, "versions", &known)));
            newest
        })
    }

    fn images(&mut self, mut table: Table) -> Vec<ImageSpec> {
        table.remove("builder");
        let Some(images) = table.remove("images") else {
            return self.image(None, "", table).into_iter().collect();
        };
        for key in table.keys() {
            let fault = if IMAGE_KEYS.contains(&key.as_str()) {
                Diagnostic::error(Code::Conflict, format!("`{key}` and `images` cannot both be given"))
                    .hint(format!("move `{key}` into the table of an image: [images.NAME]"))
            } else {
                unknown_key(key, &["builder", "images"])
            };
            self.push_at_key(&child("", key), fault);
        }
        let Value::Object(images) = images else {
            self.wrong_type("/images", "images", "a table of tables", &images);
            return Vec::new();
        };
        if images.is_empty() {
            self.push_at(
                "/images",
                Diagnostic::error(Code::Empty, "`images` is empty").label("at least one is needed"),
            );
        }
        let start = |name: &str| self.places.get(&child("/images", name)).map(|place| place.value.start);
        let mut images: Vec<(String, Value)> = images.into_iter().collect();
        images.sort_by_key(|(name, _)| start(name));
        images.into_iter().filter_map(|(name, value)| self.named_image(name, value)).collect()
    }

    fn named_image(&mut self, name: String, value: Value) -> Option<ImageSpec> {
        let pointer = child("/images", &name);
        if !is_name(&name) {
            let fault = Diagnostic::error(Code::Invalid, format!("`{name}` cannot be the name of an image"));
            self.push_at_key(&pointer, fault.hint(NAME_HINT));
        }
        match value {
            Value::Object(table) => self.image(Some(name), &pointer, table),
            other => {
                self.wrong_type(&pointer, &format!("images.{name}"), "a table", &other);
                None
            }
        }
    }

    /// Reads an image. `None` where it has no usable base or a fault; the faults are in `found`.
    fn image(&mut self, name: Option<String>, pointer: &str, mut table: Table) -> Option<ImageSpec> {
        let at = |key: &str| child(pointer, key);
        let platform = table.remove("platform").and_then(|value| self.platform(&at("platform"), &value));
        let args = table.remove("args").map(|value| self.args(&at("args"), &value)).unwrap_or_default();
        let base = match table.remove("base") {
            Some(value) => self.entry(Role::Base, &at("base"), value),
            None => {
                self.push_at(pointer, self.no_base(name.as_deref()));
                None
            }
        };
        let steps = table.remove("steps").map(|value| self.steps(&at("steps"), value)).unwrap_or_default();
        let known: Vec<&str> = if name.is_none() {
            ["args", "base", "builder", "images", "platform", "steps"].to_vec()
        } else {
            IMAGE_KEYS.to_vec()
        };
        for key in table.keys() {
            self.push_at_key(&at(key), unknown_key(key, &known));
        }
        Some(ImageSpec { name, platform, args, base: base?, steps })
    }

    fn no_base(&self, name: Option<&str>) -> Diagnostic {
        let owner = name.map_or("the definition".to_owned(), |name| format!("image `{name}`"));
        Diagnostic::error(Code::Missing, format!("{owner} has no `base`")).hint(format!(
            "say what it starts from, as in `base = \"scratch\"`; known bases: {}",
            self.kind_names(Role::Base).join(", ")
        ))
    }

    fn platform(&mut self, pointer: &str, value: &Value) -> Option<Platform> {
        let text = self.text(pointer, "platform", value)?;
        let fault = |error| Diagnostic::error(Code::Invalid, format!("{error}"));
        Platform::named(&text).map_err(|error| self.push_at(pointer, fault(error))).ok()
    }

    fn args(&mut self, pointer: &str, value: &Value) -> BTreeMap<String, String> {
        let Some(table) = value.as_object() else {
            self.wrong_type(pointer, "args", "a table", value);
            return BTreeMap::new();
        };
        let read = |(name, value): (&String, &Value)| {
            Some((name.clone(), self.text(&child(pointer, name), &format!("args.{name}"), value)?))
        };
        table.iter().filter_map(read).collect()
    }

    fn steps(&mut self, pointer: &str, value: Value) -> Vec<Step> {
        let Value::Array(entries) = value else {
            let fault = wrong_type("steps", "a list of tables", &value);
            self.push_at(pointer, fault.hint("write each step as its own table, under the header [[steps]]"));
            return Vec::new();
        };
        let read = |(index, entry)| self.entry(Role::Step, &format!("{pointer}/{index}"), entry);
        let mut steps: Vec<Step> = entries.into_iter().enumerate().filter_map(read).collect();
        self.name_steps(&mut steps);
        steps
    }

    /// Gives each step the id it goes by: its name, or its kind with a number where that is taken.
    fn name_steps(&mut self, steps: &mut [Step]) {
        // Where a name was given.
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for step in steps.iter_mut() {
            let Some(name) = step.ambient.name.clone() else { continue };
            let here = step.places.get("/name").map_or_else(|| step.span.clone(), |place| place.value.clone());
            if name == BASE_STEP {
                let message = "no step can be called `base`: that is what the base is called";
                self.found.push(Diagnostic::error(Code::Duplicate, message).at(here));
            } else if let Some(first) = taken.insert(name.clone(), here.start) {
                let first = self.source.line_column(first).0;
                let fault = Diagnostic::error(Code::Duplicate, format!("two steps are called `{name}`"));
                self.found.push(fault.at(here).label(format!("the other one is on line {first}")));
            }
            step.id = name;
        }
        // The first number of each kind that may be free.
        let mut next: BTreeMap<&str, usize> = BTreeMap::new();
        for Step { id, kind, .. } in steps.iter_mut().filter(|step| step.ambient.name.is_none()) {
            let kind: &str = kind;
            let numbered =
                |number: usize| (number, if number == 1 { kind.to_owned() } else { format!("{kind}-{number}") });
            let is_free = |(_, id): &(usize, String)| id != BASE_STEP && !taken.contains_key(id);
            let first = next.entry(kind).or_insert(1);
            let (number, free) = (*first..).map(numbered).find(is_free).expect("there are more numbers than steps");
            *first = number + 1;
            taken.insert(free.clone(), 0);
            *id = free;
        }
    }

    fn text(&mut self, pointer: &str, name: &str, value: &Value) -> Option<String> {
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            let fault = wrong_type(name, "a string", value);
            self.push_at(pointer, Diagnostic { hints: quote_hint(value).into_iter().collect(), ..fault });
        }
        text
    }

    fn wrong_type(&mut self, pointer: &str, name: &str, wanted: &str, value: &Value) {
        self.push_at(pointer, wrong_type(name, wanted, value));
    }

    fn push_at(&mut self, pointer: &str, fault: Diagnostic) {
        let span = self.places.nearest(pointer).map(|place| place.value.clone());
        self.push(span, fault);
    }

    fn push_at_key(&mut self, pointer: &str, fault: Diagnostic) {
        let span = self.places.nearest(pointer).map(|place| place.key.clone().unwrap_or_else(|| place.value.clone()));
        self.push(span, fault);
    }

    /// A value that is no value of JSON is not refused again for its type.
    fn push(&mut self, span: Option<Range<usize>>, fault: Diagnostic) {
        let span = span.filter(|span| !span.is_empty());
        let is_known = |one: &Diagnostic| one.span == span && one.code == Code::WrongType;
        if fault.code != Code::WrongType || !self.found.iter().any(is_known) {
            self.found.push(Diagnostic { span, ..fault });
        }
    }

    /// Returns a kind by name, a core kind before any other.
    fn kind(&self, name: &str) -> Option<&'a Kind> {
        CORE_KINDS.iter().chain(self.kinds).find(|kind| kind.name == name)
    }

    /// Returns the names of the kinds that can stand in a role, sorted.
    fn kind_names(&self, role: Role) -> Vec<&str> {
        let fits = |kind: &&Kind| role.fits(kind);
        let mut names: Vec<&str> = CORE_KINDS.iter().chain(self.kinds).filter(fits).map(|kind| &*kind.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Says that an option is of the wrong type.
pub(super) fn wrong_type(name: &str, wanted: &str, value: &Value) -> Diagnostic {
    let message = format!("`{name}` must be {wanted}, not {}", type_of(value));
    Diagnostic::error(Code::WrongType, message).label(format!("expected {wanted}"))
}

fn unknown_key(key: &str, known: &[&str]) -> Diagnostic {
    Diagnostic::error(Code::Unknown, format!("unknown key `{key}`")).hint(known_hint(key, "keys", known))
}
