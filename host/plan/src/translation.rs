// SPDX-License-Identifier: Apache-2.0
//! A definition as a plugin hands it over that has turned a file into one.

use serde::Serialize;

/// A definition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Translation {
    /// What it starts from.
    pub base: Translated,
    /// What is done to it.
    pub steps: Vec<Translated>,
    /// Comments below the last step.
    pub closing: Vec<String>,
}

/// One step of it, or its base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Translated {
    /// Its kind.
    pub kind: String,
    /// The kind's options, and those that every step has.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// What the file says about it in comments, a line an entry.
    pub comment: Vec<String>,
    /// Where it begins in the file, from 1.
    pub line: u32,
    /// What the file says there, in a few words.
    pub said: String,
    /// What a person should know about the translation.
    pub note: Option<String>,
}
