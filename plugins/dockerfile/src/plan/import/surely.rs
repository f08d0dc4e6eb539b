// SPDX-License-Identifier: Apache-2.0
//! What is certain: values that follow from the file alone, and rules of an ignore file said of one directory.

use std::cell::Cell;

use super::Walk;
use crate::fault::{Fault, Place};
use crate::plan::ignore;
use crate::text::expand::{self, Quotes, Variables};
use crate::text::instruction::Text;

/// The variables of a stage, and whether one was used whose value depends on the image below.
struct Watched<'w, 'a, 'p> {
    walk: &'w Walk<'a, 'p>,
    depends: Cell<bool>,
}

impl Variables for Watched<'_, '_, '_> {
    fn get(&self, name: &str) -> Option<&str> {
        let scope = &self.walk.work.scope;
        let is_of_image = scope.env.iter().any(|(known, _)| known == name);
        if is_of_image && !self.walk.own.contains(name) || !is_of_image && !self.walk.known.env {
            self.depends.set(true);
        }
        scope.get(name)
    }

    fn missing(&self, name: &str) {
        self.walk.work.scope.missing(name);
    }
}

impl Walk<'_, '_> {
    /// Replaces the variables of a text; none where the value depends on the image below.
    pub(super) fn surely(&self, text: &str, place: Place) -> Result<Option<String>, Fault> {
        let watched = Watched { walk: self, depends: Cell::new(false) };
        let value = expand::value(text, self.work.escape, Quotes::Taken, &watched);
        let value = value.map_err(|what| Fault::new(place, what))?;
        Ok((!watched.depends.get()).then_some(value))
    }

    pub(super) fn surely_text(&self, text: &Text) -> Result<Option<String>, Fault> {
        self.surely(&text.text, text.place)
    }

    /// As [`Walk::surely`], cut into words.
    pub(super) fn surely_words(&self, text: &Text) -> Result<Option<Vec<String>>, Fault> {
        let watched = Watched { walk: self, depends: Cell::new(false) };
        let words = expand::words(&text.text, self.work.escape, &watched);
        let words = words.map_err(|what| Fault::new(text.place, what))?;
        Ok((!watched.depends.get()).then_some(words))
    }
}

/// Whether rules leave a file out, and it is certain.
pub(super) fn leaves_out_surely(rules: &[String], path: &str) -> bool {
    !rules.iter().any(|rule| rule.contains('[')) && ignore::leaves_out(rules, path)
}

/// Returns rules for paths relative to the context as rules for paths relative to a directory of it; none where they cannot be
/// said so, or are about the directory itself.
pub(super) fn rebased(rules: &[String], directory: &str) -> Option<Vec<String>> {
    let names: Vec<&str> = directory.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.is_empty() {
        return Some(rules.to_vec());
    }
    let mut found = Vec::new();
    for rule in rules {
        let (mark, rest) = rule.strip_prefix('!').map_or(("", rule.as_str()), |rest| ("!", rest));
        let parts: Vec<&str> = rest.split('/').collect();
        let mut below = Vec::new();
        rebase(&parts, &names, &mut below)?;
        found.extend(below.into_iter().map(|rest| format!("{mark}{rest}")));
    }
    Some(found)
}

/// Adds what is left of a rule below a directory; none where it is about the directory.
fn rebase(rule: &[&str], names: &[&str], found: &mut Vec<String>) -> Option<()> {
    match (rule, names) {
        // All of the rule fits the directory or one above it: it is left out, or brought back, as a whole.
        ([], _) => None,
        (rest, []) => {
            let rest = rest.join("/");
            if !found.contains(&rest) {
                found.push(rest);
            }
            Some(())
        }
        (["**", rest @ ..], [_, deeper @ ..]) => {
            rebase(rest, names, found)?;
            rebase(rule, deeper, found)
        }
        ([first, ..], _) if first.contains('[') => None,
        ([first, rest @ ..], [name, deeper @ ..]) => {
            if ignore::fits(first, name) {
                rebase(rest, deeper, found)
            } else {
                Some(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rebased;

    #[test]
    fn rules_are_said_of_a_directory() {
        let rebased = |rule: &str| rebased(&[rule.to_owned()], "a/b").map(|rules| rules.join(" "));
        for (rule, expected) in [
            ("*.log", Some("")),
            ("a/b/c", Some("c")),
            ("!a/*/c*", Some("!c*")),
            ("x/b/c", Some("")),
            ("**/c", Some("**/c")),
            ("**/b/c", Some("c **/b/c")),
            ("a/**/c", Some("**/c")),
            ("a/**", None),
            ("a/b", None),
            ("a", None),
            ("**/b", None),
            ("[a]/b/c", None),
        ] {
            assert_eq!(rebased(rule).as_deref(), expected, "{rule}");
        }
    }
}
