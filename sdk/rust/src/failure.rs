// SPDX-License-Identifier: Apache-2.0
//! Why a step has no plan.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How grave a problem is. Only [`Severity::Error`] stops the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Stops the build.
    Error,
    /// Should be looked at.
    Warning,
    /// Is worth knowing.
    Note,
}

/// One thing that is wrong with the options of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How grave it is.
    pub severity: Severity,
    /// RFC 6901 pointer into the step's options, such as `/packages/2`; empty for the options as a whole.
    pub path: String,
    /// A lower-case fragment without a final period.
    pub message: String,
    /// Something the person can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// Returns an error at `path`.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path: path.into(), message: message.into(), hint: None }
    }

    /// Adds what the person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a step has no plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The options cannot be honoured: shown as an error in the person's definition.
    Options(Vec<Problem>),
    /// Planning failed for another reason: an index could not be read, a signature was bad.
    Failed(String),
}

impl Failure {
    /// Returns a failure with one problem, at `path` of the options.
    pub fn option(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Options(vec![Problem::error(path, message)])
    }

    /// Returns a failure that is not the options' fault.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// Adds what the person can do to the last problem. A failure that is not the options' fault stays as it is.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Self::Options(problems) = &mut self
            && let Some(last) = problems.last_mut()
        {
            last.hint = Some(hint.into());
        }
        self
    }

    /// Returns `Ok` where no problem was found.
    ///
    /// # Errors
    ///
    /// The problems, where there are any.
    pub fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::Options(problems)) }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Options(vec![problem])
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => f.write_str(message),
            Self::Options(problems) => {
                for (index, problem) in problems.iter().enumerate() {
                    let gap = if index == 0 { "" } else { "; " };
                    write!(f, "{gap}{}: {}", problem.path, problem.message)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Failure {}
