// SPDX-License-Identifier: Apache-2.0
//! The kind `dockerfile`: what a Dockerfile says, as a plan.
//!
//! ```text
//! text ──text──► stages ──plan──► states
//! ```
//!
//! A stage is a chain of states; `FROM stage`, `COPY --from` and `RUN --mount=from` join the chains, and only stages that
//! the target needs are planned. A text without `FROM` continues the image so far.

pub mod fault;
mod options;
pub mod plan;
pub mod text;

use fault::Fault;
pub use options::Options;
use text::stages::Dockerfile;
use wythe_sdk::{Failure, Problem, State, Step, build, report};

/// The step.
#[derive(Debug)]
pub struct Docker;

/// Largest file that is read.
const MOST_BYTES: usize = 8 << 20;

impl Step for Docker {
    type Options = Options;

    fn plan(base: &State, options: Options) -> Result<State, Failure> {
        let source = Source::of(&options)?;
        let file = Dockerfile::parse(&source.text).map_err(|fault| source.failure(&fault))?;
        let mut warnings = Vec::new();
        let state = plan::plan(&file, &source.text, base, &options, &mut warnings);
        for warning in &warnings {
            report::warn(&warning.render(&source.name, &source.text));
        }
        let state = state.map_err(|fault| source.failure(&fault))?;
        if (options.strict || file.directives.warnings_are_errors) && !warnings.is_empty() {
            let fault = Fault::new(warnings[0].place, "a warning, where warnings are errors");
            return Err(source.failure(&fault));
        }
        Ok(state)
    }
}

/// The text of a file and where it comes from.
struct Source {
    text: String,
    name: String,
    /// The option that it was given by.
    option: &'static str,
}

impl Source {
    fn of(options: &Options) -> Result<Self, Failure> {
        let given = [options.path.is_some(), options.text.is_some(), options.commands.is_some()];
        if given.iter().filter(|is_given| **is_given).count() > 1 {
            return Err(Failure::option("", "`path`, `text` and `commands` exclude each other"));
        }
        let name = options.path.clone().unwrap_or_else(|| "Dockerfile".to_owned());
        if let Some(commands) = &options.commands {
            let text = commands.join("\n") + "\n";
            return Ok(Self { text, name: "commands".to_owned(), option: "/commands" });
        }
        if let Some(text) = &options.text {
            return Ok(Self { text: text.clone(), name, option: "/text" });
        }
        let option = if options.path.is_some() { "/path" } else { "" };
        let path = plan::context_path(options, &name);
        let bytes =
            build::read(&path).map_err(|why| Failure::option(option, format!("cannot read `{path}`: {why}")))?;
        if bytes.len() > MOST_BYTES {
            return Err(Failure::option(option, format!("`{path}` is larger than {MOST_BYTES} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Failure::option(option, format!("`{path}` is not UTF-8 at line {line}, column {column}"))
        })?;
        Ok(Self { text, name, option })
    }

    fn failure(&self, fault: &Fault) -> Failure {
        let problem = Problem::error(self.option, fault.render(&self.name, &self.text));
        match &fault.hint {
            Some(hint) => Failure::from(problem).hint(hint),
            None => problem.into(),
        }
    }
}

wythe_sdk::export!(Docker: Step, "plugin.json");
