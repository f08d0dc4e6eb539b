// SPDX-License-Identifier: Apache-2.0
//! One sentence for each keyword of JSON Schema.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Keyword};
use serde_json::Value;

use super::{Check, Finding};
use crate::spec::Code;
use crate::spec::ambient;
use crate::spec::nearest::{known_hint, nearest};
use crate::spec::toml_value::child;

/// Longest value that is shown in a message.
const SHOWN: usize = 60;

impl Check<'_> {
    /// Returns what one error of the validator means. One error can be about several options.
    pub(super) fn finding(&self, error: &ValidationError<'_>) -> Vec<Finding> {
        let here = error.instance_path().as_str();
        let name = self.name_of(here);
        let one = |finding: Finding| vec![finding];
        match error.kind() {
            Keyword::Type { kind } => one(type_finding(here, &name, &types_of(kind), error.instance())),
            Keyword::AdditionalProperties { unexpected } | Keyword::UnevaluatedProperties { unexpected } => {
                unexpected.iter().map(|unknown| self.unknown(error, unknown)).collect()
            }
            Keyword::Required { property } => one(self.missing(here, property.as_str().unwrap_or_default())),
            Keyword::Enum { options } => one(not_a_choice(here, &name, error.instance(), &choices(options))),
            Keyword::Constant { expected_value } => {
                one(not_a_choice(here, &name, error.instance(), &[shown(expected_value)]))
            }
            Keyword::MinItems { limit: 1 } | Keyword::MinProperties { limit: 1 } => {
                one(Finding::new(Code::Empty, here, format!("{name} is empty")).label("at least one is needed"))
            }
            Keyword::MinLength { limit: 1 } => one(Finding::new(Code::Empty, here, format!("{name} is empty"))),
            Keyword::UniqueItems => one(self.twice(here, &name, error.instance())),
            Keyword::Pattern { .. } | Keyword::Format { .. } => one(self.refused(error)),
            Keyword::PropertyNames { error: inner } => one(self.bad_key(error, inner)),
            Keyword::FalseSchema => {
                one(Finding::new(Code::Unknown, here, format!("{name} is not accepted here")).at_key())
            }
            Keyword::Not { schema } => one(self.forbidden(error, schema)),
            Keyword::AnyOf { context } | Keyword::OneOfNotValid { context } => self.no_alternative(error, context),
            Keyword::OneOfMultipleValid { .. } => one(self.too_many_alternatives(error)),
            other => match limit(other) {
                Some(limit) => one(Finding::new(Code::Invalid, here, format!("{name} must {limit}"))),
                None => one(self.refused(error)),
            },
        }
    }

    /// Returns how an option is called in messages, in code quotes: `packages`, `set.A`, item 2 of `packages`.
    pub(super) fn name_of(&self, pointer: &str) -> String {
        let mut names: Vec<String> = Vec::new();
        let mut item = None;
        let mut value = Some(self.options);
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let inside = value.and_then(|value| match value {
                Value::Array(list) => list.get(segment.parse::<usize>().ok()?),
                other => other.get(&segment),
            });
            if value.is_some_and(Value::is_array) {
                item = segment.parse::<usize>().ok().map(|index| index + 1);
            } else {
                if let Some(number) = item.take() {
                    names.push(format!("{number}"));
                }
                names.push(segment);
            }
            value = inside;
        }
        match (names.join("."), item) {
            (name, Some(number)) => format!("item {number} of `{name}`"),
            (name, None) if name.is_empty() => format!("the step `{}`", self.kind.name),
            (name, None) => format!("`{name}`"),
        }
    }

    fn unknown(&self, error: &ValidationError<'_>, unknown: &str) -> Finding {
        let here = error.instance_path().as_str();
        let mut known = BTreeSet::new();
        collect_properties(&self.kind.schema, self.node(error), &mut known);
        if here.is_empty() {
            known.retain(|name| !ambient::is_taken(name));
        }
        let known: Vec<&str> = known.into_iter().collect();
        let at = child(here, unknown);
        if !here.is_empty() {
            let message = format!("unknown key `{unknown}` in {}", self.name_of(here));
            return Finding::new(Code::Unknown, at, message).hint(known_hint(unknown, "keys", &known)).at_key();
        }
        let message = format!("unknown option `{unknown}` of `{}`", self.kind.name);
        let list = match known[..] {
            [] => format!("`{}` has no options of its own", self.kind.name),
            _ => format!("known options: {}", known.join(", ")),
        };
        let every = format!("every step has {}", ambient::NAMES.join(", "));
        let all = known.iter().copied().chain(ambient::NAMES);
        let meant = nearest(unknown, all).map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
        Finding::new(Code::Unknown, at, message).hint(format!("{meant}{list}; {every}")).at_key()
    }

    fn missing(&self, here: &str, property: &str) -> Finding {
        let owner = if here.is_empty() { format!("`{}`", self.kind.name) } else { self.name_of(here) };
        let message = format!("{owner} needs `{property}`");
        Finding::new(Code::Missing, here, message).label(format!("`{property}` is missing"))
    }

    fn twice(&self, here: &str, name: &str, list: &Value) -> Finding {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let again = (1..list.len()).find(|index| list[..*index].contains(&list[*index]));
        let (pointer, value) = match again {
            Some(index) => (format!("{here}/{index}"), shown(&list[index])),
            None => (here.to_owned(), "a value".to_owned()),
        };
        Finding::new(Code::Duplicate, pointer, format!("`{value}` is listed twice in {name}"))
    }

    /// A value of the right type that the schema does not accept, in the schema's own words where it has some.
    fn refused(&self, error: &ValidationError<'_>) -> Finding {
        let here = error.instance_path().as_str();
        let name = self.name_of(here);
        let value = shown(error.instance());
        let subject = if error.instance().is_object() { name } else { format!("{name} cannot be `{value}`") };
        let code = if error.instance().as_str() == Some("") { Code::Empty } else { Code::Invalid };
        let mut finding = match (self.words(error, "x-message"), error.kind()) {
            (Some(reason), _) => Finding::new(code, here, format!("{subject}: {reason}")),
            (None, Keyword::Format { format }) => {
                Finding::new(code, here, subject).label(format!("not a valid {format}"))
            }
            (None, Keyword::Pattern { pattern }) => {
                let label = self.words(error, "description").map_or_else(
                    || format!("does not match the pattern {pattern}"),
                    |text| format!("expected: {}", first_sentence(text)),
                );
                Finding::new(code, here, subject).label(label)
            }
            (None, _) => Finding::new(code, here, error.to_string()),
        };
        finding.hints.extend(self.words(error, "x-hint").map(str::to_owned));
        finding
    }

    fn bad_key(&self, error: &ValidationError<'_>, inner: &ValidationError<'_>) -> Finding {
        let here = error.instance_path().as_str();
        let key = inner.instance().as_str().unwrap_or_default();
        let reason = self.words(inner, "x-message").or_else(|| {
            self.node(error).get("propertyNames").and_then(|names| names.get("x-message")).and_then(Value::as_str)
        });
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let message = format!("`{}` cannot be a key of {}{reason}", key.escape_debug(), self.name_of(here));
        Finding::new(Code::Invalid, child(here, key), message).at_key()
    }

    fn forbidden(&self, error: &ValidationError<'_>, schema: &Value) -> Finding {
        let here = error.instance_path().as_str();
        let together = names_in(schema.get("required"));
        if self.words(error, "x-message").is_some() || together.is_empty() {
            return self.refused(error);
        }
        self.together(here, &together)
    }

    /// Says that of several options only one can be given, at the last of them.
    pub(super) fn together(&self, here: &str, names: &[&str]) -> Finding {
        let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let both = if list.len() == 2 { "both " } else { "" };
        let message = format!("{} cannot {both}be given", list.join(" and "));
        let last = names.last().map_or_else(|| here.to_owned(), |name| child(here, name));
        Finding::new(Code::Conflict, last, message).at_key()
    }
}

/// Says that a value is of the wrong type.
pub(super) fn type_finding(here: &str, name: &str, wanted: &[&str], value: &Value) -> Finding {
    let wanted_text = wanted.iter().map(|kind| with_article(type_name(kind))).collect::<Vec<_>>().join(" or ");
    let message = format!("{name} must be {wanted_text}, not {}", type_of(value));
    let mut finding = Finding::new(Code::WrongType, here, message).label(format!("expected {wanted_text}"));
    if wanted.contains(&"array") && value.is_string() {
        finding.hints.push(format!("put it in brackets: [{value}]"));
    } else if wanted.contains(&"string") {
        finding.hints.extend(quote_hint(value));
    }
    finding
}

/// Says that a value is none of those that are accepted.
pub(super) fn not_a_choice(here: &str, name: &str, value: &Value, choices: &[String]) -> Finding {
    let value = shown(value);
    let known: Vec<&str> = choices.iter().map(String::as_str).collect();
    Finding::new(Code::Invalid, here, format!("{name} cannot be `{value}`")).hint(known_hint(&value, "values", &known))
}

/// Returns the hint for a scalar that should have been a string.
pub(in crate::spec) fn quote_hint(value: &Value) -> Option<String> {
    matches!(value, Value::Number(_) | Value::Bool(_)).then(|| format!("put it in quotes: \"{value}\""))
}

/// Returns the type of a value, in the words of TOML and with its article.
pub(in crate::spec) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn type_name(json: &str) -> &str {
    match json {
        "array" => "list",
        "object" => "table",
        "null" => "null",
        other => other,
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// Returns the types that are accepted; "null" is left out, since TOML cannot say it.
pub(super) fn types_of(kind: &TypeKind) -> Vec<&'static str> {
    let types: Vec<&'static str> = match kind {
        TypeKind::Single(one) => vec![one.as_str()],
        TypeKind::Multiple(set) => set.iter().map(|one| one.as_str()).collect(),
    };
    let sayable: Vec<&'static str> = types.iter().copied().filter(|kind| *kind != "null").collect();
    if sayable.is_empty() { types } else { sayable }
}

/// Returns the values of an `enum`, "null" left out.
pub(super) fn choices(options: &Value) -> Vec<String> {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    options.iter().filter(|option| !option.is_null()).map(shown).collect()
}

/// Returns a value as it stands in messages: strings without quotes, long ones cut.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), |text| text.escape_debug().to_string());
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the first sentence of a description as a fragment.
fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let sentence = line.split_once(". ").map_or(line, |(sentence, _)| sentence).trim_end_matches('.');
    let mut letters = sentence.chars();
    match letters.next() {
        // An acronym keeps its capitals.
        Some(first) if !letters.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// Returns the strings of a list such as `required`.
pub(super) fn names_in(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Collects the names of the properties that a schema knows, through everything it is composed of.
fn collect_properties<'a>(root: &'a Value, schema: &'a Value, names: &mut BTreeSet<&'a str>) {
    collect_within(root, schema, names, 8);
}

fn collect_within<'a>(root: &'a Value, schema: &'a Value, names: &mut BTreeSet<&'a str>, depth: usize) {
    // A schema may refer to itself.
    let Some(depth) = depth.checked_sub(1) else { return };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        names.extend(
            properties.iter().filter(|(_, schema)| **schema != Value::Bool(false)).map(|(name, _)| name.as_str()),
        );
    }
    for part in ["allOf", "anyOf", "oneOf"].iter().filter_map(|part| schema.get(part)?.as_array()).flatten() {
        collect_within(root, part, names, depth);
    }
    for part in ["if", "then", "else"].iter().filter_map(|part| schema.get(part)) {
        collect_within(root, part, names, depth);
    }
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    if let Some(target) = reference.and_then(|pointer| root.pointer(pointer)) {
        collect_within(root, target, names, depth);
    }
}

fn limit(keyword: &Keyword) -> Option<String> {
    Some(match keyword {
        Keyword::MinItems { limit } => format!("have at least {limit} items"),
        Keyword::MaxItems { limit } => format!("have at most {limit} items"),
        Keyword::AdditionalItems { limit } => format!("have at most {limit} items"),
        Keyword::MinProperties { limit } => format!("have at least {limit} keys"),
        Keyword::MaxProperties { limit } => format!("have at most {limit} keys"),
        Keyword::MinLength { limit } => format!("have at least {limit} characters"),
        Keyword::MaxLength { limit } => format!("have at most {limit} characters"),
        Keyword::Minimum { limit } => format!("be at least {limit}"),
        Keyword::Maximum { limit } => format!("be at most {limit}"),
        Keyword::ExclusiveMinimum { limit } => format!("be more than {limit}"),
        Keyword::ExclusiveMaximum { limit } => format!("be less than {limit}"),
        Keyword::MultipleOf { multiple_of } => format!("be a multiple of {multiple_of}"),
        _ => return None,
    })
}
