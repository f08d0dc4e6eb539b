// SPDX-License-Identifier: Apache-2.0
//! The pages of `docs/formats` say what the code does: their examples are read from them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use wythe_image::to_canonical_json;
use wythe_plan::spec::{BuilderVersion, Spec};
use wythe_plan::{CORE_KINDS, FORMAT_VERSION, KeyParts, Lock};

#[derive(Deserialize)]
struct Vector {
    parts: KeyParts,
    canonical: String,
    key: String,
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats").join(name)).unwrap()
}

fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```json\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn the_test_vectors_of_the_cache_key_hold() {
    let page = page("cache-key.md");
    assert!(page.contains(&format!("Version {FORMAT_VERSION} of the format")));
    let examples = examples(&page);
    assert_eq!(examples.len(), 4);
    for example in examples {
        let vector: Vector = serde_json::from_str(&example).unwrap();
        assert_eq!(vector.parts.format, FORMAT_VERSION);
        assert_eq!(String::from_utf8(to_canonical_json(&vector.parts)).unwrap(), vector.canonical);
        assert_eq!(vector.parts.key().to_string(), vector.key);
    }
}

#[test]
fn the_example_of_a_lock_is_a_lock() {
    let examples = examples(&page("lock.md"));
    assert_eq!(examples.len(), 1);
    assert_eq!(Lock::parse(&examples[0]).unwrap().to_text(), examples[0]);
}

/// Completes an example: what is about steps stands on nothing.
fn completed(example: &str) -> String {
    let mut text = String::new();
    if !example.contains("builder =") {
        text += "builder = \"2026.11\"\n";
    }
    if !example.contains("base =") {
        text += "base = \"scratch\"\n";
    }
    text + example
}

#[test]
fn every_example_of_a_definition_is_accepted_and_no_core_kind_is_left_out() {
    let page = page("../definition.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect();
    assert!(examples.len() > 10);
    let mut kinds = BTreeSet::new();
    for example in examples {
        let spec = Spec::parse("wythe.toml", &completed(example), &[]).unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert_eq!(spec.warnings, []);
        kinds.extend(spec.images.iter().flat_map(|image| image.all_steps().map(|step| step.kind.clone())));
    }
    assert_eq!(kinds, CORE_KINDS.iter().map(|kind| kind.name.clone()).collect());
    for version in BuilderVersion::all() {
        assert!(page.contains(&format!("| `{version}` |")));
    }
}
