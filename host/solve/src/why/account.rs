// SPDX-License-Identifier: Apache-2.0
//! How the steps of an image came to their results in the last build, and why.

use serde::{Deserialize, Serialize};
use wythe_store::{IndexError, Store};

use super::Reason;

/// How a step came to its result, or that it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Every operation was found.
    Hit,
    /// At least one operation ran.
    Run,
    /// It only edits the configuration.
    Config,
    /// The build stopped at it.
    Failed,
    /// It is not foreseen: that depends on what the steps below it make.
    Open,
}

/// The last build of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The image's name in the definition; empty where the definition has one image.
    pub image: String,
    /// Its steps as far as the build went.
    pub steps: Vec<StepAccount>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAccount {
    /// Its id.
    pub step: String,
    /// What it was called in the build before, where that is another id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Its kind.
    pub kind: String,
    /// What became of it.
    pub how: Fate,
    /// Why it ran, in one sentence; empty where it did not.
    pub sentence: String,
    /// The same for programs.
    pub reasons: Vec<Reason>,
    /// Whether it ran and made what was there before.
    pub is_same: bool,
    /// Its operations.
    pub operations: Vec<OperationAccount>,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationAccount {
    /// What it does, in a few words.
    pub text: String,
    /// Whether it ran in this build.
    pub ran: bool,
    /// The log of the run that made its result, relative to the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// Returns how the steps of an image came to their results in the last build that the store remembers.
///
/// # Errors
///
/// Fails where the index cannot be read.
pub fn account_of(store: &Store, definition: &str, image: &str) -> Result<Option<Account>, IndexError> {
    let text = store.recall(definition, &subject(image))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(super) fn subject(image: &str) -> String {
    format!("account {image}")
}
