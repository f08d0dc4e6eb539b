// SPDX-License-Identifier: Apache-2.0
//! Lists of patterns, of which the last one that fits decides.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a pattern")]
pub struct PatternError {
    /// As it was given.
    pub pattern: String,
    /// What is wrong with it, where the matcher says so.
    pub source: Option<globset::Error>,
}

/// Patterns of paths to leave out.
///
/// `*` and `?` match within a component, `**` any number of components, `[a-z]` one of these, `\` takes the special meaning of what
/// follows. A pattern that fits a directory fits all that is in it. A pattern that begins with `!` takes back what one before it
/// has said; the last one that fits decides.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    set: GlobSet,
    /// For each glob of the set, whether it takes back.
    negated: Vec<bool>,
}

/// What patterns say about a path: the last one that fits it or a directory that it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict(Option<usize>);

impl Patterns {
    /// Reads patterns. Empty ones are passed over; slashes at either end mean nothing.
    ///
    /// # Errors
    ///
    /// When a pattern cannot be understood.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, PatternError> {
        let mut set = GlobSetBuilder::new();
        let mut negated = Vec::new();
        for pattern in patterns {
            let text = pattern.as_ref().trim();
            let (is_negated, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim()));
            let rest = clean(rest);
            if rest.is_empty() {
                if is_negated {
                    return Err(PatternError { pattern: text.to_owned(), source: None });
                }
                continue;
            }
            set.add(glob(&rest)?);
            negated.push(is_negated);
        }
        let broken = |source| PatternError { pattern: String::new(), source: Some(source) };
        Ok(Self { set: set.build().map_err(broken)?, negated })
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.negated.is_empty()
    }

    /// Returns whether a relative path is left out, by itself or with a directory that it is in.
    #[must_use]
    pub fn excludes(&self, path: &Path) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut verdict = Verdict::default();
        let mut beginning = std::path::PathBuf::new();
        for component in path.components() {
            beginning.push(component);
            verdict = self.verdict(&beginning, verdict);
        }
        self.is_out(verdict)
    }

    /// Returns what the patterns say about a path, given what they say about the directory that it is in.
    pub(crate) fn verdict(&self, path: &Path, outer: Verdict) -> Verdict {
        if self.is_empty() {
            return outer;
        }
        Verdict(self.set.matches(path).into_iter().max().max(outer.0))
    }

    pub(crate) fn is_out(&self, verdict: Verdict) -> bool {
        verdict.0.is_some_and(|last| !self.negated[last])
    }

    /// Returns whether nothing in a directory with this verdict can be taken back.
    pub(crate) fn is_final(&self, verdict: Verdict) -> bool {
        verdict.0.is_some_and(|last| !self.negated[last..].contains(&true))
    }
}

/// Returns a pattern without `.` components and slashes too many.
pub(crate) fn clean(pattern: &str) -> String {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

/// Returns whether a pattern is more than a name.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Reads one pattern. Braces are ordinary characters.
pub(crate) fn glob(pattern: &str) -> Result<Glob, PatternError> {
    let mut escaped = String::with_capacity(pattern.len());
    let (mut in_class, mut after_backslash) = (false, false);
    for letter in pattern.chars() {
        if !after_backslash && !in_class && matches!(letter, '{' | '}') {
            escaped.push('\\');
        }
        match letter {
            _ if after_backslash => after_backslash = false,
            '\\' => after_backslash = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        escaped.push(letter);
    }
    let built = GlobBuilder::new(&escaped).literal_separator(true).backslash_escape(true).build();
    built.map_err(|source| PatternError { pattern: pattern.to_owned(), source: Some(source) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Patterns;

    #[test]
    fn the_last_pattern_that_fits_decides() {
        for (patterns, path, is_out) in [
            (&["a"][..], "a", true),
            (&["a"], "a/b/c", true),
            (&["a"], "b/a", false),
            (&["**/a"], "b/a", true),
            (&["**/a"], "a", true),
            (&["a/**"], "a/b/c", true),
            (&["*.md"], "README.md", true),
            (&["*.md"], "docs/README.md", false),
            (&["*.md", "!README.md"], "README.md", false),
            (&["!README.md", "*.md"], "README.md", true),
            (&["docs", "!docs/keep"], "docs/keep", false),
            (&["docs", "!docs/keep"], "docs/keep/x", false),
            (&["docs", "!docs/keep", "**/x"], "docs/keep/x", true),
            (&["/a/"], "a", true),
            (&["./a"], "a", true),
            (&["a?c"], "abc", true),
            (&["a?c"], "a/c", false),
            (&["[a-c]x"], "bx", true),
            (&["{a,b}"], "a", false),
            (&["{a,b}"], "{a,b}", true),
            (&["a\\*"], "a*", true),
            (&["a\\*"], "ab", false),
            (&["", "#"], "x", false),
            (&["*"], ".git/config", true),
        ] {
            let patterns_read = Patterns::new(patterns).unwrap();
            assert_eq!(patterns_read.excludes(Path::new(path)), is_out, "{patterns:?} on {path}");
        }
        assert!(Patterns::new(&["!"]).is_err());
        assert!(Patterns::new(&["[a"]).is_err());
    }
}
