// SPDX-License-Identifier: Apache-2.0
//! Command lines as far as they need no shell: programs, one after the other.

use wythe_sdk::Program;

/// Characters by which a shell does more than cutting words, outside of quotes. Patterns of names stay as they are, marked.
const MORE: [char; 15] = ['|', '<', '>', '(', ')', '{', '}', '$', '`', '\\', '\n', '\r', '!', '~', '#'];

/// Characters that make a pattern of a word, outside of quotes.
const PATTERN: [char; 3] = ['*', '?', '['];

/// Words that are no programs but the shell's own.
const WORDS: [&str; 24] = [
    ".", ":", "[", "alias", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export", "for",
    "if", "read", "return", "set", "shift", "trap", "umask", "unset", "until", "while",
];

/// Takes a command line apart: programs of which each is run where the one before it succeeded. None where the shell does more
/// than that. `set -e` and `;` between programs are the same as `&&`.
#[must_use]
pub fn programs(text: &str) -> Option<Vec<Program>> {
    let pieces = pieces(text)?;
    let is_plain = |words: &[Word]| words.iter().all(|word| !word.is_quoted);
    let (first, rest) = pieces.split_first()?;
    let stops = first.words.len() > 1
        && first.words[0].text == "set"
        && is_plain(&first.words)
        && first.words[1..].iter().all(|word| is_set_option(&word.text))
        && first.words[1..].iter().any(|word| word.text.contains('e'));
    let wanted = if stops { rest } else { &pieces[..] };
    let joined_by_semicolons = pieces[..pieces.len() - 1].iter().any(|piece| piece.end == ";");
    if joined_by_semicolons && !stops {
        return None;
    }
    let programs: Option<Vec<Program>> = wanted.iter().map(|piece| program(&piece.words)).collect();
    programs.filter(|programs| !programs.is_empty())
}

fn is_set_option(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.is_empty() && letters.chars().all(|one| "eux".contains(one)))
}

fn program(words: &[Word]) -> Option<Program> {
    let is_assignment = |word: &Word| {
        word.text.split_once('=').is_some_and(|(name, _)| {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            !name.is_empty() && name.chars().all(is_letter) && !name.starts_with(|first: char| first.is_ascii_digit())
        })
    };
    let count = words.iter().take_while(|word| is_assignment(word)).count();
    let env = words[..count].iter().filter_map(|word| word.text.split_once('='));
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let words = &words[count..];
    let name = words.first()?;
    // Of a word that is half a pattern, its text does not say which half.
    if WORDS.contains(&name.text.as_str()) || words.iter().any(|word| word.is_pattern && word.has_quoted_pattern) {
        return None;
    }
    let patterns = (0..).zip(words).filter(|(_, word)| word.is_pattern).map(|(place, _)| place).collect();
    Some(Program { env, argv: words.iter().map(|word| word.text.clone()).collect(), patterns })
}

#[derive(Debug, Default)]
struct Word {
    text: String,
    is_quoted: bool,
    is_pattern: bool,
    has_quoted_pattern: bool,
}

/// Words up to a separator.
#[derive(Debug, Default)]
struct Piece {
    words: Vec<Word>,
    end: &'static str,
}

fn pieces(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = vec![Piece::default()];
    let mut word: Option<Word> = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let piece = pieces.last_mut()?;
        match letter {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                word.is_quoted = true;
                loop {
                    match letters.next()? {
                        end if end == letter => break,
                        '$' | '`' | '\\' if letter == '"' => return None,
                        other => {
                            word.has_quoted_pattern |= PATTERN.contains(&other);
                            word.text.push(other);
                        }
                    }
                }
            }
            ' ' | '\t' => piece.words.extend(word.take()),
            '&' | ';' => {
                let end = match letter {
                    '&' if letters.next() == Some('&') => "&&",
                    ';' if letters.peek() != Some(&';') => ";",
                    _ => return None,
                };
                piece.words.extend(word.take());
                piece.end = end;
                if piece.words.is_empty() {
                    return None;
                }
                pieces.push(Piece::default());
            }
            // Within a word these two stand for themselves.
            '~' | '#' if word.is_some() => word.get_or_insert_default().text.push(letter),
            other if MORE.contains(&other) => return None,
            other => {
                let word = word.get_or_insert_default();
                word.is_pattern |= PATTERN.contains(&other);
                word.text.push(other);
            }
        }
    }
    let last = pieces.last_mut()?;
    last.words.extend(word);
    if last.words.is_empty() {
        pieces.pop();
        // A `;` at the end says nothing; a `&&` there is an error.
        if pieces.last()?.end == "&&" {
            return None;
        }
    }
    Some(pieces)
}

/// Returns a command line with one blank for each run of blanks that no quote protects and no escape is near.
#[must_use]
pub fn tidy(text: &str) -> String {
    if text.contains(['\'', '"', '\\', '\n', '#']) {
        return text.to_owned();
    }
    text.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{programs, tidy};

    fn shown(text: &str) -> Option<Vec<String>> {
        let programs = programs(text)?;
        let shown = programs.iter().map(|one| {
            let env: String = one.env.iter().map(|(name, value)| format!("{name}={value} ")).collect();
            env + &one.argv.join("|")
        });
        Some(shown.collect())
    }

    #[test]
    fn programs_that_follow_each_other_are_taken_apart() {
        for (text, expected) in [
            ("a b  c", &["a|b|c"][..]),
            ("a 'b c' \"d\"'e' && f*", &["a|b c|de", "f*"]),
            ("X=1 Y='2 3' a && b;", &["X=1 Y=2 3 a", "b"]),
            ("set -eux; a; b", &["a", "b"]),
            ("set -e && a && b", &["a", "b"]),
            ("a b[c]~=1.0#x", &["a|b[c]~=1.0#x"]),
        ] {
            let expected = expected.iter().map(|one| (*one).to_owned()).collect();
            assert_eq!(shown(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_pattern_is_one_where_no_quote_protects_it() {
        for (text, expected) in [
            ("rm -rf /lists/*", &[2][..]),
            ("rm -rf '/lists/*'", &[]),
            ("rm -rf \"/lists/*\" '/l i'/* a[b]", &[3, 4]),
            ("rm '?' ?", &[2]),
            ("A=* pip install 'a[b]'", &[]),
        ] {
            let programs = programs(text).expect(text);
            assert_eq!(programs[0].patterns, expected, "{text}");
        }
        assert_eq!(shown("rm 'a*'/*"), None, "half of it is a pattern");
    }

    #[test]
    fn what_needs_a_shell_is_left_to_it() {
        for text in [
            "a; b",
            "a || b",
            "a | b",
            "a & b",
            "a && ",
            "&& a",
            "a $B",
            "a \"$B\"",
            "a > b",
            "(a)",
            "a `b`",
            "a \\ b",
            "cd a && b",
            "set -x; a",
            "if a; then b; fi",
            "a 'b",
            "a # b",
            "! a",
            "",
            "a ~/b",
            "A=1",
            "set -e;",
            "a;; b",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn blanks_are_tidied_where_they_mean_nothing() {
        assert_eq!(tidy("a   b \t && c"), "a b && c");
        assert_eq!(tidy("a '  b'   c"), "a '  b'   c");
    }
}
