// SPDX-License-Identifier: Apache-2.0
//! `.dockerignore`: what a build context leaves out.

use wythe_sdk::build;

use super::paths;
use crate::Options;
use crate::fault::{Fault, Place};
use crate::text::glob::{Length, Pattern};

/// Returns where a path of the file's context stands in the build context.
#[must_use]
pub fn context_path(options: &Options, path: &str) -> String {
    match options.context.as_deref().map(|dir| paths::clean(dir).trim_start_matches('/').to_owned()) {
        Some(dir) if !dir.is_empty() => paths::clean(&format!("/{dir}/{path}")).trim_start_matches('/').to_owned(),
        _ => path.to_owned(),
    }
}

/// Returns the ignore file: the file's own, else that of the context.
pub(super) fn file(options: &Options) -> Option<String> {
    let name = options.path.as_deref().unwrap_or("Dockerfile");
    let candidates = [format!("{name}.dockerignore"), ".dockerignore".to_owned(), ".containerignore".to_owned()];
    candidates.iter().map(|candidate| context_path(options, candidate)).find(|path| build::exists(path))
}

/// Reads the rules of the ignore file.
pub(super) fn rules(options: &Options) -> Result<Vec<String>, Fault> {
    let Some(path) = file(options) else { return Ok(Vec::new()) };
    let bytes = build::read(&path);
    let bytes = bytes.map_err(|why| Fault::new(Place::line(1), format!("cannot read `{path}`: {why}")))?;
    let prefix = context_path(options, "");
    Ok(parse(&String::from_utf8_lossy(&bytes)).into_iter().map(|rule| below(&prefix, &rule)).collect())
}

/// Reads an ignore file: a rule a line, `#` at the beginning of a line for a comment, `!` for an exception.
fn parse(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(str::trim).filter(|line| !line.is_empty());
    lines.filter_map(rule).collect()
}

fn rule(line: &str) -> Option<String> {
    let (mark, rest) = line.strip_prefix('!').map_or(("", line), |rest| ("!", rest.trim()));
    if rest.is_empty() {
        return None;
    }
    let cleaned = paths::clean(&format!("/{rest}"));
    let cleaned = cleaned.trim_matches('/');
    // The context itself cannot be left out.
    (!cleaned.is_empty()).then(|| format!("{mark}{cleaned}"))
}

fn below(prefix: &str, rule: &str) -> String {
    let (mark, rest) = rule.strip_prefix('!').map_or(("", rule), |rest| ("!", rest));
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() { rule.to_owned() } else { format!("{mark}{prefix}/{rest}") }
}

/// Returns whether rules leave a path out, with all that is in it. The last one that matches decides.
pub(super) fn leaves_out(rules: &[String], path: &str) -> bool {
    let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let mut is_out = false;
    for rule in rules {
        let (is_exception, rest) = rule.strip_prefix('!').map_or((false, rule.as_str()), |rest| (true, rest));
        let pattern: Vec<&str> = rest.split('/').collect();
        // A rule that matches a directory matches all that is in it.
        if (1..=names.len()).any(|length| matches(&pattern, &names[..length])) {
            is_out = !is_exception;
        } else if is_exception && rest.starts_with(&format!("{}/", names.join("/"))) {
            return false;
        }
    }
    is_out && !names.is_empty()
}

fn matches(pattern: &[&str], names: &[&str]) -> bool {
    match pattern {
        [] => names.is_empty(),
        ["**", rest @ ..] => (0..=names.len()).any(|skipped| matches(rest, &names[skipped..])),
        [first, rest @ ..] => {
            names.split_first().is_some_and(|(name, names)| fits(first, name) && matches(rest, names))
        }
    }
}

/// Whether a name fits a pattern of `*` and `?`. Classes of letters are not looked into: who is not sure does not warn.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let letters: Vec<char> = name.chars().collect();
    let found = Pattern::new(pattern).prefix(&letters, Length::Longest);
    !pattern.contains('[') && found.is_ok_and(|length| length == Some(letters.len()))
}

#[cfg(test)]
mod tests {
    use super::{below, leaves_out, parse};

    #[test]
    fn rules_are_cleaned() {
        let text = "\u{feff}# comment\n\n  a/ \n/b//c/../d\n! x\n!\n #not a comment\n**/*.log\n./e\n";
        assert_eq!(parse(text), ["a", "b/d", "!x", "#not a comment", "**/*.log", "e"]);
    }

    #[test]
    fn a_path_is_left_out_by_the_last_rule_that_matches() {
        let rules = ["*.log", "!keep.log", "dir", "**/deep", "!back/deep/x"].map(str::to_owned);
        for (path, expected) in [
            ("a.log", true),
            ("keep.log", false),
            ("dir", true),
            ("dir/in/it", true),
            ("a/deep", true),
            ("back/deep", false),
            ("other", false),
            (".", false),
        ] {
            assert_eq!(leaves_out(&rules, path), expected, "{path}");
        }
    }

    #[test]
    fn rules_of_a_directory_stay_in_it() {
        assert_eq!(
            (below("app", "**/x"), below("app", "!y"), below("", "z")),
            ("app/**/x".into(), "!app/y".into(), "z".into())
        );
    }
}
