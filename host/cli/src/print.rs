// SPDX-License-Identifier: Apache-2.0
//! Writes to the two streams: data to standard output, everything else to standard error.
//!
//! A reader that has gone away (`wythe images | head -1`) is no failure. A disk that does not take the data is one.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use rustix::io::retry_on_intr;

/// What became of the first write to standard output that failed.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line of data. Where that fails, [`finish`] tells of it.
pub(crate) fn to_stdout(line: &str) {
    note(write_all(format!("{}\n", coloured_at_most(line)).as_bytes()));
}

/// Writes without a buffer: from one, what could not be written would be written later, behind the message that says so.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = retry_on_intr(|| rustix::io::write(rustix::stdio::stdout(), bytes))?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn note(written: io::Result<()>) {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        _ => {}
    }
}

/// Writes what is left of the data that was written otherwise.
///
/// # Errors
///
/// Where some of it could not be written, unless nobody reads it.
pub(crate) fn finish() -> io::Result<()> {
    note(io::stdout().lock().flush());
    FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Writes a line for people.
pub(crate) fn to_stderr(line: &str) {
    let _gone = writeln!(io::stderr().lock(), "{}", coloured_at_most(line));
}

/// Writes a value as JSON, for people who read it and programs that parse it.
pub(crate) fn json<T: serde::Serialize>(value: &T) {
    let text = serde_json::to_string_pretty(value).expect("the value is representable as JSON");
    // Inside of a string, where alone they can be, these are the same: JSON leaves to everybody whether to write them so.
    let is_plain = |char: char| !('\u{7f}'..='\u{9f}').contains(&char);
    let text = text.chars().fold(String::with_capacity(text.len()), |mut text, char| {
        if is_plain(char) {
            text.push(char);
        } else {
            let _infallible = write!(text, "\\u{:04x}", u32::from(char));
        }
        text
    });
    to_stdout(&text);
}

/// Whether a terminal may do something else with a character than show it.
fn is_harmful(char: char) -> bool {
    char.is_control() && !matches!(char, '\n' | '\t')
}

/// Returns what strangers wrote as a terminal may show it: control characters are made visible, but for the ends of lines and
/// tabs. Nothing in it moves the cursor, sets a title or asks a question.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_harmful(char) { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    Cow::Owned(shown)
}

/// The same for text that has colours of ours in it: of the control sequences, those that colour stay (ECMA-48, 8.3.117).
fn coloured_at_most(text: &str) -> Cow<'_, str> {
    const BEGIN: &str = "\u{1b}[";
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        shown.push_str(&harmless(&rest[..at]));
        rest = &rest[at..];
        let parameters = &rest[BEGIN.len()..];
        let length = parameters.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
        let is_colour = parameters.as_bytes().get(length) == Some(&b'm');
        let (piece, more) = rest.split_at(if is_colour { BEGIN.len() + length + 1 } else { 1 });
        if is_colour {
            shown.push_str(piece);
        } else {
            shown.push_str(&harmless(piece));
        }
        rest = more;
    }
    shown.push_str(&harmless(rest));
    Cow::Owned(shown)
}

/// Writes rows below each other, each column as wide as its widest entry, the last one as it is.
pub(crate) fn table(rows: &[Vec<String>]) {
    for line in aligned(rows) {
        to_stdout(&line);
    }
}

/// Returns rows as lines, each column but the last as wide as its widest entry.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn colours_are_what_a_terminal_is_told() {
        for (text, shown) in [
            ("\u{1b}[1;31merror\u{1b}[0m: x\ty\n", "\u{1b}[1;31merror\u{1b}[0m: x\ty\n"),
            ("\u{1b}[31m\u{1b}[2J\u{1b}[m", "\u{1b}[31m\\u{1b}[2J\u{1b}[m"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("\u{9b}2J\u{1b}[31", "\\u{9b}2J\\u{1b}[31"),
            ("a\rb\u{1b}", "a\\rb\\u{1b}"),
        ] {
            assert_eq!(super::coloured_at_most(text), shown);
        }
        assert_eq!(super::harmless("\u{1b}[8mhidden"), "\\u{1b}[8mhidden");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["NAME", "SIZE"], ["a", "1"], ["longer", "20 MB"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(super::aligned(&rows), ["NAME    SIZE", "a       1", "longer  20 MB"]);
    }
}
