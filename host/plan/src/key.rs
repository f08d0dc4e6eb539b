// SPDX-License-Identifier: Apache-2.0
//! Cache keys: what can change a result, and nothing else.
//!
//! A key is the SHA-256 of the canonical JSON of its [`KeyParts`] (`docs/formats/cache-key.md`, with test vectors).
//! The parts are kept beside the result, so that a miss can be explained by comparing them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use wythe_image::{Digest, Platform};

/// Version of the encoding. A change that gives an old input another meaning raises it, and every result is made again.
pub const FORMAT_VERSION: u32 = 2;

/// The name of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheKey(pub Digest);

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

/// Everything that can change the result of one operation.
///
/// In it: the parent state by content, the operation with its defaults filled in, each input by content, platform,
/// network mode, the pretended time. Not in it: limits, proxies and CA settings, where bytes come from, the force
/// flag, labels, and values of secrets.
///
/// The members stand in the order of their names, as canonical JSON has them, so that they are written as they are: what an
/// operation says may be long, and to sort it would be to copy it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyParts {
    /// [`FORMAT_VERSION`].
    pub format: u32,
    /// Inputs by content: a name for people → digest.
    pub inputs: BTreeMap<String, Digest>,
    /// `files` or `run`.
    pub operation: String,
    /// Chain id of the parent state's layers: of one length, however many they are.
    pub parent: Digest,
    /// Platform.
    pub platform: Platform,
    /// Seconds since 1970 to which time stamps are clamped.
    pub source_date_epoch: u64,
    /// The operation's own words: argv, environment, directory, user, mounts; or the actions.
    pub words: BTreeMap<String, Word>,
}

/// A word of an operation, as canonical JSON: it may be long, and mostly nobody asks for more than its bytes.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Word(Box<RawValue>);

impl Word {
    /// Writes a word whose objects have their members in the order of their names already, at all depths.
    ///
    /// # Panics
    ///
    /// Panics where the word is not representable as JSON, and in a debug build where the members stand in another order.
    #[must_use]
    pub fn of_sorted(word: &impl Serialize) -> Self {
        let text = to_raw_value(word).expect("words are representable as JSON");
        debug_assert_eq!(text.get().as_bytes(), wythe_image::to_canonical_json(word), "members are in order");
        Self(text)
    }

    /// Returns the canonical JSON.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Reads the word.
    ///
    /// # Panics
    ///
    /// Never: what is written is JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(self.text()).expect("a word is JSON")
    }
}

impl From<Value> for Word {
    /// Objects of values are sorted ([`wythe_image::to_canonical_json`]).
    fn from(value: Value) -> Self {
        Self::of_sorted(&value)
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Word {}

/// In whatever form it stands, as canonical JSON.
impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

impl KeyParts {
    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> CacheKey {
        self.written().0
    }

    /// Returns the key with the text that it is the digest of.
    ///
    /// # Panics
    ///
    /// Never: the parts are representable as JSON.
    #[must_use]
    pub fn written(&self) -> (CacheKey, String) {
        let text = serde_json::to_string(self).expect("texts and numbers are JSON");
        (CacheKey(Digest::of(text.as_bytes())), text)
    }
}
