// SPDX-License-Identifier: Apache-2.0
//! What two locks differ in, as far as people care: which steps, and which versions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Lock, LockedImage, LockedStep};

/// A step of which two locks have something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockChange {
    /// The step's image.
    pub image: LockedImage,
    /// The step.
    pub step: String,
    /// Whether the older lock has it.
    pub was_locked: bool,
    /// Whether the newer lock has it.
    pub is_locked: bool,
    /// What is another version than it was, sorted by name. Empty where only what it rests on has changed.
    pub moved: Vec<Moved>,
}

/// Something with a name, and the versions that it had and has: none where it was not, or is not, there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub name: String,
    /// The version that it had.
    pub from: Option<String>,
    /// The version that it has.
    pub to: Option<String>,
}

impl Lock {
    /// Returns what a newer lock has otherwise, sorted by image and step.
    #[must_use]
    pub fn changes(&self, newer: &Self) -> Vec<LockChange> {
        let mut steps: Vec<_> = self.steps().chain(newer.steps()).map(|(image, step, _)| (image, step)).collect();
        steps.sort_unstable();
        steps.dedup();
        let change = |(image, step): (&LockedImage, &str)| {
            let (old, new) = (self.get(image, step), newer.get(image, step));
            (old != new).then(|| LockChange {
                image: image.clone(),
                step: step.to_owned(),
                was_locked: old.is_some(),
                is_locked: new.is_some(),
                moved: moved(old, new),
            })
        };
        steps.into_iter().filter_map(change).collect()
    }
}

fn moved(old: Option<&LockedStep>, new: Option<&LockedStep>) -> Vec<Moved> {
    let versions = |locked: Option<&LockedStep>| locked.map(versions).unwrap_or_default();
    let (old, new) = (versions(old), versions(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let one = |name: &String| Moved { name: name.clone(), from: old.get(name).cloned(), to: new.get(name).cloned() };
    names.into_iter().map(one).filter(|moved| moved.from != moved.to).collect()
}

/// Returns the versions of what an entry lists: of whatever has a `name` and a `version`, and of images.
fn versions(locked: &LockedStep) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> =
        locked.images.iter().map(|(name, digest)| (name.clone(), digest.short())).collect();
    if let Some(resolved) = &locked.resolved {
        collect(&resolved.entry, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Object(members) => {
            if let (Some(Value::String(name)), Some(Value::String(version))) =
                (members.get("name"), members.get("version"))
            {
                found.insert(name.clone(), version.clone());
            }
            members.values().for_each(|value| collect(value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use wythe_image::{Digest, Platform};

    use super::{LockChange, Moved};
    use crate::lock::Resolved;
    use crate::{Lock, LockedImage, LockedStep, Trace};

    fn image() -> LockedImage {
        LockedImage::new(None, &Platform::linux_amd64())
    }

    fn lock(step: &str, packages: &[(&str, &str)]) -> Lock {
        let packages: Vec<_> =
            packages.iter().map(|(name, version)| json!({"name": name, "version": version})).collect();
        let entry = json!({"packages": packages});
        let digest = Digest::of(b"");
        let resolved = Some(Arc::new(Resolved { options: digest, facts: Trace::new(), entry }));
        let mut lock = Lock::default();
        lock.set(&image(), step, LockedStep { kind: "wood".into(), plugin: Some(digest), resolved, images: [].into() });
        lock
    }

    #[test]
    fn versions_that_moved_are_named() {
        let (old, new) =
            (lock("a", &[("oak", "1"), ("elm", "1"), ("fir", "1")]), lock("a", &[("oak", "2"), ("fir", "1")]));
        assert_eq!(old.changes(&old), []);
        let moved = vec![
            Moved { name: "elm".into(), from: Some("1".into()), to: None },
            Moved { name: "oak".into(), from: Some("1".into()), to: Some("2".into()) },
        ];
        let change = LockChange { image: image(), step: "a".into(), was_locked: true, is_locked: true, moved };
        assert_eq!(old.changes(&new), [change]);
    }

    #[test]
    fn steps_come_and_go() {
        let changes = lock("a", &[]).changes(&lock("b", &[("oak", "1")]));
        let states: Vec<_> =
            changes.iter().map(|one| (one.step.as_str(), one.was_locked, one.is_locked, one.moved.len())).collect();
        assert_eq!(states, [("a", true, false, 0), ("b", false, true, 1)]);
    }
}
