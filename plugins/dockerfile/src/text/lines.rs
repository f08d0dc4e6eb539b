// SPDX-License-Identifier: Apache-2.0
//! Logical lines: continuations joined, comments and empty lines left out, heredocs attached.

use super::directive::Directives;
use super::heredoc::{self, Heredoc};
use crate::fault::{Fault, Place};

/// One instruction as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text, without continuations.
    pub text: String,
    /// Where each piece of the text comes from: byte in `text`, place in the file.
    pieces: Vec<(usize, Place)>,
    /// How many characters begin before each `STRIDE` bytes: a line of a megabyte has many places to tell.
    marks: Vec<usize>,
    /// The last line of the file that belongs to it.
    pub last: u32,
    /// The heredocs that follow it.
    pub heredocs: Vec<Heredoc>,
    /// The comment that stands directly above it, if any.
    pub comment: Vec<String>,
    /// An empty line inside the continuation.
    pub empty_continuation: Option<Place>,
}

impl Line {
    /// Returns where a byte of the text stands in the file.
    #[must_use]
    pub fn place(&self, byte: usize) -> Place {
        let found = self.pieces.partition_point(|(start, _)| *start <= byte).saturating_sub(1);
        let (start, place) = self.pieces[found];
        let letters = self.letters_before(byte).saturating_sub(self.letters_before(start));
        Place { line: place.line, column: place.column + u32::try_from(letters).unwrap_or(u32::MAX / 2) }
    }

    /// Returns the line that begins at a byte of this one, its heredocs left out.
    #[must_use]
    pub fn from_byte(&self, byte: usize) -> Self {
        let later = self.pieces.iter().filter(|(start, _)| *start > byte).map(|(start, place)| (start - byte, *place));
        let text = self.text[byte..].to_owned();
        Self {
            marks: marks(&text),
            text,
            pieces: std::iter::once((0, self.place(byte))).chain(later).collect(),
            last: self.last,
            heredocs: Vec::new(),
            comment: Vec::new(),
            empty_continuation: None,
        }
    }

    fn letters_before(&self, byte: usize) -> usize {
        let bytes = &self.text.as_bytes()[..byte.min(self.text.len())];
        let (mark, rest) = (bytes.len() / STRIDE, bytes.len() / STRIDE * STRIDE);
        self.marks.get(mark).copied().unwrap_or(0) + begun(&bytes[rest..])
    }
}

/// Bytes between two marks.
const STRIDE: usize = 1024;

/// Counts the characters that begin in bytes of UTF-8.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

fn marks(text: &str) -> Vec<usize> {
    let mut marks = vec![0];
    for piece in text.as_bytes().chunks(STRIDE) {
        marks.push(marks[marks.len() - 1] + begun(piece));
    }
    marks
}

/// A file, taken apart into logical lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What stands above everything.
    pub directives: Directives,
    /// The instructions.
    pub lines: Vec<Line>,
}

/// Takes a file apart.
///
/// # Errors
///
/// What is wrong with a directive or a heredoc.
pub fn read(text: &str) -> Result<File, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let directives = Directives::read(text.lines())?;
    let mut rest = Rest { lines: text.split_inclusive('\n').collect(), next: 0 };
    let mut lines = Vec::new();
    let mut comment: Vec<String> = Vec::new();
    while let Some((number, raw)) = rest.take() {
        let trimmed = raw.trim_start();
        if let Some(text) = trimmed.strip_prefix('#') {
            comment.push(text.trim().to_owned());
            continue;
        }
        if trimmed.is_empty() {
            comment.clear();
            continue;
        }
        let mut line = joined(&mut rest, number, raw, directives.escape);
        line.comment = std::mem::take(&mut comment);
        if line.text.is_empty() {
            continue;
        }
        heredoc::attach(&mut line, directives.escape, || rest.take().map(|(_, raw)| raw))?;
        line.last = rest.number();
        lines.push(line);
    }
    Ok(File { directives, lines })
}

/// Joins a line with those that continue it.
fn joined(rest: &mut Rest<'_>, number: u32, raw: &str, escape: char) -> Line {
    let content = ending_off(raw);
    let indent = content.len() - content.trim_start().len();
    let column = u32::try_from(content[..indent].chars().count() + 1).unwrap_or(1);
    let (first, mut goes_on) = continued(&content[indent..], escape);
    let mut line = Line {
        text: first.to_owned(),
        pieces: vec![(0, Place { line: number, column })],
        marks: Vec::new(),
        last: number,
        heredocs: Vec::new(),
        comment: Vec::new(),
        empty_continuation: None,
    };
    while goes_on {
        let Some((number, raw)) = rest.take() else { break };
        let content = ending_off(raw);
        let trimmed = content.trim_start();
        if trimmed.starts_with('#') {
            continue;
        }
        if trimmed.is_empty() {
            line.empty_continuation.get_or_insert(Place::line(number));
            continue;
        }
        let (more, is_continued) = continued(content, escape);
        line.pieces.push((line.text.len(), Place::line(number)));
        line.text.push_str(more);
        goes_on = is_continued;
    }
    let end = line.text.trim_end().len();
    line.text.truncate(end);
    line.marks = marks(&line.text);
    line
}

/// Returns a line without its continuation, and whether it had one: a single escape before the blanks at its end.
fn continued(content: &str, escape: char) -> (&str, bool) {
    let trimmed = content.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before, true),
        _ => (content, false),
    }
}

fn ending_off(raw: &str) -> &str {
    raw.trim_end_matches(['\n', '\r'])
}

/// The lines that have not been read.
struct Rest<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self) -> Option<(u32, &'a str)> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some((self.number(), line))
    }

    /// Returns the number of the line that was read last.
    fn number(&self) -> u32 {
        u32::try_from(self.next).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, read};
    use crate::fault::Place;

    fn lines(text: &str) -> Vec<Line> {
        read(text).expect(text).lines
    }

    fn texts(text: &str) -> Vec<String> {
        lines(text).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn continuations_are_joined_and_comments_inside_them_left_out() {
        assert_eq!(texts("RUN a \\\n  # why\n  b\\  \n\n  c\nENV x=y\n"), ["RUN a   b  c", "ENV x=y"]);
        assert_eq!(texts("\u{feff}FROM a\r\nRUN b \\\r\n c\r\n"), ["FROM a", "RUN b  c"]);
        assert_eq!(texts("# escape=`\nRUN a `\n b\\\n"), ["RUN a  b\\"]);
        assert_eq!(texts("RUN a \\\\\nENV b=c"), ["RUN a \\\\", "ENV b=c"]);
        assert_eq!(texts("RUN a \\"), ["RUN a"]);
    }

    #[test]
    fn places_lead_back_into_the_file() {
        let line = &lines("FROM a\n  RUN one \\\n    two\n")[1];
        assert_eq!(line.place(0), Place { line: 2, column: 3 });
        assert_eq!(line.place(line.text.find("one").unwrap()), Place { line: 2, column: 7 });
        assert_eq!(line.place(line.text.find("two").unwrap()), Place { line: 3, column: 5 });
        assert_eq!(line.last, 3);
    }

    #[test]
    fn columns_count_characters_also_far_into_a_line() {
        let text = format!("RUN {} end", "é".repeat(5000));
        let line = &lines(&text)[0];
        assert_eq!(line.place(line.text.find("end").unwrap()), Place { line: 1, column: 5006 });
        let inner = line.from_byte(4 + 2 * 3000);
        assert_eq!(inner.place(inner.text.find("end").unwrap()), Place { line: 1, column: 5006 });
    }

    #[test]
    fn empty_lines_in_a_continuation_are_remembered() {
        assert_eq!(lines("RUN a \\\n\n  b")[0].empty_continuation, Some(Place::line(2)));
        assert_eq!(lines("RUN a \\\n  b")[0].empty_continuation, None);
    }

    #[test]
    fn heredocs_belong_to_the_line_above() {
        let file = lines("RUN <<A cat <<-'B'\none\nA\n\ttwo\n\tB\nENV a=b\n");
        let bodies: Vec<(&str, &str, bool)> =
            file[0].heredocs.iter().map(|doc| (doc.name.as_str(), doc.body.as_str(), doc.expands)).collect();
        assert_eq!(bodies, [("A", "one\n", true), ("B", "\ttwo\n", false)]);
        assert_eq!((file[0].last, file[1].text.as_str()), (5, "ENV a=b"));
    }

    #[test]
    fn a_heredoc_without_end_is_pointed_at() {
        let fault = read("FROM a\nRUN <<EOF\nfoo\n").unwrap_err();
        assert_eq!((fault.place, fault.message.as_str()), (Place { line: 2, column: 5 }, "heredoc `EOF` has no end"));
    }

    #[test]
    fn comments_above_are_kept() {
        let file = lines("# about a\n# more\nFROM a\n# lost\n\nFROM b\n");
        assert_eq!(file[0].comment, ["about a", "more"]);
        assert!(file[1].comment.is_empty());
    }
}
