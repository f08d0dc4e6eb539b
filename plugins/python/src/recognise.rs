// SPDX-License-Identifier: Apache-2.0
//! Command lines that install Python packages: what both tools' lines have in common.

use serde_json::{Map, Value, json};
use wythe_sdk::{Commanded, Program, Verdict, build};

use crate::requirement::{Line, classify, lines};

/// What is particular to a tool.
#[derive(Debug)]
pub struct Words {
    /// How the tool is called to install.
    pub calls: &'static [&'static str],
    /// Flags of no effect on what is installed.
    pub without_effect: &'static [&'static str],
    /// Such flags that take a value.
    pub with_value: &'static [&'static str],
    /// Flags that stand for an option: flag, option, its value.
    pub options: &'static [(&'static str, &'static str, bool)],
    /// Variables that begin with this change what the tool does …
    pub prefix: &'static str,
    /// … but for these.
    pub harmless: &'static [&'static str],
    /// Where caches may be mounted, and what may be removed.
    pub caches: &'static [&'static str],
}

/// Variables by which Python finds its modules elsewhere.
const ELSEWHERE: [&str; 4] = ["PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONPLATLIBDIR"];

impl Words {
    /// Returns what is to be said of a command none of whose programs is the tool.
    #[must_use]
    pub fn of_no_program(&self, command: &Commanded) -> Verdict {
        let mentions = self.calls.iter().any(|words| command.text.contains(words));
        match mentions && command.programs.is_empty() {
            true => Verdict::Near("a shell does more here than to install packages".to_owned()),
            false => Verdict::Other,
        }
    }

    /// Returns the options of the step that has the effect of `arguments`, which follow the tool's `install`.
    ///
    /// # Errors
    ///
    /// Why no step has it for certain.
    pub fn step(&self, command: &Commanded, arguments: &[String]) -> Result<Map<String, Value>, String> {
        self.surroundings(command)?;
        let mut options = Map::new();
        let mut words = arguments.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
                _ => (word, None),
            };
            let mut value_of = || value.or_else(|| words.next()).ok_or_else(|| format!("`{flag}` has no value"));
            if let Some((_, option, given)) = self.options.iter().find(|(known, ..)| *known == word) {
                options.insert((*option).to_owned(), (*given).into());
            } else if self.without_effect.contains(&word) {
            } else if self.with_value.contains(&flag) {
                value_of()?;
            } else {
                match flag {
                    "-r" | "--requirement" | "--requirements" => {
                        add(&mut options, "requirements", requirement_file(command, value_of()?)?);
                    }
                    "-i" | "--index-url" => drop(options.insert("index-url".to_owned(), address(value_of()?)?.into())),
                    "--extra-index-url" => add(&mut options, "extra-index-url", address(value_of()?)?),
                    flag if flag.starts_with('-') => return Err(format!("`{flag}` has no counterpart in a step")),
                    _ => add(&mut options, "packages", package(word)?),
                }
            }
        }
        if !options.contains_key("packages") && !options.contains_key("requirements") {
            return Err("it names nothing to install".to_owned());
        }
        Ok(options)
    }

    /// Looks at what surrounds the command.
    fn surroundings(&self, command: &Commanded) -> Result<(), String> {
        let of_programs = command.programs.iter().flat_map(|program| &program.env);
        let changes =
            |name: &str| (name.starts_with(self.prefix) && !self.harmless.contains(&name)) || ELSEWHERE.contains(&name);
        if let Some((name, _)) = command.env.iter().chain(of_programs).find(|(name, _)| changes(name)) {
            return Err(format!("the variable `{name}` may change what is installed, and where"));
        }
        match command.caches.iter().find(|cache| !self.caches.contains(&cache.as_str())) {
            Some(cache) => Err(format!("the cache at `{cache}` may hold more than what is downloaded")),
            None => Ok(()),
        }
    }

    /// Returns the only program that installs; the others remove caches of the tool, or are the tool as it empties them.
    ///
    /// # Errors
    ///
    /// Where another one does something else.
    pub fn alone<'c>(
        &self,
        command: &'c Commanded,
        installs: impl Fn(&Program) -> bool,
        empties: impl Fn(&Program) -> bool,
    ) -> Result<&'c Program, String> {
        let mut found = None;
        for program in &command.programs {
            let words: Vec<&str> = program.argv.iter().map(String::as_str).collect();
            let cleans = match words[..] {
                ["rm", "-rf" | "-fr" | "-r", ref paths @ ..] => paths.iter().all(|path| self.caches.contains(path)),
                _ => empties(program),
            };
            if installs(program) {
                if found.replace(program).is_some() {
                    return Err("it installs twice".to_owned());
                }
            } else if !cleans || found.is_none() {
                return Err(format!("`{}` does something else beside it", program.argv[0]));
            }
        }
        found.ok_or_else(|| "it installs nothing".to_owned())
    }
}

fn add(options: &mut Map<String, Value>, name: &str, value: String) {
    let list = options.entry(name).or_insert_with(|| json!([]));
    if let Value::Array(list) = list {
        list.push(value.into());
    }
}

fn address(text: &str) -> Result<String, String> {
    match text.starts_with("https://") || text.starts_with("http://") {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no address of an index")),
    }
}

fn package(text: &str) -> Result<String, String> {
    let is_project = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && !text.contains(['/', '*', '?', '\n', '\r'])
        && ![".whl", ".tar.gz", ".zip"].iter().any(|ending| text.ends_with(ending))
        && classify(text) == Line::Other;
    if is_project { Ok(text.to_owned()) } else { Err(format!("`{text}` is no project of an index")) }
}

/// Returns a requirement file of the image by its place in the build context, where both are one and say nothing that depends
/// on where they are.
fn requirement_file(command: &Commanded, path: &str) -> Result<String, String> {
    let source = command.source_of(path).filter(|source| build::exists(source));
    let source = source.ok_or_else(|| format!("`{path}` is not known to be a file of the build context"))?;
    let text = build::read_text(&source).map_err(|why| format!("`{source}` cannot be read: {why}"))?;
    match lines(&text).iter().find(|(_, line)| *line != Line::Other) {
        Some((number, _)) => Err(format!("`{source}` names another file in line {number}")),
        None => Ok(source),
    }
}
