// SPDX-License-Identifier: Apache-2.0
//! Heredocs: `<<NAME` in an instruction, and the lines that follow it.

use super::lines::Line;
use super::words::split_quoted;
use crate::fault::Fault;

/// A heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// How it stands in the instruction, as in `3<<-"EOF"`.
    pub word: String,
    /// Its lines, as they stand in the file.
    pub body: String,
    /// The line that ended it, as it stands in the file.
    pub end: String,
    /// Whether variables in it are replaced: its name is not quoted.
    pub expands: bool,
    /// Whether tabs at the beginning of lines are dropped.
    pub drops_tabs: bool,
}

impl Heredoc {
    /// Returns what the heredoc holds.
    #[must_use]
    pub fn content(&self) -> String {
        if !self.drops_tabs {
            return self.body.clone();
        }
        self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }

    /// Reads a word such as `<<EOF`; none where it is something else.
    #[must_use]
    pub fn of_word(word: &str, escape: char) -> Option<Self> {
        let rest = word.trim_start_matches(|digit: char| digit.is_ascii_digit()).strip_prefix("<<")?;
        let (drops_tabs, quoted) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        if quoted.is_empty() || quoted.contains('<') {
            return None;
        }
        let name = unquoted(quoted, escape)?;
        let expands = name == quoted;
        let (word, body, end) = (word.to_owned(), String::new(), String::new());
        (!name.is_empty()).then_some(Self { name, word, body, end, expands, drops_tabs })
    }
}

/// Returns the text of an instruction with its heredocs below it, as they stand in the file; the last line has no end.
#[must_use]
pub fn appended(text: &str, heredocs: &[Heredoc]) -> String {
    heredocs.iter().fold(text.to_owned(), |whole, heredoc| whole + "\n" + &heredoc.body + &heredoc.end)
}

/// Returns a word without its quotes; none where a quote is left open.
fn unquoted(word: &str, escape: char) -> Option<String> {
    let mut name = String::new();
    let mut letters = word.chars();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            _ if letter == escape && quote != Some('\'') => name.push(letters.next()?),
            _ => name.push(letter),
        }
    }
    quote.is_none().then_some(name)
}

/// Instructions that may have heredocs.
const WITH_HEREDOCS: [&str; 3] = ["add", "copy", "run"];

/// Reads the heredocs that a line asks for.
///
/// # Errors
///
/// A heredoc whose end is not there.
pub(super) fn attach<'a>(
    line: &mut Line,
    escape: char,
    mut next: impl FnMut() -> Option<&'a str>,
) -> Result<(), Fault> {
    let mut words = line.text.split_whitespace().map(str::to_ascii_lowercase);
    let mut name = words.next().unwrap_or_default();
    if name == "onbuild" {
        name = words.next().unwrap_or_default();
    }
    if !WITH_HEREDOCS.contains(&name.as_str()) || !line.text.contains("<<") {
        return Ok(());
    }
    // A line whose quotes do not close is the shell's to complain about.
    let words = split_quoted(&line.text, escape);
    for word in words {
        let Some(mut heredoc) = Heredoc::of_word(word.text, escape) else { continue };
        loop {
            let Some(raw) = next() else {
                let fault = Fault::new(line.place(word.at), format!("heredoc `{}` has no end", heredoc.name));
                return Err(fault.hint(format!("end it with a line that is `{}` and nothing else", heredoc.name)));
            };
            let mut candidate = raw.trim_end_matches(['\n', '\r']);
            if heredoc.drops_tabs {
                candidate = candidate.trim_start_matches('\t');
            }
            if candidate == heredoc.name {
                raw.trim_end_matches(['\n', '\r']).clone_into(&mut heredoc.end);
                break;
            }
            heredoc.body.push_str(raw);
        }
        line.heredocs.push(heredoc);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Heredoc;

    #[test]
    fn words_are_heredocs_or_not() {
        for (word, name, expands, drops_tabs) in [
            ("<<EOF", "EOF", true, false),
            ("<<-EOF", "EOF", true, true),
            ("3<<EOF", "EOF", true, false),
            ("<<'E F'", "E F", false, false),
            ("<<\"EOF\"", "EOF", false, false),
            ("<<E'O'F", "EOF", false, false),
            ("<<E\\OF", "EOF", false, false),
        ] {
            let read = Heredoc::of_word(word, '\\').expect(word);
            assert_eq!((read.name.as_str(), read.expands, read.drops_tabs), (name, expands, drops_tabs), "{word}");
        }
        for word in ["<<<EOF", "<<", "<<-", "a<<EOF", "$((1<<2))", "<EOF", "<<'EOF", "<<''"] {
            assert_eq!(Heredoc::of_word(word, '\\'), None, "{word}");
        }
    }

    #[test]
    fn tabs_are_dropped_where_asked_for() {
        let mut heredoc = Heredoc::of_word("<<-E", '\\').unwrap();
        heredoc.body = "\ta\n\t\tb\n c\n".into();
        assert_eq!(heredoc.content(), "a\nb\n c\n");
    }
}
