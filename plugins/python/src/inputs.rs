// SPDX-License-Identifier: Apache-2.0
//! What a tool is given to resolve: requirements, and the files of the build context that they name.

use std::collections::BTreeSet;

use wythe_sdk::{Command, Failure, Problem, build};

use crate::Options;
use crate::requirement::{Line, classify, is_url, lines};

/// Where files of the build context are mounted while a tool runs.
pub const CONTEXT: &str = "/run/wythe/context";

/// Requirements, ready for a tool.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Lines of a requirement file that stand for `packages`.
    pub lines: Vec<String>,
    /// Paths, inside the sandbox, of the requirement files.
    pub files: Vec<String>,
    /// Arguments that name pages and directories of files.
    pub find_links: Vec<String>,
    bound: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Inputs {
    /// Reads the requirement files, and the files that they name, from the build context.
    ///
    /// # Errors
    ///
    /// Every file that is missing and every local project, at the option that names it.
    pub fn gather(options: &Options) -> Result<Self, Failure> {
        if options.packages.is_empty() && options.requirements.is_empty() {
            return Err(Failure::option("", "neither `packages` nor `requirements` names anything to install"));
        }
        let mut inputs = Self::default();
        for (index, package) in options.packages.iter().enumerate() {
            inputs.package(&format!("/packages/{index}"), package);
        }
        for (index, file) in options.requirements.iter().enumerate() {
            let pointer = format!("/requirements/{index}");
            match inside("", file) {
                Some(path) => {
                    inputs.read(&pointer, &path, &mut Vec::new());
                    inputs.files.push(format!("{CONTEXT}/{path}"));
                }
                None => inputs.outside(&pointer, file),
            }
        }
        for (index, place) in options.find_links.iter().enumerate() {
            let found = inputs.place(&format!("/find-links/{index}"), "", place);
            inputs.find_links.push(format!("--find-links={found}"));
        }
        Failure::unless_empty(std::mem::take(&mut inputs.problems))?;
        Ok(inputs)
    }

    /// Mounts what the requirements name, and runs in the root of the build context.
    pub fn bind(&self, command: Command) -> Command {
        if self.bound.is_empty() {
            return command;
        }
        let command = command.workdir(CONTEXT);
        // What lies in a directory that is mounted is there already, and nothing can be mounted inside it.
        let is_below = |path: &str| {
            self.bound.iter().any(|above| path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')))
        };
        let outermost = self.bound.iter().filter(|path| !is_below(path));
        outermost.fold(command, |command, path| command.bind_context(path, &format!("{CONTEXT}/{path}")))
    }

    fn package(&mut self, pointer: &str, package: &str) {
        let line = match classify(package) {
            Line::Path(path) => self.local(pointer, "", &path),
            Line::Editable(path) => return self.project(pointer, "", &path),
            Line::File(_) | Line::FindLinks(_) => {
                let problem = Problem::error(pointer, format!("`{package}` is an option, not a package"));
                return self
                    .problems
                    .push(problem.hint("put files into `requirements` and flags into `extra-options`"));
            }
            Line::Other => package.to_owned(),
        };
        self.lines.push(line);
    }

    /// Reads a file and those that it names; `above` are the files that led here.
    fn read(&mut self, pointer: &str, path: &str, above: &mut Vec<String>) {
        if above.iter().any(|known| known == path) {
            return;
        }
        let text = match build::read_text(path) {
            Ok(text) => text,
            Err(reason) => {
                let by = above.last().map(|file| format!(" (named by `{file}`)")).unwrap_or_default();
                return self.problems.push(Problem::error(pointer, format!("cannot read `{path}`{by}: {reason}")));
            }
        };
        self.bound.insert(path.to_owned());
        above.push(path.to_owned());
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (number, line) in lines(&text) {
            let place = format!(" (`{path}` line {number})");
            match line {
                Line::File(name) => match inside(directory, &name) {
                    Some(next) => self.read(pointer, &next, above),
                    None => self.outside(pointer, &name),
                },
                Line::FindLinks(name) => {
                    let beside = inside(directory, &name).is_some_and(|path| build::exists(&path));
                    drop(self.place(pointer, if beside { directory } else { "" }, &name));
                }
                // As both tools have it: beside the files that a file names, paths are those of the working directory.
                Line::Path(name) => drop(self.local(pointer, &place, &name)),
                Line::Editable(name) if !is_url(&name) => self.project(pointer, &place, &name),
                Line::Editable(_) | Line::Other => {}
            }
        }
        above.pop();
    }

    /// A directory of files is mounted; a page is only named.
    fn place(&mut self, pointer: &str, directory: &str, name: &str) -> String {
        if is_url(name) {
            return name.to_owned();
        }
        match inside(directory, name) {
            Some(path) if build::exists(&path) => {
                self.bound.insert(path.clone());
                format!("{CONTEXT}/{path}")
            }
            Some(path) => {
                self.problems.push(Problem::error(pointer, format!("the build context has no directory `{path}`")));
                path
            }
            None => {
                self.outside(pointer, name);
                name.to_owned()
            }
        }
    }

    /// A file by path. A directory would be a project, which is built where it lies.
    fn local(&mut self, pointer: &str, place: &str, name: &str) -> String {
        let Some(path) = inside("", name) else {
            self.outside(pointer, name);
            return name.to_owned();
        };
        let is_file = [".whl", ".tar.gz", ".zip"].iter().any(|ending| path.ends_with(ending));
        if !is_file {
            self.project(pointer, place, name);
        } else if build::exists(&path) {
            self.bound.insert(path.clone());
        } else {
            self.problems.push(Problem::error(pointer, format!("the build context has no file `{path}`{place}")));
        }
        format!("{CONTEXT}/{path}")
    }

    fn project(&mut self, pointer: &str, place: &str, name: &str) {
        let problem =
            Problem::error(pointer, format!("`{name}`{place} is a local project, which has no fixed version"));
        self.problems.push(problem.hint("copy it with a `files` step and install it with a `run` step"));
    }

    fn outside(&mut self, pointer: &str, name: &str) {
        self.problems.push(Problem::error(pointer, format!("`{name}` lies outside the build context")));
    }
}

/// Joins a name to a directory of the build context; none where the result is not inside it.
fn inside(directory: &str, name: &str) -> Option<String> {
    if name.starts_with('/') || name.starts_with('~') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn names_stay_inside_the_context() {
        let table = [
            ("reqs", "base.txt", Some("reqs/base.txt")),
            ("reqs/dev", "../base.txt", Some("reqs/base.txt")),
            ("", "./a//b.txt", Some("a/b.txt")),
            ("reqs", "../../a.txt", None),
            ("", "/etc/passwd", None),
            ("", "~/a.txt", None),
            ("", ".", None),
        ];
        for (directory, name, expected) in table {
            assert_eq!(inside(directory, name).as_deref(), expected, "{name} in {directory}");
        }
    }
}
