// SPDX-License-Identifier: Apache-2.0

use std::sync::Arc;

use wythe_image::{Digest, Platform};

use super::ParseLockError;
use crate::lock::Resolved;
use crate::{Fact, Lock, LockedImage, LockedStep, Trace};

fn image() -> LockedImage {
    LockedImage::new(None, &Platform::linux_amd64())
}

/// The example of `docs/formats/lock.md`: a change here is a change of the format.
const TEXT: &str = r#"{
  "version": 1,
  "images": {
    "": {
      "base": {
        "kind": "image",
        "images": {
          "example.com/app:1.4": "sha256:77c0a1f7a0b8e3c9d1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8"
        }
      },
      "deps": {
        "kind": "wood",
        "plugin": "sha256:9b1c0a1f7a0b8e3c9d1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f",
        "options": "sha256:1d5a4a2ee2d9b4e6b9a3d4b6f4be34a3e5a8d7bd0cf9a6a3ab1c4d5e6f708192",
        "facts": {
          "context-read wood.txt": "sha256:2d5a4a2ee2d9b4e6b9a3d4b6f4be34a3e5a8d7bd0cf9a6a3ab1c4d5e6f708192",
          "platform": "sha256:3d5a4a2ee2d9b4e6b9a3d4b6f4be34a3e5a8d7bd0cf9a6a3ab1c4d5e6f708192"
        },
        "entry": {
          "trees": [
            {"name": "oak", "version": "1.2.0", "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"},
            {"name": "pine", "version": "0.9.1", "sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"}
          ]
        }
      }
    }
  }
}
"#;

fn line(error: &ParseLockError) -> Option<usize> {
    match error {
        ParseLockError::Malformed { line, .. } | ParseLockError::Merge { line } => Some(*line),
        _ => None,
    }
}

#[test]
fn the_form_is_stable() {
    let lock = Lock::parse(TEXT).unwrap();
    assert_eq!(lock.to_text(), TEXT);
    let base = lock.get(&image(), "base").unwrap();
    assert_eq!(base.images.keys().collect::<Vec<_>>(), ["example.com/app:1.4"]);
    assert_eq!((&base.plugin, &base.resolved), (&None, &None));
    let deps = lock.get(&image(), "deps").unwrap().resolved.as_ref().unwrap();
    assert_eq!(deps.facts.keys().collect::<Vec<_>>(), [&Fact::Platform, &Fact::ContextRead("wood.txt".to_owned())]);
    assert_eq!(deps.entry["trees"][1]["version"], "0.9.1");
}

#[test]
fn nothing_locked_is_a_lock() {
    let text = Lock::default().to_text();
    assert_eq!(text, "{\n  \"version\": 1,\n  \"images\": {}\n}\n");
    assert_eq!(Lock::parse(&text).unwrap(), Lock::default());
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let cases = [
        ("\"wood\",", "\"wood\"", Some(13), "line 13: expected `,` or `}`"),
        ("\"kind\": \"wood\"", "\"kin\": \"wood\"", Some(12), "unknown field `kin`"),
        ("context-read", "context-write", Some(16), "unknown fact `context-write wood.txt`"),
        ("sha256:9b1c", "sha256:9B1C", Some(13), "is not a digest"),
        ("        \"kind\": \"image\",\n", "", Some(9), "missing field `kind`"),
        ("        \"options\":", "        \"images\": {}, \"plugin\":", Some(14), "duplicate field `plugin`"),
        ("  \"images\"", "<<<<<<< ours\n  \"images\"", Some(3), "unfinished merge"),
        ("\"version\": 1", "\"version\": 2", None, "was written by a newer wythe (version 2"),
        ("\"version\": 1", "\"version\": 0", None, "version 0 of the format is not read any more"),
        ("  \"version\": 1,\n", "", None, "has no `version`"),
        ("\"version\": 1", "\"version\": \"1\"", Some(2), "invalid type: string \"1\", expected u64"),
    ];
    let mut lines = Vec::new();
    for (old, new, _, says) in cases {
        let text = TEXT.replacen(old, new, 1);
        assert_ne!(text, TEXT, "{old} is in the example");
        let error = Lock::parse(&text).unwrap_err();
        lines.push(line(&error));
        assert!(error.to_string().contains(says), "{new}: {error}");
    }
    assert_eq!(lines, cases.map(|(_, _, at, _)| at));
}

#[test]
fn what_resolving_found_is_whole_or_not_there() {
    let text = r#"{"version": 1, "images": {"": {"deps": {"kind": "wood", "entry": 1}}}}"#;
    let says = "of `options`, `facts` and `entry` of step `deps`, one is there without the others";
    assert_eq!(Lock::parse(text).unwrap_err().to_string(), says);
}

#[test]
fn an_entry_of_null_is_an_entry() {
    let mut lock = Lock::default();
    let digest = Digest::of(b"");
    let resolved = Some(Arc::new(Resolved { options: digest, facts: Trace::new(), entry: serde_json::Value::Null }));
    let step = LockedStep { kind: "a".into(), plugin: Some(digest), resolved, images: [].into() };
    lock.set(&image(), "a", step.clone());
    assert_eq!(Lock::parse(&lock.to_text()).unwrap().get(&image(), "a"), Some(&step));
}

#[test]
fn other_platforms_stand_beside() {
    let mut lock = Lock::parse(TEXT).unwrap();
    let step = lock.get(&image(), "base").unwrap().clone();
    lock.set(&LockedImage::new(None, &"linux/arm64".parse().unwrap()), "base", step);
    let text = lock.to_text();
    let (begin, end) = text.split_once("  },\n  \"platforms\": {\n    \"linux/arm64\": {\n").unwrap();
    assert!(TEXT.starts_with(begin));
    assert!(end.starts_with("      \"\": {\n        \"base\": {\n"), "{end}");
    assert_eq!(Lock::parse(&text).unwrap(), lock);
}
