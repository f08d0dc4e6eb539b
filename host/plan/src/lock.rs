// SPDX-License-Identifier: Apache-2.0
//! The lock: what floats in a definition, pinned (`docs/formats/lock.md`).
//!
//! A lock is kept beside its definition and under version control. Its text is canonical: the same lock is the same
//! bytes, sorted, with one thing a line, so that a change of it can be read and merged.

mod change;
mod fact;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use wythe_image::{Digest, Platform, to_canonical_json};

use crate::Trace;

pub use change::{LockChange, Moved};
pub use text::ParseLockError;

/// What is pinned for a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedStep {
    /// The step's kind.
    pub kind: String,
    /// Digest of the plugin that planned it; none for a core kind.
    pub plugin: Option<Digest>,
    /// What resolving found; none for a kind that resolves nothing. It may be long, and who copies a lock shares it.
    pub resolved: Option<Arc<Resolved>>,
    /// The images that it named, and the digest that each of the names stood for.
    pub images: BTreeMap<String, Digest>,
}

/// What resolving a step found, and what that rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Digest of the options that were resolved: [`crate::spec::Step::options_digest`].
    pub options: Digest,
    /// What the resolver asked, and the digest of each answer.
    pub facts: Trace,
    /// What it found, in a form of its own.
    pub entry: Value,
}

impl LockedStep {
    /// Returns whether nothing is pinned: such a step needs no place in a lock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plugin.is_none() && self.resolved.is_none() && self.images.is_empty()
    }
}

impl Resolved {
    /// Returns the entry as the JSON text that a planner takes. The same entry is the same text.
    #[must_use]
    pub fn entry_text(&self) -> String {
        String::from_utf8(to_canonical_json(&self.entry)).expect("JSON is UTF-8")
    }
}

/// An image of a definition, for a platform: what is pinned for one platform is nothing that another one has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedImage {
    /// The platform.
    pub platform: Platform,
    /// The image's name; none in a definition of one image.
    pub name: Option<String>,
}

/// The content of `wythe.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Image → step → what is locked.
    images: BTreeMap<LockedImage, BTreeMap<String, LockedStep>>,
}

impl LockedImage {
    /// Returns the image of a name, none for that of a definition of one image.
    #[must_use]
    pub fn new(name: Option<&str>, platform: &Platform) -> Self {
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Self { platform: platform.clone(), name }
    }
}

impl Lock {
    /// Returns whether nothing is locked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.values().all(BTreeMap::is_empty)
    }

    /// Returns what is locked for a step.
    #[must_use]
    pub fn get(&self, image: &LockedImage, step: &str) -> Option<&LockedStep> {
        self.images.get(image)?.get(step)
    }

    /// Locks a step, in place of what was locked for it. Where nothing is pinned, nothing is kept.
    pub fn set(&mut self, image: &LockedImage, step: &str, locked: LockedStep) {
        if locked.is_empty() {
            self.remove(image, step);
        } else {
            self.images.entry(image.clone()).or_default().insert(step.to_owned(), locked);
        }
    }

    /// Removes what is locked for a step, and returns it.
    pub fn remove(&mut self, image: &LockedImage, step: &str) -> Option<LockedStep> {
        let steps = self.images.get_mut(image)?;
        let removed = steps.remove(step);
        if steps.is_empty() {
            self.images.remove(image);
        }
        removed
    }

    /// Drops the steps of which `is_kept`, given image and step, says no.
    pub fn retain(&mut self, is_kept: impl Fn(&LockedImage, &str) -> bool) {
        for (image, steps) in &mut self.images {
            steps.retain(|step, _| is_kept(image, step));
        }
        self.images.retain(|_, steps| !steps.is_empty());
    }

    /// Returns everything that is locked: image, step, and what, sorted by platforms and names.
    pub fn steps(&self) -> impl Iterator<Item = (&LockedImage, &str, &LockedStep)> {
        self.images
            .iter()
            .flat_map(|(image, steps)| steps.iter().map(move |(step, locked)| (image, step.as_str(), locked)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Lock, LockedImage, LockedStep, Resolved};
    use crate::Trace;
    use wythe_image::{Digest, Platform};

    fn image(name: Option<&str>) -> LockedImage {
        LockedImage::new(name, &Platform::linux_amd64())
    }

    fn locked() -> LockedStep {
        let entry = serde_json::json!({"b": [1], "a": null});
        LockedStep {
            kind: "wood".to_owned(),
            plugin: Some(Digest::of(b"plugin")),
            resolved: Some(Arc::new(Resolved { options: Digest::of(b"options"), facts: Trace::new(), entry })),
            images: [].into(),
        }
    }

    #[test]
    fn the_same_entry_is_the_same_text() {
        assert_eq!(locked().resolved.unwrap().entry_text(), r#"{"a":null,"b":[1]}"#);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut lock = Lock::default();
        let web = image(Some("web"));
        lock.set(&web, "deps", locked());
        assert_eq!(lock.get(&web, "deps"), Some(&locked()));
        assert_eq!(lock.get(&image(None), "deps"), None);
        assert_eq!(lock.steps().collect::<Vec<_>>(), [(&web, "deps", &locked())]);
        assert_eq!(lock.remove(&web, "deps"), Some(locked()));
        assert_eq!(lock, Lock::default());
    }

    #[test]
    fn what_is_pinned_for_one_platform_is_not_for_another() {
        let mut lock = Lock::default();
        let other = LockedImage::new(None, &"linux/arm64".parse().unwrap());
        lock.set(&other, "deps", locked());
        assert_eq!(lock.get(&image(None), "deps"), None);
        assert_eq!(lock.get(&other, "deps"), Some(&locked()));
    }

    #[test]
    fn a_step_with_nothing_pinned_is_not_kept() {
        let mut lock = Lock::default();
        lock.set(&image(None), "deps", locked());
        lock.set(&image(None), "deps", LockedStep { plugin: None, resolved: None, ..locked() });
        assert_eq!(lock, Lock::default());
    }

    #[test]
    fn only_what_is_wanted_is_retained() {
        let mut lock = Lock::default();
        for (name, step) in [(None, "base"), (Some("web"), "base"), (Some("web"), "deps"), (Some("api"), "deps")] {
            lock.set(&image(name), step, locked());
        }
        lock.retain(|image, step| image.name.is_none() || (image.name.as_deref(), step) == (Some("web"), "deps"));
        let left: Vec<_> = lock.steps().map(|(image, step, _)| (image.name.as_deref(), step)).collect();
        assert_eq!(left, [(None, "base"), (Some("web"), "deps")]);
    }
}
