// SPDX-License-Identifier: Apache-2.0

use wythe_image::Digest;

use super::ParseLockError;
use crate::{Fact, Lock, LockedStep, Trace};

/// The example of `docs/formats/lock.md`: a change here is a change of the format.
const TEXT: &str = r#"{
  "version": 1,
  "images": {
    "": {
      "base": {
        "kind": "image",
        "plugin": "sha256:3f2ed4be6de6ff1e4b2ad2d1b2a3ad66b39e1a9cf4e5dbe1e3c1bd4d0a3a4c01",
        "options": "sha256:0d5a4a2ee2d9b4e6b9a3d4b6f4be34a3e5a8d7bd0cf9a6a3ab1c4d5e6f708192",
        "facts": {
          "image example.com/app:1.4": "sha256:77c0a1f7a0b8e3c9d1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8"
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
          "oak": "1.2.0",
          "pine": "0.9.1"
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
    let base = lock.get(None, "base").unwrap();
    assert_eq!(base.facts.keys().collect::<Vec<_>>(), [&Fact::Image("example.com/app:1.4".to_owned())]);
    assert_eq!(base.entry, None);
    assert_eq!(lock.get(None, "deps").unwrap().entry_text().unwrap(), r#"{"oak":"1.2.0","pine":"0.9.1"}"#);
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
        ("\"wood\",", "\"wood\"", Some(15), "line 15: expected `,` or `}`"),
        ("\"kind\": \"wood\"", "\"kin\": \"wood\"", Some(14), "unknown field `kin`"),
        ("context-read", "context-write", Some(18), "unknown fact `context-write wood.txt`"),
        ("sha256:9b1c", "sha256:9B1C", Some(15), "is not a digest"),
        ("        \"kind\": \"image\",\n", "", Some(11), "missing field `kind`"),
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
fn an_entry_of_null_is_no_entry() {
    let mut lock = Lock::default();
    let digest = Digest::of(b"");
    let step = LockedStep { kind: "a".into(), plugin: digest, options: digest, facts: Trace::new(), entry: None };
    lock.set(None, "a", LockedStep { entry: Some(serde_json::Value::Null), ..step.clone() });
    assert_eq!(Lock::parse(&lock.to_text()).unwrap().get(None, "a"), Some(&step));
}
