// SPDX-License-Identifier: Apache-2.0
//! What operations take over from the configuration of the image below.

use crate::why::Reason;

/// A part of the image's configuration that operations take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::why) enum Part {
    Variable(String),
    User,
    WorkingDirectory,
    Shell,
}

impl Part {
    /// The option of a step that says the same for this step alone.
    pub(super) fn option(&self) -> String {
        match self {
            Self::Variable(name) => format!("env.{name}"),
            Self::User => "user".to_owned(),
            Self::WorkingDirectory => "workdir".to_owned(),
            Self::Shell => "shell".to_owned(),
        }
    }

    pub(super) fn reason(&self, old: Option<String>, new: Option<String>, step: String) -> Reason {
        let part = match self {
            Self::Variable(name) => return Reason::Environment { name: name.clone(), old, new, step: Some(step) },
            Self::User => "user",
            Self::WorkingDirectory => "working directory",
            Self::Shell => "shell",
        };
        let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
        Reason::Configuration { part: part.to_owned(), old, new, step: Some(step) }
    }
}
