// SPDX-License-Identifier: Apache-2.0
//! The text of a file and where it comes from.

use std::cell::OnceCell;

use wythe_sdk::report::{self, Finding};
use wythe_sdk::{Failure, Severity, build};

use crate::fault::{Fault, Place};
use crate::text::stages::Dockerfile;
use crate::{Options, plan};

/// Largest file that is read.
const MOST_BYTES: usize = 8 << 20;

/// Most characters that are marked.
const MOST_MARKED: usize = 200;

/// A file's text.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text.
    pub(crate) text: String,
    origin: Origin,
    /// The option that it was given by.
    option: &'static str,
    /// Where the lines begin, once somebody has asked.
    lines: OnceCell<Vec<usize>>,
}

#[derive(Debug)]
enum Origin {
    /// A file of the build context.
    Context(String),
    /// An option that holds the text.
    Text,
    /// Entries of `commands`, each with how many lines it has.
    Commands(Vec<u32>),
}

impl Source {
    fn new(text: String, origin: Origin, option: &'static str) -> Self {
        Self { text, origin, option, lines: OnceCell::new() }
    }

    /// Reads the text that the options name.
    ///
    /// # Errors
    ///
    /// Where there is none, or it cannot be a text.
    pub(crate) fn of(options: &Options) -> Result<Self, Failure> {
        let given = [options.path.is_some(), options.text.is_some(), options.commands.is_some()];
        if given.iter().filter(|is_given| **is_given).count() > 1 {
            return Err(Failure::option("", "`path`, `text` and `commands` exclude each other"));
        }
        if let Some(commands) = &options.commands {
            let lines = commands.iter().map(|one| u32::try_from(one.matches('\n').count() + 1).unwrap_or(u32::MAX));
            let (text, origin) = (commands.join("\n") + "\n", Origin::Commands(lines.collect()));
            return Ok(Self::new(text, origin, "/commands"));
        }
        if let Some(text) = &options.text {
            return Ok(Self::new(text.clone(), Origin::Text, "/text"));
        }
        let option = if options.path.is_some() { "/path" } else { "" };
        let path = plan::context_path(options, options.path.as_deref().unwrap_or("Dockerfile"));
        let bytes =
            build::read(&path).map_err(|why| Failure::option(option, format!("cannot read `{path}`: {why}")))?;
        if bytes.len() > MOST_BYTES {
            return Err(Failure::option(option, format!("`{path}` is larger than {MOST_BYTES} bytes")));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(text, Origin::Context(path), option)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let place = place_of(&text, at);
                let source = Self::new(text, Origin::Context(path), option);
                Err(source.failure(&Fault::new(place, "the file is not UTF-8 here")))
            }
        }
    }

    /// Reads the text. A whole file has a stage; only commands go on without one, from the image so far.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub(crate) fn parse(&self) -> Result<Dockerfile, Failure> {
        let file = Dockerfile::parse(&self.text).map_err(|fault| self.failure(&fault))?;
        let first = &file.stages[0];
        if first.from.is_none() && !matches!(self.origin, Origin::Commands(_)) {
            let fault = Fault::new(first.place, "there is no `FROM`, and this begins no stage");
            return Err(self.failure(&fault.hint("write `FROM image` above it")));
        }
        Ok(file)
    }

    /// Returns a place as those know it who have the text.
    #[must_use]
    pub(crate) fn place(&self, place: Place) -> report::Place {
        let Place { line, column } = place;
        let length = self.length(place);
        match &self.origin {
            Origin::Context(path) => report::Place { source: path.clone(), line, column, length },
            Origin::Text => report::Place { source: "/text".to_owned(), line, column, length },
            Origin::Commands(lines) => {
                let mut first = 1;
                for (number, count) in lines.iter().enumerate() {
                    if line < first + count {
                        let source = format!("/commands/{number}");
                        return report::Place { source, line: line - first + 1, column, length };
                    }
                    first += count;
                }
                report::Place { source: "/commands/0".to_owned(), line: 1, column: 1, length: 0 }
            }
        }
    }

    /// Returns how many characters the word at a place has.
    fn length(&self, place: Place) -> u32 {
        let starts = self.lines.get_or_init(|| {
            let after = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).collect()
        });
        let start = starts.get(place.line.saturating_sub(1) as usize).copied().unwrap_or(self.text.len());
        let rest = self.text[start..]
            .chars()
            .take_while(|letter| *letter != '\n')
            .skip(place.column.saturating_sub(1) as usize);
        let count = rest.take_while(|letter| !letter.is_whitespace()).take(MOST_MARKED).count();
        u32::try_from(count).unwrap_or(0)
    }

    /// Tells of a warning, as an error where warnings are errors.
    pub(crate) fn tell(&self, fault: &Fault, is_error: bool) {
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        report::found(self.finding(fault, severity));
    }

    /// Tells of an error and returns it as the end of planning.
    #[must_use]
    pub(crate) fn failure(&self, fault: &Fault) -> Failure {
        report::found(self.finding(fault, Severity::Error));
        match &fault.hint {
            Some(hint) => self.declined(&fault.message).hint(hint),
            None => self.declined(&fault.message),
        }
    }

    /// Returns the end of planning, whose places were told before.
    #[must_use]
    pub(crate) fn declined(&self, message: &str) -> Failure {
        Failure::option(self.option, message)
    }

    fn finding(&self, fault: &Fault, severity: Severity) -> Finding {
        Finding {
            severity,
            rule: fault.rule.to_owned(),
            message: fault.message.clone(),
            hint: fault.hint.clone(),
            place: (!fault.is_secret).then(|| self.place(fault.place)),
        }
    }
}

/// Returns the place of a byte.
fn place_of(text: &str, at: usize) -> Place {
    let before = &text[..text.floor_char_boundary(at)];
    let count = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
    Place {
        line: count(before.matches('\n').count()),
        column: count(before.rsplit('\n').next().unwrap_or_default().chars().count()),
    }
}
