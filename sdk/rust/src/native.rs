// SPDX-License-Identifier: Apache-2.0
//! The interface on native targets: the functions that wit-bindgen makes on Wasm, answered from memory.
//!
//! What is asked and built is written down in the [`world::World`] of the current thread, which the test kit sets up
//! before it calls a plugin and takes back afterwards.

pub(crate) mod graph;
pub(crate) mod operation;
pub(crate) mod world;

use world::with;

pub(crate) mod report {
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Level {
        Trace,
        Info,
        Warning,
    }

    pub(crate) fn log(level: Level, message: &str) {
        let word = match level {
            Level::Trace => "trace",
            Level::Info => "note",
            Level::Warning => "warning",
        };
        super::with(|world| world.log.push(format!("{word}: {message}")));
    }

    pub(crate) use crate::report::{Finding, Offer};

    pub(crate) fn found(finding: &Finding) {
        let crate::report::Finding { severity, rule, message, hint, place } = finding;
        let word = format!("{severity:?}").to_lowercase();
        let place = place.as_ref().map(shown).unwrap_or_default();
        let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let line = format!("{word} {rule}{place}: {message}{hint}");
        super::with(|world| world.log.push(line));
    }

    pub(crate) fn offers(offer: &Offer) {
        let crate::report::Offer { kind, name, description, value, required, place } = offer;
        let word = format!("{kind:?}").to_lowercase();
        let place = place.as_ref().map(shown).unwrap_or_default();
        let line = format!("offers {word} {name}{place}: {value:?} {required} {description}");
        super::with(|world| world.log.push(line.trim_end().to_owned()));
    }

    fn shown(place: &crate::report::Place) -> String {
        format!(" at {}:{}:{}+{}", place.source, place.line, place.column, place.length)
    }

    pub(crate) fn progress(_label: &str, _done: u64, _total: u64) {}
}

pub(crate) mod build {
    pub(crate) fn platform() -> String {
        super::with(|world| world.ask("platform", world.given.platform.clone()))
    }

    pub(crate) fn machine_platform() -> String {
        super::with(|world| world.ask("machine-platform", world.given.machine_platform.clone()))
    }

    pub(crate) fn builder_version() -> String {
        super::with(|world| world.ask("builder-version", world.given.builder_version.clone()))
    }

    pub(crate) fn source_date_epoch() -> u64 {
        super::with(|world| world.ask("source-date-epoch", world.given.source_date_epoch))
    }

    pub(crate) fn arg(name: &str) -> Option<String> {
        super::with(|world| world.ask(&format!("arg {name}"), world.given.args.get(name).cloned()))
    }

    pub(crate) fn read(path: &str) -> Result<Vec<u8>, String> {
        super::with(|world| {
            let bytes = world.given.context.get(path).cloned();
            world.ask(&format!("context-read {path}"), bytes.ok_or_else(|| "no such file".to_owned()))
        })
    }

    pub(crate) fn exists(path: &str) -> bool {
        super::with(|world| {
            let below = format!("{}/", path.trim_end_matches('/'));
            let found = world.given.context.keys().any(|name| name == path || name.starts_with(&below));
            world.ask(&format!("context-exists {path}"), found)
        })
    }

    pub(crate) fn glob(pattern: &str) -> Vec<String> {
        super::with(|world| {
            let names =
                world.given.context.keys().filter(|name| super::glob::matches(pattern, name)).cloned().collect();
            world.ask(&format!("context-glob {pattern}"), names)
        })
    }
}

pub(crate) mod fetch {
    /// A commit and the name that it was found by.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct GitCommit {
        /// Its id.
        pub commit: String,
        /// The full name of the reference; `HEAD` where the repository says no more.
        pub reference: String,
    }

    pub(crate) fn git(url: &str, reference: Option<&str>) -> Result<GitCommit, String> {
        super::operation::git_url(url);
        let question = reference.map_or_else(|| url.to_owned(), |name| format!("{url} {name}"));
        super::with(|world| {
            world.fetched.push(format!("git {question}"));
            let missing = || Err(format!("{question}: the test has no answer for it"));
            let answer = world.given.git.get(&question).cloned().unwrap_or_else(missing)?;
            let (commit, reference) = answer.split_once(' ').expect("an answer is a commit and a name");
            Ok(GitCommit { commit: commit.to_owned(), reference: reference.to_owned() })
        })
    }

    pub(crate) fn get(url: &str) -> Result<Vec<u8>, String> {
        super::with(|world| {
            world.fetched.push(url.to_owned());
            world
                .given
                .fetches
                .get(url)
                .cloned()
                .unwrap_or_else(|| Err(format!("{url}: the test has no answer for it")))
        })
    }
}

pub(crate) mod probe {
    use super::graph::Command;

    pub(crate) fn output(command: Command) -> Result<Vec<u8>, String> {
        let run = command.into_run();
        super::with(|world| {
            let text = run.to_string();
            world.probed.push(run);
            let answer = world.given.probes.iter().find(|(part, _)| text.contains(part.as_str()));
            answer.map_or_else(
                || Err(format!("the test has no answer for the probe {text}")),
                |(_, answer)| answer.clone(),
            )
        })
    }
}

pub(crate) mod steps {
    use super::graph::State;
    use crate::Failure;

    pub(crate) fn call(kind: &str, options: &str, on: &State) -> Result<State, Failure> {
        let options: serde_json::Value =
            serde_json::from_str(options).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(State::add(serde_json::json!({ "step": { "on": on.id(), "kind": kind, "options": options } })))
    }
}

pub(crate) mod recognition {
    use crate::{Commanded, Verdict};

    pub(crate) fn recognise(command: &Commanded) -> Verdict {
        super::with(|world| {
            let answer = world.given.verdicts.iter().find(|(part, _)| command.text.contains(part.as_str()));
            world.asked_about.push(command.clone());
            answer.map_or(Verdict::Other, |(_, verdict)| verdict.clone())
        })
    }

    pub(crate) fn is_link(path: &str) -> bool {
        super::with(|world| world.ask(&format!("context-is-link {path}"), world.given.links.contains(path)))
    }
}

/// Patterns as the interface describes them: `*`, `?`, `[a-z]`, and `**` across directories.
mod glob {
    pub(super) fn matches(pattern: &str, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
        here(&pattern, &name)
    }

    fn here(pattern: &[char], name: &[char]) -> bool {
        match pattern {
            [] => name.is_empty(),
            ['*', '*', '/', rest @ ..] => {
                here(rest, name) || (0..name.len()).any(|at| name[at] == '/' && here(rest, &name[at + 1..]))
            }
            ['*', '*', rest @ ..] => (0..=name.len()).any(|at| here(rest, &name[at..])),
            ['*', rest @ ..] => {
                let end = name.iter().position(|c| *c == '/').unwrap_or(name.len());
                (0..=end).any(|at| here(rest, &name[at..]))
            }
            ['?', rest @ ..] => name.first().is_some_and(|c| *c != '/') && here(rest, &name[1..]),
            ['[', rest @ ..] => {
                let Some(end) = rest.iter().position(|c| *c == ']') else { return false };
                let (Some(c), set) = (name.first(), &rest[..end]) else { return false };
                in_set(set, *c) && here(&rest[end + 1..], &name[1..])
            }
            [c, rest @ ..] => name.first() == Some(c) && here(rest, &name[1..]),
        }
    }

    fn in_set(set: &[char], c: char) -> bool {
        match set {
            ['!' | '^', rest @ ..] => c != '/' && !in_set(rest, c),
            [low, '-', high, rest @ ..] => (*low..=*high).contains(&c) || in_set(rest, c),
            [one, rest @ ..] => *one == c || in_set(rest, c),
            [] => false,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::matches;

        #[test]
        fn patterns_stop_at_slashes_unless_doubled() {
            let table = [
                ("*.txt", "a.txt", true),
                ("*.txt", "d/a.txt", false),
                ("**/*.txt", "a.txt", true),
                ("**/*.txt", "d/e/a.txt", true),
                ("d/**", "d/e/a.txt", true),
                ("[a-c]?.py", "b1.py", true),
                ("[!a-c]?.py", "b1.py", false),
                ("a", "ab", false),
            ];
            for (pattern, name, expected) in table {
                assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
            }
        }
    }
}
