// SPDX-License-Identifier: Apache-2.0
//! Parser directives: `# name=value` above everything else.

use crate::fault::{Fault, Place};

/// What the directives of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The character that takes the meaning of what follows it, and joins lines.
    pub escape: char,
    /// The frontend that the file asks for.
    pub syntax: Option<String>,
    /// Rules that are not checked; `all` for none at all.
    pub skipped_rules: Vec<String>,
    /// Rules that are checked only where they are named; `all` for all of them.
    pub experimental_rules: Vec<String>,
    /// Whether a warning is an error.
    pub warnings_are_errors: bool,
}

impl Default for Directives {
    fn default() -> Self {
        Self {
            escape: '\\',
            syntax: None,
            skipped_rules: Vec::new(),
            experimental_rules: Vec::new(),
            warnings_are_errors: false,
        }
    }
}

impl Directives {
    /// Reads the lines at the top of a file. The first line that is no directive ends them.
    ///
    /// # Errors
    ///
    /// A directive twice, or one whose value is none.
    pub fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, Fault> {
        let mut directives = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (number, line) in (1..).zip(lines) {
            let Some((name, value)) = split(line) else { break };
            let place = Place::line(number);
            if !["escape", "syntax", "check"].contains(&name.as_str()) {
                continue;
            }
            if seen.contains(&name) {
                return Err(Fault::new(place, format!("directive `{name}` stands here a second time")));
            }
            directives.set(&name, value, place)?;
            seen.push(name);
        }
        Ok(directives)
    }

    fn set(&mut self, name: &str, value: &str, place: Place) -> Result<(), Fault> {
        match (name, value) {
            ("escape", "\\") => self.escape = '\\',
            ("escape", "`") => self.escape = '`',
            ("escape", other) => {
                let fault = Fault::new(place, format!("`{other}` cannot be the escape character"));
                return Err(fault.hint("write `# escape=\\` or `` # escape=` ``"));
            }
            ("syntax", value) => self.syntax = Some(value.to_owned()),
            (_, value) => return self.set_checks(value, place),
        }
        Ok(())
    }

    /// Reads what a `check` directive says.
    ///
    /// # Errors
    ///
    /// What is none of its options.
    pub fn of_check(text: &str) -> Result<Self, Fault> {
        let mut directives = Self::default();
        directives.set_checks(text, Place::line(1))?;
        Ok(directives)
    }

    fn set_checks(&mut self, value: &str, place: Place) -> Result<(), Fault> {
        let mut parts = value.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts.try_for_each(|part| self.set_check(part, place))
    }

    fn set_check(&mut self, part: &str, place: Place) -> Result<(), Fault> {
        let wrong = || {
            let fault = Fault::new(place, format!("`{part}` is not an option of `check`"));
            fault.hint("write `# check=skip=RULE,RULE;error=true`")
        };
        match part.split_once('=') {
            Some(("skip", rules)) => {
                self.skipped_rules.extend(rules.split(',').map(|rule| rule.trim().to_owned()));
                Ok(())
            }
            Some(("experimental", rules)) => {
                self.experimental_rules.extend(rules.split(',').map(|rule| rule.trim().to_owned()));
                Ok(())
            }
            Some(("error", truth)) => {
                self.warnings_are_errors = super::words::truth(truth).ok_or_else(wrong)?;
                Ok(())
            }
            _ => Err(wrong()),
        }
    }
}

/// Takes `# name = value` apart.
fn split(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_name && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

#[cfg(test)]
mod tests {
    use super::Directives;

    fn read(text: &str) -> Result<Directives, String> {
        Directives::read(text.lines()).map_err(|fault| format!("{}: {}", fault.place.line, fault.message))
    }

    #[test]
    fn directives_stand_above_everything() {
        let read = read("# syntax = docker/dockerfile:1\n#Escape=`\n# other=1\n# check=skip=A, B;error=true\nFROM a");
        let expected = Directives {
            escape: '`',
            syntax: Some("docker/dockerfile:1".into()),
            skipped_rules: vec!["A".into(), "B".into()],
            experimental_rules: Vec::new(),
            warnings_are_errors: true,
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn after_a_comment_or_an_empty_line_there_is_none() {
        for text in ["# a comment\n# escape=`", "\n# escape=`", "FROM a\n# escape=`"] {
            assert_eq!(read(text), Ok(Directives::default()), "{text}");
        }
    }

    #[test]
    fn a_wrong_one_is_pointed_at() {
        assert_eq!(read("# escape=x"), Err("1: `x` cannot be the escape character".into()));
        assert_eq!(read("# escape=`\n# escape=`"), Err("2: directive `escape` stands here a second time".into()));
        assert_eq!(read("# check=sikp=A"), Err("1: `sikp=A` is not an option of `check`".into()));
    }
}
