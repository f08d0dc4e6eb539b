// SPDX-License-Identifier: Apache-2.0
//! Expansion: `$x`, `${x:-y}` and its family, quotes and escapes.

use std::iter::Peekable;
use std::str::Chars;

use super::glob::{Length, Pattern, TooLong};

/// Expansions nest no deeper than this.
const MOST_DEPTH: usize = 100;

/// Most bytes that one expansion may grow to.
const MOST_BYTES: usize = 16 << 20;

/// Looks up variables.
pub trait Variables {
    /// Returns the value of a variable, none where it is not set.
    fn get(&self, name: &str) -> Option<&str>;

    /// Is told of a variable that is used and not set.
    fn missing(&self, _name: &str) {}
}

/// How text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// Quotes keep together and are taken off.
    Taken,
    /// Quotes are characters as any other.
    Kept,
}

/// Replaces variables in one value.
///
/// # Errors
///
/// A fragment that says what is wrong.
pub fn value(text: &str, escape: char, quotes: Quotes, variables: &dyn Variables) -> Result<String, String> {
    if !text.contains(['$', escape, '\'', '"']) {
        return Ok(text.to_owned());
    }
    let mut reader = Reader { letters: text.chars().peekable(), escape, quotes, variables, depth: 0 };
    Ok(reader.until(None, false)?.0)
}

/// As [`value`], and cuts the result at blanks that no quote protects.
///
/// # Errors
///
/// A fragment that says what is wrong.
pub fn words(text: &str, escape: char, variables: &dyn Variables) -> Result<Vec<String>, String> {
    let mut reader = Reader { letters: text.chars().peekable(), escape, quotes: Quotes::Taken, variables, depth: 0 };
    Ok(reader.until(None, false)?.1.finish())
}

/// Words under construction.
#[derive(Debug, Default)]
struct Cut {
    words: Vec<String>,
    open: Option<String>,
}

impl Cut {
    fn protected(&mut self, text: &str) {
        self.open.get_or_insert_default().push_str(text);
    }

    fn bare(&mut self, text: &str) {
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.words.extend(self.open.take().filter(|word| !word.is_empty()));
            } else {
                self.open.get_or_insert_default().push(letter);
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.words.extend(self.open.take().filter(|word| !word.is_empty()));
        self.words
    }
}

struct Reader<'a> {
    letters: Peekable<Chars<'a>>,
    escape: char,
    quotes: Quotes,
    variables: &'a dyn Variables,
    depth: usize,
}

impl Reader<'_> {
    /// Reads up to `stop`, which is taken, or to the end where there is none.
    fn until(&mut self, stop: Option<char>, keeps_escapes: bool) -> Result<(String, Cut), String> {
        let (mut text, mut cut) = (String::new(), Cut::default());
        while let Some(letter) = self.letters.next() {
            if Some(letter) == stop {
                return Ok((text, cut));
            }
            match letter {
                '$' => {
                    let value = self.dollar()?;
                    cut.bare(&value);
                    text.push_str(&value);
                }
                '\'' if self.quotes == Quotes::Taken => {
                    let value = self.single()?;
                    cut.protected(&value);
                    text.push_str(&value);
                }
                '"' if self.quotes == Quotes::Taken => {
                    let value = self.double(keeps_escapes)?;
                    cut.protected(&value);
                    text.push_str(&value);
                }
                _ if letter == self.escape => {
                    if keeps_escapes {
                        text.push(letter);
                    }
                    if let Some(next) = self.letters.next() {
                        cut.protected(next.encode_utf8(&mut [0; 4]));
                        text.push(next);
                    }
                }
                _ => {
                    cut.bare(letter.encode_utf8(&mut [0; 4]));
                    text.push(letter);
                }
            }
            if text.len() > MOST_BYTES {
                return Err(format!("expands to more than {MOST_BYTES} bytes"));
            }
        }
        match stop {
            None => Ok((text, cut)),
            Some('}') => Err("`${` has no `}`".to_owned()),
            Some(stop) => Err(format!("`${{` has no `{stop}`")),
        }
    }

    fn single(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.letters.next() {
                None => return Err("a `'` is not closed".to_owned()),
                Some('\'') => return Ok(text),
                Some(letter) => text.push(letter),
            }
        }
    }

    fn double(&mut self, keeps_escapes: bool) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.letters.next() {
                None => return Err("a `\"` is not closed".to_owned()),
                Some('"') => return Ok(text),
                Some('$') => text.push_str(&self.dollar()?),
                Some(letter) if letter == self.escape => {
                    if keeps_escapes {
                        text.push(letter);
                    }
                    let is_escape = |next: &char| matches!(next, '"' | '$') || *next == self.escape;
                    match self.letters.next_if(is_escape) {
                        Some(next) => text.push(next),
                        None if self.letters.peek().is_some() => text.push(letter),
                        None => {}
                    }
                }
                Some(letter) => text.push(letter),
            }
        }
    }

    /// Reads what follows a `$`.
    fn dollar(&mut self) -> Result<String, String> {
        if self.letters.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.get(&name).unwrap_or_default().to_owned() });
        }
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(format!("`${{` nests deeper than {MOST_DEPTH}"));
        }
        let value = self.braced();
        self.depth -= 1;
        value
    }

    fn braced(&mut self) -> Result<String, String> {
        match self.letters.peek() {
            None => return Err("`${` has no `}`".to_owned()),
            Some('{' | '}' | ':') => return Err("`${` is followed by no name".to_owned()),
            Some(_) => {}
        }
        let name = self.name();
        match self.letters.next() {
            None => Err("`${` has no `}`".to_owned()),
            Some('}') => Ok(self.get(&name).unwrap_or_default().to_owned()),
            Some(':') => match self.letters.next() {
                Some(operator @ ('-' | '+' | '?')) => self.alternative(&name, operator, true),
                Some(other) => Err(format!("`:{other}` is no operator of `${{{name}}}`")),
                None => Err("`${` has no `}`".to_owned()),
            },
            Some(operator @ ('-' | '+' | '?')) => self.alternative(&name, operator, false),
            Some(end @ ('#' | '%')) => self.trimmed(&name, end),
            Some('/') => self.replaced(&name),
            Some(other) => Err(format!("`{other}` is no operator of `${{{name}}}`")),
        }
    }

    fn alternative(&mut self, name: &str, operator: char, empty_is_unset: bool) -> Result<String, String> {
        let (word, _) = self.until(Some('}'), false)?;
        let known = self.variables.get(name);
        let is_set = known.is_some_and(|value| !(empty_is_unset && value.is_empty()));
        let value = known.unwrap_or_default().to_owned();
        match (operator, is_set) {
            ('-', true) => Ok(value),
            ('-', false) | ('+', true) => Ok(word),
            ('+', false) => Ok(String::new()),
            (_, true) => Ok(value),
            (_, false) if !word.is_empty() => Err(format!("`{name}`: {word}")),
            (_, false) if known.is_none() => Err(format!("`{name}` must be set")),
            (_, false) => Err(format!("`{name}` must not be empty")),
        }
    }

    fn trimmed(&mut self, name: &str, end: char) -> Result<String, String> {
        let (word, _) = self.until(Some('}'), true)?;
        let (word, length) = match word.strip_prefix(end) {
            Some(rest) => (rest, Length::Longest),
            None => (&word[..], Length::Shortest),
        };
        let pattern = Pattern::new(word);
        let letters: Vec<char> = self.get(name).unwrap_or_default().chars().collect();
        let kept = if end == '#' {
            let cut = pattern.prefix(&letters, length).map_err(too_long)?.unwrap_or(0);
            &letters[cut..]
        } else {
            let cut = pattern.suffix(&letters, length).map_err(too_long)?.unwrap_or(0);
            &letters[..letters.len() - cut]
        };
        Ok(kept.iter().collect())
    }

    fn replaced(&mut self, name: &str) -> Result<String, String> {
        let is_global = self.letters.next_if_eq(&'/').is_some();
        let (pattern, _) = self.until(Some('/'), true)?;
        let (by, _) = self.until(Some('}'), true)?;
        let value = self.get(name).unwrap_or_default().to_owned();
        Pattern::new(&pattern).replace(&value, &by, is_global).map_err(too_long)
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name);
        if value.is_none() {
            self.variables.missing(name);
        }
        value
    }

    /// Reads a name: letters, digits and `_`, a number, or one of the shell's own.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(letter) = self.letters.next_if(|letter| "@*#?-$!".contains(*letter)) {
            name.push(letter);
            return name;
        }
        let is_number = self.letters.peek().is_some_and(char::is_ascii_digit);
        let fits = |letter: &char| match is_number {
            true => letter.is_ascii_digit(),
            false => letter.is_alphanumeric() || *letter == '_',
        };
        while let Some(letter) = self.letters.next_if(fits) {
            name.push(letter);
        }
        name
    }
}

fn too_long(_: TooLong) -> String {
    "the pattern takes too long to match".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Quotes, Variables, value, words};

    struct Some3;

    impl Variables for Some3 {
        fn get(&self, name: &str) -> Option<&str> {
            match name {
                "full" => Some("a/b/c.tar.gz"),
                "empty" => Some(""),
                "blank" => Some("x  y"),
                _ => None,
            }
        }
    }

    #[track_caller]
    fn check(cases: &[(&str, Result<&str, &str>)]) {
        for (text, expected) in cases {
            let found = value(text, '\\', Quotes::Taken, &Some3);
            assert_eq!(found.as_deref().map_err(String::as_str), *expected, "{text}");
        }
    }

    #[test]
    fn variables_are_replaced() {
        check(&[
            ("$full", Ok("a/b/c.tar.gz")),
            ("${full}x", Ok("a/b/c.tar.gzx")),
            ("[$none]", Ok("[]")),
            ("a$", Ok("a$")),
            ("a$ b", Ok("a$ b")),
            ("$5 $! x", Ok("  x")),
            ("${none:-w} ${empty:-w} ${full:-w}", Ok("w w a/b/c.tar.gz")),
            ("${none-w} ${empty-w}", Ok("w ")),
            ("${none:+w} ${empty:+w} ${full:+w}", Ok("  w")),
            ("${none+w} ${empty+w}", Ok(" w")),
            ("${none:-${full}}", Ok("a/b/c.tar.gz")),
            ("${none:-'}'}", Ok("}")),
            ("${full#*/} ${full##*/} ${full%.*} ${full%%.*}", Ok("b/c.tar.gz c.tar.gz a/b/c.tar a/b/c")),
            ("${full/a/z} ${full//\\//-}", Ok("z/b/c.tar.gz a-b-c.tar.gz")),
        ]);
    }

    #[test]
    fn quotes_and_escapes_protect() {
        check(&[
            ("'$full'", Ok("$full")),
            ("\"$empty'\"", Ok("'")),
            ("\\$full", Ok("$full")),
            ("\"\\$x \\n \\\\\"", Ok("$x \\n \\")),
            ("a\\ b\\", Ok("a b")),
            ("it''s", Ok("its")),
        ]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        check(&[
            ("'a", Err("a `'` is not closed")),
            ("\"a", Err("a `\"` is not closed")),
            ("${full", Err("`${` has no `}`")),
            ("${}", Err("`${` is followed by no name")),
            ("${full:=x}", Err("`:=` is no operator of `${full}`")),
            ("${full^}", Err("`^` is no operator of `${full}`")),
            ("${none:?give it}", Err("`none`: give it")),
            ("${none?}", Err("`none` must be set")),
            ("${empty:?}", Err("`empty` must not be empty")),
            ("${full/a}", Err("`${` has no `/`")),
        ]);
        let deep = "${a:-".repeat(200_000);
        assert_eq!(value(&deep, '\\', Quotes::Taken, &Some3).unwrap_err(), "`${` nests deeper than 100");
    }

    #[test]
    fn values_are_cut_at_their_blanks_unless_quoted() {
        assert_eq!(words("$blank '$blank' \"$blank\" z", '\\', &Some3).unwrap(), ["x", "y", "$blank", "x  y", "z"]);
        assert_eq!(words("a\\ b", '\\', &Some3).unwrap(), ["a b"]);
    }

    #[test]
    fn kept_quotes_are_characters() {
        let found = value("it's \"$empty\" \\$x", '\\', Quotes::Kept, &Some3);
        assert_eq!(found.unwrap(), "it's \"\" $x");
    }
}
