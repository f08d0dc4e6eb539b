// SPDX-License-Identifier: Apache-2.0
//! Holds a plugin's metadata against its types.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, Visitor, value::Error};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::Value;

use super::Subject;

/// Checks a plugin's metadata: its form, and that the schema's properties are the fields of the options type, that the
/// schema's examples are accepted by the type, and that what the schema requires the type requires.
///
/// # Panics
///
/// Panics with what is wrong.
pub fn metadata(subject: Subject, text: &str) {
    let metadata: Metadata = serde_json::from_str(text).unwrap_or_else(|error| panic!("metadata: {error}"));
    for (word, text) in [("name", &metadata.name), ("version", &metadata.version), ("summary", &metadata.summary)] {
        assert!(!text.is_empty(), "metadata: `{word}` is empty");
    }
    assert_eq!(metadata.format, 1, "metadata: `format`");
    let [kind] = metadata.kinds.as_slice() else { panic!("metadata: `kinds` has one entry") };
    assert!(!kind.summary.is_empty(), "kind `{}` has no summary", kind.name);
    assert_eq!(kind.resolves, subject.resolve.is_some(), "kind `{}`: `resolves` says what the step is", kind.name);
    let resolves_or_fetches_nothing = kind.resolves || metadata.hosts.is_empty();
    assert!(resolves_or_fetches_nothing, "`hosts` are for resolving, and `{}` resolves nothing", kind.name);
    let announces = !metadata.inventory.is_empty();
    assert_eq!(announces, subject.packages.is_some(), "metadata: `inventory` says whether packages are listed");
    schema_fits(subject, &kind.name, &kind.schema);
}

fn schema_fits(subject: Subject, kind: &str, schema: &Value) {
    let draft = schema["$schema"].as_str();
    assert_eq!(draft, Some("https://json-schema.org/draft/2020-12/schema"), "kind `{kind}`: `$schema`");
    assert_eq!(schema["additionalProperties"], Value::Bool(false), "kind `{kind}`: `additionalProperties` is false");
    let properties = schema["properties"].as_object().expect("the schema has `properties`");
    let named: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    let fields: BTreeSet<&str> = (subject.fields)().into_iter().collect();
    assert_eq!(named, fields, "kind `{kind}`: the schema's properties are the options' fields");
    for (name, property) in properties {
        assert!(property["description"].is_string(), "kind `{kind}`: `{name}` has a description");
    }
    let examples = schema["examples"].as_array().expect("the schema has `examples`");
    assert!(!examples.is_empty(), "kind `{kind}`: there is an example");
    for example in examples {
        (subject.accepts)(example).unwrap_or_else(|error| panic!("kind `{kind}`: example {example}: {error}"));
        required_is_required(subject, kind, schema, example);
        for name in example.as_object().into_iter().flat_map(|fields| fields.keys()) {
            assert!(named.contains(name.as_str()), "kind `{kind}`: example {example}: no property `{name}`");
        }
    }
}

/// An option that the schema requires and the type defaults, or the other way, is a message in the wrong place.
fn required_is_required(subject: Subject, kind: &str, schema: &Value, example: &Value) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for name in example.as_object().into_iter().flat_map(|fields| fields.keys()) {
        let mut without = example.clone();
        without.as_object_mut().expect("an example is an object").remove(name);
        let needs = (subject.accepts)(&without).is_err();
        assert_eq!(needs, required.contains(&name.as_str()), "kind `{kind}`: whether `{name}` is required");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: u32,
    name: String,
    version: String,
    summary: String,
    kinds: Vec<Kind>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    inventory: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    name: String,
    summary: String,
    #[serde(default)]
    #[allow(dead_code, reason = "the form is what is checked")]
    base: bool,
    #[serde(rename = "step", default)]
    _step: Option<bool>,
    #[serde(rename = "files", default)]
    _files: Vec<String>,
    #[serde(default)]
    resolves: bool,
    #[serde(default, rename = "translates")]
    _translates: bool,
    #[serde(default, rename = "recognises")]
    _recognises: bool,
    schema: Value,
}

pub(super) fn accepts<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    T::deserialize(value).map(drop).map_err(|error| error.to_string())
}

/// Returns the names of a struct's fields, as serde knows them. An alias counts as a field.
pub(super) fn fields_of<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut names: &'static [&'static str] = &[];
    // The probe answers every question with an error; the names are what it is after.
    drop(T::deserialize(FieldNames(&mut names)));
    names.to_vec()
}

struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(stop())
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(stop())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn stop() -> Error {
    struct Stop;
    impl fmt::Display for Stop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("only the fields' names were wanted")
        }
    }
    serde::de::Error::custom(Stop)
}
