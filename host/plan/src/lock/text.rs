// SPDX-License-Identifier: Apache-2.0
//! The text of a lock.

mod lines;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use wythe_image::{Digest, Platform};

use super::{Lock, LockedImage, LockedStep, Resolved, fact};
use crate::{Fact, Trace};

/// Version of the format. A change that gives an old lock another meaning raises it; locks of older versions are then
/// converted here, since people keep them for years.
const VERSION: u64 = 1;

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
pub enum ParseLockError {
    /// It is not JSON, or not of the right shape.
    #[error("line {line}: {what}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// Two versions of it were merged and the merge was not finished.
    #[error("line {line} is a conflict marker of an unfinished merge")]
    Merge {
        /// The line, from 1.
        line: usize,
    },
    /// Of what resolving a step found, a part is missing.
    #[error("of `options`, `facts` and `entry` of step `{step}`, one is there without the others")]
    Torn {
        /// The step.
        step: String,
    },
    /// It does not say which version of the format it is.
    #[error("it has no `version`")]
    NoVersion,
    /// It was written by a newer wythe.
    #[error("it was written by a newer wythe (version {found} of the format, the newest known is {VERSION})")]
    Newer {
        /// Its version.
        found: u64,
    },
    /// Its version is one that is not read any more.
    #[error("version {found} of the format is not read any more (the oldest is {VERSION})")]
    Older {
        /// Its version.
        found: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u64,
    /// What is locked for [`Platform::linux_amd64`]. One platform stands here whatever the machine, so that a lock is the same
    /// on all of them.
    images: Images,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    platforms: BTreeMap<Platform, Images>,
}

/// Image → step → what is locked. The image of a definition of one image is the empty name.
type Images = BTreeMap<String, BTreeMap<String, Entry>>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<Digest>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    images: BTreeMap<String, Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<Digest>,
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        serialize_with = "facts_out",
        deserialize_with = "facts_in"
    )]
    facts: Trace,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "entry_out",
        deserialize_with = "entry_in"
    )]
    entry: Option<Value>,
}

/// The only part of the format that no version may change.
#[derive(Deserialize)]
struct Stamp {
    version: Option<u64>,
}

impl Lock {
    /// Reads a lock. Strict: a member that has no meaning is an error, since it may be a misspelled one.
    ///
    /// # Errors
    ///
    /// See [`ParseLockError`].
    pub fn parse(text: &str) -> Result<Self, ParseLockError> {
        let malformed =
            |error: serde_json::Error| merge_marker(text).unwrap_or_else(|| ParseLockError::malformed(&error));
        let stamp: Stamp = serde_json::from_str(text).map_err(malformed)?;
        match stamp.version {
            None => return Err(ParseLockError::NoVersion),
            Some(found) if found > VERSION => return Err(ParseLockError::Newer { found }),
            Some(found) if found < VERSION => return Err(ParseLockError::Older { found }),
            Some(_) => {}
        }
        let file: File = serde_json::from_str(text).map_err(malformed)?;
        let mut lock = Self::default();
        for (platform, images) in std::iter::once((Platform::linux_amd64(), file.images)).chain(file.platforms) {
            for (image, steps) in images {
                let image = LockedImage::new(Some(&image), &platform);
                for (step, entry) in steps {
                    let locked = entry.into_locked(&step)?;
                    lock.set(&image, &step, locked);
                }
            }
        }
        Ok(lock)
    }

    /// Returns the text of the lock, which ends in a newline. The same lock is the same text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut platforms: BTreeMap<Platform, Images> = BTreeMap::new();
        for (image, step, locked) in self.steps() {
            let images = platforms.entry(image.platform.clone()).or_default();
            let steps = images.entry(image.name.clone().unwrap_or_default()).or_default();
            steps.insert(step.to_owned(), locked.clone().into());
        }
        let images = platforms.remove(&Platform::linux_amd64()).unwrap_or_default();
        lines::to_text(&File { version: VERSION, images, platforms })
    }
}

impl ParseLockError {
    fn malformed(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let what = error.to_string();
        // The parser ends its sentences with the place.
        let what = what.trim_end_matches(&format!(" at line {line} column {column}")).to_owned();
        Self::Malformed { line, what }
    }
}

impl Entry {
    fn into_locked(self, step: &str) -> Result<LockedStep, ParseLockError> {
        let Self { kind, plugin, images, options, facts, entry } = self;
        let resolved = match (options, entry) {
            (Some(options), Some(entry)) => Some(Arc::new(Resolved { options, facts, entry })),
            (None, None) if facts.is_empty() => None,
            _ => return Err(ParseLockError::Torn { step: step.to_owned() }),
        };
        Ok(LockedStep { kind, plugin, resolved, images })
    }
}

impl From<LockedStep> for Entry {
    fn from(LockedStep { kind, plugin, resolved, images }: LockedStep) -> Self {
        let (options, facts, entry) = match resolved.map(Arc::unwrap_or_clone) {
            Some(Resolved { options, facts, entry }) => (Some(options), facts, Some(entry)),
            None => (None, Trace::new(), None),
        };
        Self { kind, plugin, images, options, facts, entry }
    }
}

fn merge_marker(text: &str) -> Option<ParseLockError> {
    let marks = |line: &str| ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    let index = text.lines().position(marks)?;
    Some(ParseLockError::Merge { line: index + 1 })
}

fn facts_out<S: Serializer>(facts: &Trace, serializer: S) -> Result<S::Ok, S::Error> {
    let texts: BTreeMap<String, &Digest> = facts.iter().map(|(asked, answer)| (fact::to_text(asked), answer)).collect();
    texts.serialize(serializer)
}

/// A question as a key. Read as a type of its own, so that the parser still knows the line when it is refused.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Asked(Fact);

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        fact::parse(&text).map(Self).ok_or_else(|| D::Error::custom(format_args!("unknown fact `{text}`")))
    }
}

fn facts_in<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Trace, D::Error> {
    let facts = BTreeMap::<Asked, Digest>::deserialize(deserializer)?;
    Ok(facts.into_iter().map(|(Asked(fact), digest)| (fact, digest)).collect())
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn entry_out<S: Serializer>(entry: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    entry.as_ref().map(lines::Told).serialize(serializer)
}

/// An entry of `null` is an entry.
fn entry_in<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
