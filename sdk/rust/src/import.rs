// SPDX-License-Identifier: Apache-2.0
//! What a plugin implements that turns files which it claims into definitions.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Failure;

/// A plugin that translates.
pub trait Importer {
    /// The options that a file is planned with.
    type Options: DeserializeOwned;

    /// Returns a definition that builds the image that the file builds.
    ///
    /// [`crate::recognise::recognise`] asks other plugins about commands.
    ///
    /// # Errors
    ///
    /// As [`crate::Step::plan`]: where the file could not be built, it cannot be translated.
    fn translate(options: Self::Options, wish: &Wish) -> Result<Translation, Failure>;
}

/// How a file is to be translated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Whether commands are left as they are.
    pub exact: bool,
    /// Files that come into the build context with the translation, and so must not come into the image.
    pub added: Vec<String>,
}

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
    pub options: Value,
    /// What the file says about it in comments.
    pub comment: Vec<String>,
    /// Where it begins in the file, from 1.
    pub line: u32,
    /// What the file says there, in a few words.
    pub said: String,
    /// What a person should know about the translation.
    pub note: Option<String>,
}
