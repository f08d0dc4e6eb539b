// SPDX-License-Identifier: Apache-2.0
//! From the text of a specification to a value, and the line on which each part of it stands.
//!
//! JSON is read as the YAML that it is. What makes YAML dangerous is not read: names for parts that are said again elsewhere grow
//! without end (CVE-2019-11253), types of one's own mean something to some programs and not to others.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::spec::SpecError;

/// How deep values may lie in each other. A specification needs seven levels.
const DEEPEST: usize = 32;

/// How many values there may be.
const MOST: usize = 100_000;

/// A text that was read.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    /// By paths as in `devices[0].name`.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Reads a text with one value in it.
    pub(super) fn read(text: &str) -> Result<Self, SpecError> {
        let mut reader = Reader { parser: Parser::new_from_str(text), lines: BTreeMap::new() };
        let value = reader.document()?;
        Ok(Self { value, lines: reader.lines })
    }

    /// Returns the line of a part, or of what is around it.
    pub(super) fn line_of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    lines: BTreeMap<String, usize>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), SpecError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(wrong(error.marker().line(), error.info())),
            None => Err(SpecError::wrong("it ends too early")),
        }
    }

    fn document(&mut self) -> Result<Value, SpecError> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd, _) => return Err(SpecError::wrong("it is empty")),
                (event, span) => {
                    let value = self.value(event, span, String::new(), 0)?;
                    return match (self.next()?, self.next()?) {
                        ((Event::DocumentEnd, _), (Event::StreamEnd, _)) => Ok(value),
                        (_, (_, span)) => Err(wrong(span.start.line(), "a second document begins here")),
                    };
                }
            }
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, path: String, depth: usize) -> Result<Value, SpecError> {
        let line = span.start.line();
        if depth > DEEPEST {
            return Err(wrong(line, "values lie too deep in each other"));
        }
        if self.lines.len() >= MOST {
            return Err(wrong(line, "there are too many values"));
        }
        if !path.is_empty() {
            self.lines.insert(path.clone(), line);
        }
        match event {
            Event::Alias(_) => Err(wrong(line, "an alias (`*`) is not read here: write its value out")),
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(wrong(line, "a type (`!`) is not read here"))
            }
            Event::Scalar(text, style, ..) => Ok(scalar(&text, style)),
            Event::SequenceStart(..) => self.sequence(&path, depth).map(Value::Array),
            Event::MappingStart(..) => self.mapping(&path, depth).map(Value::Object),
            _ => Err(wrong(line, "a value is missing here")),
        }
    }

    fn sequence(&mut self, path: &str, depth: usize) -> Result<Vec<Value>, SpecError> {
        let mut values = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(values);
            }
            let place = format!("{path}[{}]", values.len());
            values.push(self.value(event, span, place, depth + 1)?);
        }
    }

    fn mapping(&mut self, path: &str, depth: usize) -> Result<Map<String, Value>, SpecError> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(members),
                Event::Scalar(name, _, _, None) => name.into_owned(),
                _ => return Err(wrong(span.start.line(), "the name of a member is no plain text")),
            };
            let dot = if path.is_empty() { "" } else { "." };
            let place = format!("{path}{dot}{name}");
            let line = span.start.line();
            let (event, span) = self.next()?;
            let value = self.value(event, span, place, depth + 1)?;
            if members.insert(name.clone(), value).is_some() {
                return Err(wrong(line, &format!("`{}` is there twice", name.escape_debug())));
            }
        }
    }
}

/// What a scalar means in the core schema of YAML 1.2 (10.3.2), and octal numbers as in YAML 1.1, in which modes of files are written.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    let number = match text.strip_prefix("0o").or_else(|| text.strip_prefix('0').filter(|rest| !rest.is_empty())) {
        Some(octal) if octal.bytes().all(|byte| byte.is_ascii_digit()) => i64::from_str_radix(octal, 8).ok(),
        _ => text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| i64::from_str_radix(hex, 16).ok()),
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number.map_or_else(|| text.into(), Value::from),
    }
}

fn wrong(line: usize, what: &str) -> SpecError {
    SpecError { line: Some(line), what: what.to_owned() }
}
