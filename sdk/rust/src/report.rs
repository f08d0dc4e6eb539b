// SPDX-License-Identifier: Apache-2.0
//! Messages to the person who waits. Never part of a cache key.

use serde::{Deserialize, Serialize};

use crate::Severity;
use crate::host::report as host;

/// Writes a line that only those who look for it see.
pub fn trace(message: &str) {
    host::log(host::Level::Trace, message);
}

/// Writes a line.
pub fn note(message: &str) {
    host::log(host::Level::Info, message);
}

/// Writes a line about something that should be looked at.
pub fn warn(message: &str) {
    host::log(host::Level::Warning, message);
}

/// A place in a text that the step is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The text: the path of a file of the build context, or, with a `/` in front, the pointer of an option that holds it.
    pub source: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// How many characters it covers; 0 where that is not known.
    pub length: u32,
}

/// One thing that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How grave it is. An error is told in place of the problems of the [`Failure`](crate::Failure) that follows.
    pub severity: Severity,
    /// The name of the rule that found it; empty for what no rule found.
    pub rule: String,
    /// A lower-case fragment without a final period.
    pub message: String,
    /// Something the person can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where; none for the options as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// What a text lets a person choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offering {
    /// What is built.
    Target,
    /// A value.
    Argument,
    /// A secret that a command asks for.
    Secret,
    /// An ssh agent that a command asks for.
    Ssh,
}

/// One thing that a text lets a person choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it is.
    pub kind: Offering,
    /// Its name.
    pub name: String,
    /// What the text says about it.
    pub description: String,
    /// What it is where nobody chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether it must be given, or, of a target, whether it is the one that is built where nobody chooses.
    pub required: bool,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Tells of something that a person should look at. The host shows the line that it is about.
pub fn found(finding: Finding) {
    #[cfg(target_family = "wasm")]
    let finding = finding.into();
    host::found(&finding);
}

/// Tells of something that the step's text lets a person choose.
pub fn offers(offer: Offer) {
    #[cfg(target_family = "wasm")]
    let offer = offer.into();
    host::offers(&offer);
}

/// Says how far long work has come; a `total` of 0 means unknown.
pub fn progress(label: &str, done: u64, total: u64) {
    host::progress(label, done, total);
}
