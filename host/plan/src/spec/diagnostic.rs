// SPDX-License-Identifier: Apache-2.0
//! What is wrong with a definition, and where. Prose for a terminal is made of it at the roof.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::Severity;

/// What sort of mistake it is, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The text is not TOML.
    Syntax,
    /// A name that means nothing at this place: a key, an option, a kind, a builder version.
    Unknown,
    /// Something that must be given is not.
    Missing,
    /// A value of the wrong type.
    WrongType,
    /// A value of the right type that is not accepted.
    Invalid,
    /// A list or text that must not be empty.
    Empty,
    /// The same thing twice.
    Duplicate,
    /// Two things of which only one can be given.
    Conflict,
    /// A step kind in the place of a base, or a base in the place of a step.
    Misplaced,
    /// Something that later versions bring.
    NotAvailable,
    /// A path that leads out of the definition's directory.
    OutsideContext,
    /// No builder version is pinned.
    BuilderNotPinned,
    /// A plugin declined the options.
    Declined,
    /// The schema of a plugin cannot be used: a fault of the plugin.
    BrokenSchema,
}

/// One thing that is wrong, in the order: what, where, and what can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How grave.
    pub severity: Severity,
    /// What sort of mistake.
    pub code: Code,
    /// A lower-case fragment that stands by itself.
    pub message: String,
    /// The bytes of the text that it is about; none for the text as a whole.
    pub span: Option<Range<usize>>,
    /// A few words beside the place; may be empty.
    pub label: String,
    /// What can be done, at most two.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// Returns an error.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span: None,
            label: String::new(),
            hints: Vec::new(),
        }
    }

    /// Returns a warning.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Says a few words beside the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds something that can be done.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// A definition's text and the name it goes by in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    name: String,
    text: String,
}

impl SourceText {
    /// Keeps a text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// Returns the name, such as `wythe.toml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns line and column of a byte, both from 1; columns count characters. A place behind the end is the end.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
    }

    /// Returns a line, counted from 1, without its end.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&str> {
        self.text.lines().nth(number.checked_sub(1)?)
    }
}

/// Everything that is wrong with a definition, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecErrors {
    /// The text.
    pub source: SourceText,
    /// At least one error, and perhaps warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<_> = self.diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
        match errors[..] {
            [one] => write!(f, "{}: {}", self.source.name, one.message),
            _ => write!(f, "{}: {} errors", self.source.name, errors.len()),
        }
    }
}

impl std::error::Error for SpecErrors {}
