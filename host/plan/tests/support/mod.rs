// SPDX-License-Identifier: Apache-2.0
//! Kinds to parse with, and a plain rendering of what is wrong.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wythe_image::Digest;
use wythe_plan::Kind;
use wythe_plan::spec::{Diagnostic, SourceText};

fn kind(name: &str, is_base: bool, schema: Value) -> Kind {
    Kind {
        name: name.to_owned(),
        summary: format!("the kind {name}"),
        plugin: name.to_owned(),
        version: "0.1.0".to_owned(),
        digest: Digest::of(name.as_bytes()),
        is_base,
        is_step: !is_base,
        files: Vec::new(),
        resolves: false,
        hosts: Vec::new(),
        imports: Vec::new(),
        schema,
    }
}

/// Kinds with schemas of the sorts that plugins have: written by hand, and derived from types.
pub(crate) fn kinds() -> Vec<Kind> {
    let package = json!({
        "type": "string", "pattern": "^[^-\\s]",
        "x-message": "a package does not begin with a dash",
        "x-hint": "put flags into `extra-options`",
    });
    let apt = json!({
        "type": "object",
        "properties": {
            "packages": {"type": "array", "minItems": 1, "uniqueItems": true, "items": package},
            "recommends": {"type": "boolean"},
        },
        "required": ["packages"],
        "additionalProperties": false,
    });
    let pip = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "packages": {"type": "array", "items": package},
            "requirements": {"type": "array", "items": {"type": "string", "minLength": 1}},
            "index-url": {"type": ["string", "null"], "format": "uri"},
            "compile": {"$ref": "#/$defs/Compile"},
            "source": {"$ref": "#/$defs/Source"},
            "jobs": {"type": "integer", "minimum": 1, "maximum": 64},
            "prefix": {"type": "string", "pattern": "^/", "description": "An absolute path. Rarely needed."},
            "gpu": {"type": "string"},
        },
        "anyOf": [{"required": ["packages"]}, {"required": ["requirements"]}],
        "not": {"required": ["prefix", "source"]},
        "unevaluatedProperties": false,
        "$defs": {
            "Compile": {"oneOf": [{"const": "always"}, {"const": "never"}, {"enum": ["if-needed"]}]},
            "Source": {"anyOf": [
                {"type": "string"},
                {"type": "object", "properties": {"git": {"type": "string"}, "rev": {"type": "string"}},
                 "required": ["git"], "additionalProperties": false},
                {"type": "null"},
            ]},
        },
    });
    let debian = json!({
        "type": "object",
        "properties": {
            "release": {"enum": ["bookworm", "trixie"]},
            "python": {"type": "string", "pattern": "^3\\.[0-9]+$"},
        },
        "additionalProperties": false,
    });
    vec![
        kind("apt", false, apt),
        kind("broken", false, json!({"type": 7})),
        kind("debian-slim", true, debian),
        kind("pip", false, pip),
    ]
}

/// Renders what is wrong in the form of the golden files, every part of it.
pub(crate) fn render(diagnostics: &[Diagnostic], source: &SourceText) -> String {
    diagnostics.iter().map(|one| render_one(one, source)).collect::<Vec<_>>().join("\n")
}

fn render_one(one: &Diagnostic, source: &SourceText) -> String {
    let mut text = format!("{}[{}]: {}\n", word(&one.severity), word(&one.code), one.message);
    if let Some(span) = &one.span {
        let (line, column) = source.line_column(span.start);
        let shown = source.line(line).unwrap_or_default();
        let first = source.text()[span.clone()].lines().next().unwrap_or_default();
        let carets = "^".repeat(first.chars().count().max(1));
        let gutter = " ".repeat(format!("{line} | ").len() + column - 1);
        write!(text, "  --> {}:{line}:{column}\n{line} | {shown}\n", source.name()).unwrap();
        text.push_str(format!("{gutter}{carets} {}", one.label).trim_end());
        text.push('\n');
    } else if !one.label.is_empty() {
        writeln!(text, "  ({})", one.label).unwrap();
    }
    for hint in &one.hints {
        writeln!(text, "hint: {hint}").unwrap();
    }
    text
}

/// Returns the word that a unit variant is in JSON.
fn word(variant: &impl serde::Serialize) -> String {
    serde_json::to_value(variant).unwrap().as_str().unwrap().to_owned()
}
