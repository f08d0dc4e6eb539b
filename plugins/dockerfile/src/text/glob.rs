// SPDX-License-Identifier: Apache-2.0
//! Patterns in expansions: `*`, `?`, and `\` before a character that stands for itself.

/// A pattern, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Letter(char),
}

/// Work that matching may take: a hostile pattern ends in an error and not in waiting.
const MOST_STEPS: usize = 1 << 22;

/// Matching took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Which of several matches is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The shortest.
    Shortest,
    /// The longest.
    Longest,
}

impl Pattern {
    /// Reads a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Letter(letters.next().unwrap_or('\\')),
                other => Part::Letter(other),
            });
        }
        Self(parts)
    }

    /// Returns how many characters at the beginning of `text` the pattern fits.
    ///
    /// # Errors
    ///
    /// Where that takes too long.
    pub fn prefix(&self, text: &[char], length: Length) -> Result<Option<usize>, TooLong> {
        self.matching(&self.0, text.iter(), length, &mut 0)
    }

    /// Returns how many characters at the end of `text` the pattern fits.
    ///
    /// # Errors
    ///
    /// Where that takes too long.
    pub fn suffix(&self, text: &[char], length: Length) -> Result<Option<usize>, TooLong> {
        let reversed: Vec<Part> = self.0.iter().rev().copied().collect();
        self.matching(&reversed, text.iter().rev(), length, &mut 0)
    }

    /// Returns `text` with the first match, or all of them, replaced.
    ///
    /// # Errors
    ///
    /// Where that takes too long.
    pub fn replace(&self, text: &str, by: &str, is_global: bool) -> Result<String, TooLong> {
        let letters: Vec<char> = text.chars().collect();
        let (mut result, mut at, mut steps, mut done) = (String::new(), 0, 0, false);
        while at < letters.len() {
            let found = match done && !is_global {
                true => None,
                false => self.matching(&self.0, letters[at..].iter(), Length::Longest, &mut steps)?,
            };
            match found.filter(|length| *length > 0) {
                Some(length) => {
                    result.push_str(by);
                    at += length;
                    done = true;
                }
                None => {
                    result.push(letters[at]);
                    at += 1;
                }
            }
        }
        Ok(result)
    }

    /// Follows all ways through the pattern at once.
    fn matching<'t>(
        &self,
        parts: &[Part],
        text: impl Iterator<Item = &'t char>,
        length: Length,
        steps: &mut usize,
    ) -> Result<Option<usize>, TooLong> {
        let mut alive = vec![false; parts.len() + 1];
        reach(&mut alive, parts, 0);
        let mut best = alive[parts.len()].then_some(0);
        for (count, letter) in (1..).zip(text) {
            if best.is_some() && length == Length::Shortest {
                break;
            }
            *steps += parts.len() + 1;
            if *steps > MOST_STEPS {
                return Err(TooLong);
            }
            let mut next = vec![false; parts.len() + 1];
            for (place, part) in parts.iter().enumerate().filter(|(place, _)| alive[*place]) {
                match part {
                    Part::Any => reach(&mut next, parts, place),
                    Part::One => reach(&mut next, parts, place + 1),
                    Part::Letter(wanted) if wanted == letter => reach(&mut next, parts, place + 1),
                    Part::Letter(_) => {}
                }
            }
            alive = next;
            if alive[parts.len()] {
                best = Some(count);
            }
            if !alive.contains(&true) {
                break;
            }
        }
        Ok(best)
    }
}

/// Marks a place as reached, and those behind a `*` with it.
fn reach(alive: &mut [bool], parts: &[Part], mut place: usize) {
    while !alive[place] {
        alive[place] = true;
        if parts.get(place) != Some(&Part::Any) {
            return;
        }
        place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Length, Pattern};

    fn letters(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn the_shortest_and_the_longest_differ_at_stars() {
        let text = letters("a/b/c");
        for (pattern, shortest, longest) in [
            ("*/", Some(2), Some(4)),
            ("a", Some(1), Some(1)),
            ("b", None, None),
            ("*", Some(0), Some(5)),
            ("??", Some(2), Some(2)),
        ] {
            let pattern = Pattern::new(pattern);
            assert_eq!(pattern.prefix(&text, Length::Shortest), Ok(shortest), "{pattern:?}");
            assert_eq!(pattern.prefix(&text, Length::Longest), Ok(longest), "{pattern:?}");
        }
        assert_eq!(Pattern::new("/*").suffix(&text, Length::Shortest), Ok(Some(2)));
        assert_eq!(Pattern::new("/*").suffix(&text, Length::Longest), Ok(Some(4)));
        assert_eq!(Pattern::new("\\*").prefix(&letters("*a"), Length::Longest), Ok(Some(1)));
    }

    #[test]
    fn matches_are_replaced_from_the_left() {
        let replace = |pattern: &str, text, is_global| Pattern::new(pattern).replace(text, "-", is_global).unwrap();
        assert_eq!(replace("a", "banana", false), "b-nana");
        assert_eq!(replace("a", "banana", true), "b-n-n-");
        assert_eq!(replace("a*n", "banana", true), "b-a");
        assert_eq!(replace("", "ab", true), "ab");
        assert_eq!(replace("*", "ab", true), "-");
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let pattern = Pattern::new(&"*a".repeat(5_000));
        assert!(pattern.replace(&"a".repeat(100_000), "", true).is_err());
    }
}
