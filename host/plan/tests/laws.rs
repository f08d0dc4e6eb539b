// SPDX-License-Identifier: Apache-2.0
//! Laws of the ground floor, tried on generated values.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use wythe_image::{Digest, Platform, to_canonical_json};
use wythe_plan::spec::Spec;
use wythe_plan::{Fact, KeyParts, Lock, LockedImage, LockedStep, Resolved, Word};

fn digest() -> impl Strategy<Value = Digest> {
    any::<u8>().prop_map(|byte| Digest::of(&[byte]))
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        Just(Fact::Platform),
        Just(Fact::BaseConfig),
        ".{0,8}".prop_map(Fact::Arg),
        ".{0,8}".prop_map(Fact::ContextRead),
        ".{0,8}".prop_map(Fact::BaseWhich),
        ".{0,8}".prop_map(Fact::Image),
    ]
}

fn resolved() -> impl Strategy<Value = Resolved> {
    let facts = prop::collection::btree_map(fact(), digest(), 0..4);
    (digest(), facts, json()).prop_map(|(options, facts, entry)| Resolved { options, facts, entry })
}

fn locked_step() -> impl Strategy<Value = LockedStep> {
    let images = prop::collection::btree_map(".{0,8}", digest(), 0..2);
    (".{0,8}", prop::option::of(digest()), prop::option::of(resolved().prop_map(Arc::new)), images)
        .prop_map(|(kind, plugin, resolved, images)| LockedStep { kind, plugin, resolved, images })
}

fn lock() -> impl Strategy<Value = Lock> {
    let image = (prop::option::of("[a-z]{1,3}"), platform())
        .prop_map(|(name, platform): (Option<String>, _)| LockedImage::new(name.as_deref(), &platform));
    prop::collection::vec((image, "[a-z]{1,3}", locked_step()), 0..6).prop_map(|steps| {
        let mut lock = Lock::default();
        for (image, step, locked) in steps {
            lock.set(&image, &step, locked);
        }
        lock
    })
}

fn platform() -> impl Strategy<Value = Platform> {
    prop_oneof!["linux/amd64", "linux/arm64"].prop_map(|text| text.parse::<Platform>().unwrap())
}

/// Small domains, so that equal parts are generated often.
fn key_parts() -> impl Strategy<Value = KeyParts> {
    let word = "[ab]{0,2}";
    let platform = platform();
    let words = prop::collection::btree_map(word, word.prop_map(|word| Word::from(Value::from(word))), 0..2);
    let inputs = prop::collection::btree_map(word, (0..2u8).prop_map(|byte| Digest::of(&[byte])), 0..2);
    let parent = (0..2u8).prop_map(|byte| Digest::of(&[byte]));
    (1..3u32, prop_oneof!["files", "run"], parent, platform, 0..2u64, words, inputs).prop_map(
        |(format, operation, parent, platform, source_date_epoch, words, inputs)| KeyParts {
            format,
            operation,
            parent,
            platform,
            source_date_epoch,
            words,
            inputs,
        },
    )
}

/// Pieces of definitions in any order: much more often nearly right than arbitrary text is.
fn nearly_a_definition() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("builder = \"2026.11\"\n".to_owned()),
        Just("base = \"scratch\"\n".to_owned()),
        Just("base = { kind = \"debian-slim\" }\n".to_owned()),
        Just("[[steps]]\n".to_owned()),
        Just("[images.web]\n".to_owned()),
        Just("[[images.web.steps]]\n".to_owned()),
        "kind = \"(run|env|files|apt|pip|user|expose|ä)\"\n",
        "(commands|packages|set|from|to|ports|user|env|network|timeout|copy|source|compile) = ",
        "(1|0.5|nan|true|\"\"|\"..\"|\"a\"|\\[\\]|\\[\"-x\", 1\\]|\\{\\}|\\{ a = \"b\", \"/~\" = 1 \\}|1979-05-27)\n",
        ".{0,10}\n",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "(?s).{0,80}") {
        let _ = Spec::parse("wythe.toml", &text, &support::kinds()).is_ok();
        let _ = Lock::parse(&text).is_ok();
    }

    #[test]
    fn parsing_nearly_a_definition_never_panics_and_names_real_places(text in nearly_a_definition()) {
        match Spec::parse("wythe.toml", &text, &support::kinds()) {
            Ok(spec) => prop_assert!(!spec.images.is_empty()),
            Err(errors) => {
                prop_assert!(!errors.diagnostics.is_empty());
                for span in errors.diagnostics.iter().filter_map(|one| one.span.clone()) {
                    prop_assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
                }
                prop_assert!(!support::render(&errors.diagnostics, &errors.source).is_empty());
            }
        }
    }

    #[test]
    fn a_lock_that_is_printed_is_the_lock_that_is_read(lock in lock()) {
        let text = lock.to_text();
        let back = Lock::parse(&text).unwrap();
        prop_assert_eq!(&back, &lock);
        prop_assert_eq!(back.to_text(), text);
    }

    #[test]
    fn a_key_changes_when_and_only_when_a_part_changes(one in key_parts(), other in key_parts()) {
        prop_assert_eq!(one.key() == other.key(), one == other);
    }

    #[test]
    fn the_parts_of_a_key_are_written_canonically(mut parts in key_parts(), value in json()) {
        parts.words.insert("word".to_owned(), value.into());
        prop_assert_eq!(parts.written().1.into_bytes(), to_canonical_json(&parts));
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for text in [
        format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("a = {}", "{ a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(50_000)),
        format!("[{}a]", "a.".repeat(50_000)),
    ] {
        assert!(Spec::parse("wythe.toml", &text, &[]).is_err());
    }
    assert!(Lock::parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn each_part_of_a_key_changes_it() {
    let whole = KeyParts {
        format: 1,
        operation: "run".to_owned(),
        parent: Digest::of(b"a"),
        platform: Platform::linux_amd64(),
        source_date_epoch: 1,
        words: BTreeMap::from([("argv".to_owned(), Word::from(Value::from(vec!["a", "b"])))]),
        inputs: BTreeMap::from([("a".to_owned(), Digest::of(b"a"))]),
    };
    let changes: [fn(&mut KeyParts); 8] = [
        |parts| parts.format = 2,
        |parts| parts.operation = "files".to_owned(),
        |parts| parts.parent = Digest::of(b"b"),
        |parts| parts.platform = "linux/arm64".parse().unwrap(),
        |parts| parts.source_date_epoch = 2,
        |parts| drop(parts.words.insert("argv".to_owned(), Value::from(vec!["a b"]).into())),
        |parts| drop(parts.words.insert("cwd".to_owned(), Value::Null.into())),
        |parts| *parts.inputs.get_mut("a").unwrap() = Digest::of(b"b"),
    ];
    let mut keys = vec![whole.key()];
    for change in changes {
        let mut other = whole.clone();
        change(&mut other);
        keys.push(other.key());
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), changes.len() + 1);
    assert_eq!(whole.clone().key(), whole.key());
}
