// SPDX-License-Identifier: Apache-2.0
//! The lock: what floats in a definition, pinned.

use std::collections::BTreeMap;

use serde_json::Value;
use wythe_image::Digest;

use crate::Fact;

/// What resolving a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedStep {
    /// The step's kind.
    pub kind: String,
    /// Digest of the plugin that resolved it.
    pub plugin: Digest,
    /// Digest of the options that were resolved.
    pub options: Digest,
    /// What the resolver asked, and the digest of each answer.
    pub facts: BTreeMap<Fact, Digest>,
    /// What it found; none where only facts are pinned.
    pub entry: Option<Value>,
}

impl LockedStep {
    /// Returns whether it was made of these options by this plugin. The facts are for the caller to compare.
    #[must_use]
    pub fn matches(&self, options: &Digest, plugin: &Digest) -> bool {
        self.options == *options && self.plugin == *plugin
    }
}

/// The content of `wythe.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    images: BTreeMap<String, BTreeMap<String, LockedStep>>,
}

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
pub enum ParseLockError {
    /// It is malformed.
    #[error("malformed on line {line}")]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
}

impl Lock {
    /// Reads a lock.
    ///
    /// # Errors
    ///
    /// See [`ParseLockError`].
    pub fn parse(text: &str) -> Result<Self, ParseLockError> {
        if text.is_empty() { Ok(Self::default()) } else { Err(ParseLockError::Malformed { line: 1 }) }
    }

    /// Returns the text of the lock.
    #[must_use]
    pub fn to_text(&self) -> String {
        String::new()
    }

    /// Returns what is locked for a step; the name of the image of a definition of one image is none.
    #[must_use]
    pub fn get(&self, image: Option<&str>, step: &str) -> Option<&LockedStep> {
        self.images.get(image.unwrap_or_default())?.get(step)
    }

    /// Locks a step.
    pub fn set(&mut self, image: Option<&str>, step: &str, locked: LockedStep) {
        self.images.entry(image.unwrap_or_default().to_owned()).or_default().insert(step.to_owned(), locked);
    }
}
