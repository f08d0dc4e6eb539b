// SPDX-License-Identifier: Apache-2.0
//! What a plugin implements that knows commands which do what its step does.

use serde_json::Value;

/// A plugin that knows commands.
///
/// A file of another language is being turned into a definition, and the commands in it are shown to every plugin.
pub trait Recogniser {
    /// Looks at a command. [`crate::build`] can be asked. [`Verdict::Step`] is for a step that certainly has the same effect
    /// on the image, but for what the plugin's documentation names.
    fn recognise(command: &Commanded) -> Verdict;
}

/// A command line that root runs in `/bin/sh`, with the machine's network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commanded {
    /// The command line as it is written.
    pub text: String,
    /// Its programs, each of which is run where the one before it succeeded. Empty where the shell does more than that.
    pub programs: Vec<Program>,
    /// The working directory.
    pub workdir: String,
    /// The environment: of the image below, as far as it is known, and of the command.
    pub env: Vec<(String, String)>,
    /// Where caches are mounted that outlive the build.
    pub caches: Vec<String>,
    /// What is in the image as it is in the build context: path in the image, path in the context. The later one counts.
    pub copied: Vec<(String, String)>,
    /// The command lines before this one that stay commands.
    pub earlier: Vec<String>,
}

/// One program of a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Variables that are set for it alone.
    pub env: Vec<(String, String)>,
    /// Its words, its name first. They are as it gets them, but for patterns.
    pub argv: Vec<String>,
    /// The places in `argv` of patterns of file names, which the shell replaces: they are as they are written. In every other
    /// word `*`, `?` and `[` are meant as they are.
    pub patterns: Vec<u32>,
}

impl Program {
    /// Whether the word at a place is a pattern of file names.
    #[must_use]
    pub fn is_pattern(&self, place: usize) -> bool {
        self.patterns.iter().any(|pattern| *pattern as usize == place)
    }
}

/// What a kind makes of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is about something else.
    Other,
    /// A step has the same effect.
    Step {
        /// Its kind.
        kind: String,
        /// Its options.
        options: Value,
    },
    /// It is about what the kind does, and no step has certainly the same effect. Says why, as a lower-case fragment.
    Near(String),
}

impl Commanded {
    /// Returns where a file of the image, named relative to the working directory, is in the build context as it is in the
    /// image; none where that is not known.
    #[must_use]
    pub fn source_of(&self, path: &str) -> Option<String> {
        let whole = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.workdir) };
        let parts: Vec<&str> = whole.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return None;
        }
        let path = format!("/{}", parts.join("/"));
        self.copied.iter().rev().find_map(|(image, source)| {
            let rest = path.strip_prefix(image.trim_end_matches('/'))?;
            match (rest.strip_prefix('/'), source.as_str()) {
                (None, source) => rest.is_empty().then(|| source.to_owned()),
                (Some(rest), ".") => Some(rest.to_owned()),
                (Some(rest), source) => Some(format!("{source}/{rest}")),
            }
        })
    }
}

/// Asks the recognisers of all plugins: what the first says that knows the command, else what the first says that came near.
#[must_use]
pub fn recognise(command: &Commanded) -> Verdict {
    #[cfg(target_family = "wasm")]
    let verdict = crate::bindings::importing::wythe::step::recognition::recognise(&command.into()).into();
    #[cfg(not(target_family = "wasm"))]
    let verdict = crate::host::recognition::recognise(command);
    verdict
}

/// Returns whether a path of the build context is itself a symbolic link.
#[must_use]
pub fn is_link(path: &str) -> bool {
    #[cfg(target_family = "wasm")]
    let is_link = crate::bindings::importing::wythe::step::recognition::is_link(path);
    #[cfg(not(target_family = "wasm"))]
    let is_link = crate::host::recognition::is_link(path);
    is_link
}

#[cfg(test)]
mod tests {
    use super::Commanded;

    #[test]
    fn a_file_of_the_image_leads_to_the_context() {
        let copied = [("/app", "."), ("/srv/r.txt", "reqs/r.txt"), ("/app/lib", "vendor")];
        let copied = copied.map(|(path, source)| (path.to_owned(), source.to_owned())).to_vec();
        let command = Commanded { workdir: "/app".to_owned(), copied, ..Commanded::default() };
        for (path, source) in [
            ("a.txt", Some("a.txt")),
            ("./lib/b.txt", Some("vendor/b.txt")),
            ("/srv/r.txt", Some("reqs/r.txt")),
            ("/srv/r.txt2", None),
            ("/application", None),
            ("../srv/r.txt", None),
        ] {
            assert_eq!(command.source_of(path).as_deref(), source, "{path}");
        }
    }
}
