// SPDX-License-Identifier: Apache-2.0
//! Words: text cut at blanks, with and without regard to quotes.

/// A word and where it begins, in bytes of the text that it was cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word<'a> {
    /// The word as it stands, quotes included.
    pub text: &'a str,
    /// Its first byte.
    pub at: usize,
}

/// Cuts text at blanks.
#[must_use]
pub fn split(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices() {
        match (letter.is_whitespace(), start) {
            (true, Some(begin)) => {
                words.push(Word { text: &text[begin..at], at: begin });
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    if let Some(begin) = start {
        words.push(Word { text: &text[begin..], at: begin });
    }
    words
}

/// Cuts text at blanks outside of quotes. An escape takes the meaning of the character after it, except in single quotes.
/// A quote that is left open reaches to the end.
#[must_use]
pub fn split_quoted(text: &str, escape: char) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter.is_whitespace() && quote.is_none() {
            if let Some(begin) = start.take() {
                words.push(Word { text: &text[begin..at], at: begin });
            }
            continue;
        }
        start.get_or_insert(at);
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            _ if letter == escape && quote != Some('\'') => drop(letters.next()),
            _ => {}
        }
    }
    if let Some(begin) = start {
        words.push(Word { text: &text[begin..], at: begin });
    }
    words
}

/// Reads a flag's truth value as Go does.
#[must_use]
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Cuts off the flags (`--name`, `--name=value`) at the beginning of an instruction's text. Quotes in them are taken off, an
/// escape takes the meaning of what follows. Returns each flag with its first byte, and where the rest begins.
#[must_use]
pub fn flags(text: &str, escape: char) -> (Vec<(String, usize)>, usize) {
    let mut flags = Vec::new();
    let mut next = 0;
    loop {
        let rest = &text[next..];
        let begin = next + rest.len() - rest.trim_start().len();
        if !text[begin..].starts_with("--") {
            return (flags, begin);
        }
        let (word, end) = flag(text, begin, escape);
        next = end;
        if word == "--" {
            return (flags, next + text[next..].len() - text[next..].trim_start().len());
        }
        flags.push((word, begin));
    }
}

fn flag(text: &str, begin: usize, escape: char) -> (String, usize) {
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text[begin..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            None if letter.is_whitespace() => return (word, begin + at),
            Some(open) if letter == open => quote = None,
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            _ if letter == escape => word.extend(letters.next().map(|(_, next)| next)),
            _ => word.push(letter),
        }
    }
    (word, text.len())
}

#[cfg(test)]
mod tests {
    use super::{flags, split, split_quoted};

    #[test]
    fn words_know_where_they_begin() {
        let words: Vec<_> = split(" a  bc ").into_iter().map(|word| (word.text, word.at)).collect();
        assert_eq!(words, [("a", 1), ("bc", 4)]);
    }

    #[test]
    fn quotes_keep_words_together() {
        let cut = |text| split_quoted(text, '\\').into_iter().map(|word| word.text).collect::<Vec<_>>();
        assert_eq!(cut(r#"a="b c" d='e f' g\ h"#), [r#"a="b c""#, "d='e f'", r"g\ h"]);
        assert_eq!(cut(r#"a="b \" c" 'd\' e"#), [r#"a="b \" c""#, r"'d\'", "e"]);
        assert_eq!(cut("'open to the end"), ["'open to the end"]);
        assert_eq!(cut(r"a\"), [r"a\"]);
    }

    #[test]
    fn flags_end_at_the_first_other_word() {
        let (found, rest) = flags(r#"--a --b="c d"  --e=f\ g x --y"#, '\\');
        assert_eq!(found, [("--a".into(), 0), ("--b=c d".into(), 4), ("--e=f g".into(), 15)]);
        assert_eq!(rest, 24);
        assert_eq!(flags("-- --x", '\\'), (vec![], 3));
        assert_eq!(flags("", '\\'), (vec![], 0));
    }
}
