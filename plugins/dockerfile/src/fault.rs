// SPDX-License-Identifier: Apache-2.0
//! What is wrong with a file, and where.

/// A place in the file: both numbers begin with 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Place {
    /// Returns the beginning of a line.
    #[must_use]
    pub fn line(line: u32) -> Self {
        Self { line, column: 1 }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What: a lower-case fragment.
    pub message: String,
    /// What can be done.
    pub hint: Option<String>,
    /// The rule that found it, by its name; empty for what makes no sense at all.
    pub rule: &'static str,
    /// Whether its line has a secret in it, and so is not to be shown.
    pub is_secret: bool,
}

impl Fault {
    /// Returns a fault at a place.
    #[must_use]
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: None, rule: "", is_secret: false }
    }

    /// Returns what a rule found.
    #[must_use]
    pub fn of_rule(rule: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { rule, ..Self::new(place, message) }
    }

    /// Says that the line has a secret in it.
    #[must_use]
    pub fn of_secret(self) -> Self {
        Self { is_secret: true, ..self }
    }

    /// Adds what can be done.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Suggests the nearest of the names that would do, else lists them.
    #[must_use]
    pub fn nearest<'a>(self, wanted: &str, names: impl Iterator<Item = &'a str> + Clone) -> Self {
        match wythe_sdk::nearest(wanted, names.clone()) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => {
                let known: Vec<&str> = names.collect();
                if known.is_empty() { self } else { self.hint(format!("there is: {}", known.join(", "))) }
            }
        }
    }
}
