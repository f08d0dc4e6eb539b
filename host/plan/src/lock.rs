// SPDX-License-Identifier: Apache-2.0
//! The lock: what floats in a definition, pinned (`docs/formats/lock.md`).
//!
//! A lock is kept beside its definition and under version control. Its text is canonical: the same lock is the same
//! bytes, sorted, with one thing a line, so that a change of it can be read and merged.

mod fact;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;
use wythe_image::{Digest, to_canonical_json};

use crate::Trace;

pub use text::ParseLockError;

/// What resolving a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedStep {
    /// The step's kind.
    pub kind: String,
    /// Digest of the plugin that resolved it.
    pub plugin: Digest,
    /// Digest of the options that were resolved: [`crate::spec::Step::options_digest`].
    pub options: Digest,
    /// What the resolver asked, and the digest of each answer.
    pub facts: Trace,
    /// What it found; none where only facts are pinned.
    pub entry: Option<Value>,
}

impl LockedStep {
    /// Returns whether it was made of these options by this plugin. The facts are for the caller to compare.
    #[must_use]
    pub fn matches(&self, options: &Digest, plugin: &Digest) -> bool {
        self.options == *options && self.plugin == *plugin
    }

    /// Returns the entry as the JSON text that a planner takes. The same entry is the same text.
    #[must_use]
    pub fn entry_text(&self) -> Option<String> {
        let bytes = to_canonical_json(self.entry.as_ref()?);
        Some(String::from_utf8(bytes).expect("JSON is UTF-8"))
    }
}

/// The content of `wythe.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Image → step → what is locked. The image of a definition of one image is the empty name.
    images: BTreeMap<String, BTreeMap<String, LockedStep>>,
}

impl Lock {
    /// Returns whether nothing is locked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.values().all(BTreeMap::is_empty)
    }

    /// Returns what is locked for a step. The name of the image of a definition of one image is none.
    #[must_use]
    pub fn get(&self, image: Option<&str>, step: &str) -> Option<&LockedStep> {
        self.images.get(image.unwrap_or_default())?.get(step)
    }

    /// Locks a step, in place of what was locked for it.
    pub fn set(&mut self, image: Option<&str>, step: &str, locked: LockedStep) {
        self.images.entry(image.unwrap_or_default().to_owned()).or_default().insert(step.to_owned(), locked);
    }

    /// Removes what is locked for a step, and returns it.
    pub fn remove(&mut self, image: Option<&str>, step: &str) -> Option<LockedStep> {
        let name = image.unwrap_or_default();
        let steps = self.images.get_mut(name)?;
        let removed = steps.remove(step);
        if steps.is_empty() {
            self.images.remove(name);
        }
        removed
    }

    /// Returns everything that is locked: image, step, and what, sorted by names.
    pub fn steps(&self) -> impl Iterator<Item = (Option<&str>, &str, &LockedStep)> {
        self.images.iter().flat_map(|(image, steps)| {
            let image = Some(image.as_str()).filter(|name| !name.is_empty());
            steps.iter().map(move |(step, locked)| (image, step.as_str(), locked))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Lock, LockedStep};
    use crate::Trace;
    use wythe_image::Digest;

    fn locked() -> LockedStep {
        LockedStep {
            kind: "wood".to_owned(),
            plugin: Digest::of(b"plugin"),
            options: Digest::of(b"options"),
            facts: Trace::new(),
            entry: Some(serde_json::json!({"b": [1], "a": null})),
        }
    }

    #[test]
    fn a_locked_step_stands_for_one_plugin_and_one_set_of_options() {
        let (plugin, options, other) = (Digest::of(b"plugin"), Digest::of(b"options"), Digest::of(b"other"));
        assert!(locked().matches(&options, &plugin));
        assert!(!locked().matches(&other, &plugin));
        assert!(!locked().matches(&options, &other));
        assert_eq!(locked().entry_text().as_deref(), Some(r#"{"a":null,"b":[1]}"#));
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut lock = Lock::default();
        lock.set(Some("web"), "deps", locked());
        assert_eq!(lock.get(Some("web"), "deps"), Some(&locked()));
        assert_eq!(lock.get(None, "deps"), None);
        assert_eq!(lock.steps().collect::<Vec<_>>(), [(Some("web"), "deps", &locked())]);
        assert_eq!(lock.remove(Some("web"), "deps"), Some(locked()));
        assert_eq!(lock, Lock::default());
    }
}
