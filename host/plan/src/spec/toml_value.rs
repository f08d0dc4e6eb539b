// SPDX-License-Identifier: Apache-2.0
//! TOML as JSON values, with the place of every key and value in the text.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use toml_edit::{Item, TableLike};

use super::{Code, Diagnostic};

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its key; none for a member of a list.
    pub key: Option<Range<usize>>,
    /// The value itself; for a table with a header, the header.
    pub value: Range<usize>,
}

/// The places of everything in a table, by RFC 6901 pointer. The table itself is at the empty pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// Returns the place of what a pointer names.
    #[must_use]
    pub fn get(&self, pointer: &str) -> Option<&Place> {
        self.0.get(pointer)
    }

    /// Returns the place of what a pointer names, or of the nearest thing around it that has one.
    #[must_use]
    pub fn nearest(&self, pointer: &str) -> Option<&Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.0.get(pointer) {
                return Some(place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// Returns the places below a pointer, which becomes their root.
    #[must_use]
    pub fn below(&self, root: &str) -> Self {
        let inside = |pointer: &str| pointer.is_empty() || pointer.starts_with('/');
        let members = self.0.range(root.to_owned()..).take_while(|(pointer, _)| pointer.starts_with(root));
        let relative = members.map(|(pointer, place)| (pointer[root.len()..].to_owned(), place.clone()));
        Self(relative.filter(|(pointer, _)| inside(pointer)).collect())
    }
}

/// Appends a member's name to a pointer (RFC 6901, section 3).
pub(crate) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// What was read of a document.
pub(super) struct Document {
    pub(super) table: Map<String, Value>,
    pub(super) places: Places,
    /// What JSON cannot say.
    pub(super) errors: Vec<Diagnostic>,
}

/// Reads a TOML document. Stops at the first fault of syntax: what follows one is guesswork.
pub(super) fn read(text: &str) -> Result<Document, Diagnostic> {
    let document = toml_edit::Document::parse(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let fault = Diagnostic::error(Code::Syntax, format!("the definition is not valid TOML: {message}"));
        error.span().map_or(fault.clone(), |span| fault.at(span))
    })?;
    let mut reader = Reader { places: Places::default(), errors: Vec::new() };
    reader.places.0.insert(String::new(), Place { key: None, value: 0..0 });
    let table = reader.table(document.as_table(), "", &(0..0));
    Ok(Document { table, places: reader.places, errors: reader.errors })
}

struct Reader {
    places: Places,
    errors: Vec<Diagnostic>,
}

impl Reader {
    fn table(&mut self, table: &dyn TableLike, pointer: &str, around: &Range<usize>) -> Map<String, Value> {
        let mut map = Map::new();
        for (name, item) in table.iter() {
            let key = table.key(name).and_then(toml_edit::Key::span);
            let fallback = key.clone().unwrap_or_else(|| around.clone());
            let value = self.item(item, &child(pointer, name), key, &fallback);
            map.insert(name.to_owned(), value);
        }
        map
    }

    fn item(&mut self, item: &Item, pointer: &str, key: Option<Range<usize>>, around: &Range<usize>) -> Value {
        let value = item.span().filter(|span| !span.is_empty()).unwrap_or_else(|| around.clone());
        self.places.0.insert(pointer.to_owned(), Place { key, value: value.clone() });
        match item {
            Item::None => Value::Null,
            Item::Table(table) => Value::Object(self.table(table, pointer, &value)),
            Item::ArrayOfTables(tables) => {
                let tables = tables.iter().map(|table| Item::Table(table.clone()));
                self.list(tables, pointer, &value)
            }
            Item::Value(scalar) => self.value(scalar, pointer, &value),
        }
    }

    fn list(&mut self, items: impl Iterator<Item = Item>, pointer: &str, around: &Range<usize>) -> Value {
        let read = |(index, item): (usize, Item)| self.item(&item, &format!("{pointer}/{index}"), None, around);
        Value::Array(items.enumerate().map(read).collect())
    }

    fn value(&mut self, value: &toml_edit::Value, pointer: &str, span: &Range<usize>) -> Value {
        match value {
            toml_edit::Value::String(text) => Value::String(text.value().clone()),
            toml_edit::Value::Integer(number) => Value::from(*number.value()),
            toml_edit::Value::Boolean(truth) => Value::Bool(*truth.value()),
            toml_edit::Value::Float(number) => serde_json::Number::from_f64(*number.value())
                .map_or_else(|| self.refuse("not a finite number", "write a finite number", span), Value::Number),
            toml_edit::Value::Datetime(date) => {
                self.refuse("a date has no meaning here", &format!("put it in quotes: \"{}\"", date.value()), span)
            }
            toml_edit::Value::Array(list) => {
                self.list(list.iter().map(|member| Item::Value(member.clone())), pointer, span)
            }
            toml_edit::Value::InlineTable(table) => Value::Object(self.table(table, pointer, span)),
        }
    }

    fn refuse(&mut self, message: &str, hint: &str, span: &Range<usize>) -> Value {
        self.errors.push(Diagnostic::error(Code::WrongType, message).at(span.clone()).hint(hint));
        Value::Null
    }
}
