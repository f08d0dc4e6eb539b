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
}

impl Fault {
    /// Returns a fault at a place.
    #[must_use]
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: None }
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

    /// Returns the fault as text: what, where, the line and a mark below it.
    #[must_use]
    pub fn render(&self, name: &str, source: &str) -> String {
        let Place { line, column } = self.place;
        let text = source.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default().trim_end_matches('\r');
        // A line of a megabyte is not shown whole: what stands around the place is.
        let skipped = (column as usize).saturating_sub(1).saturating_sub(BEFORE);
        let shown: String = text.chars().skip(skipped).take(BEFORE + AFTER).map(visible).collect();
        let number = line.to_string();
        let gap = " ".repeat(number.len());
        let mark = " ".repeat((column as usize).saturating_sub(1) - skipped);
        format!("{}\n{gap}--> {name}:{line}:{column}\n{gap} |\n{number} | {shown}\n{gap} | {mark}^", self.message)
    }
}

/// Most characters that are shown before and after the place.
const BEFORE: usize = 60;
const AFTER: usize = 80;

fn visible(letter: char) -> char {
    if letter == '\t' {
        ' '
    } else if letter.is_control() {
        '\u{fffd}'
    } else {
        letter
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Place};

    #[test]
    fn a_fault_shows_its_line() {
        let fault = Fault::new(Place { line: 2, column: 5 }, "unknown flag `--form`");
        assert_eq!(
            fault.render("Dockerfile", "FROM a\nRUN --form\n"),
            "unknown flag `--form`\n --> Dockerfile:2:5\n  |\n2 | RUN --form\n  |     ^"
        );
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let source = "x".repeat(1 << 20);
        let fault = Fault::new(Place { line: 1, column: 500_000 }, "long");
        let text = fault.render("f", &source);
        assert!(text.len() < 400, "{}", text.len());
        assert!(text.ends_with(&format!("{}^", " ".repeat(60))), "{text}");
    }
}
