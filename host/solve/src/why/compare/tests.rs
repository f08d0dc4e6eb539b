// SPDX-License-Identifier: Apache-2.0
//! Differences that no small definition brings about: plugins, locks, platforms, builder versions.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wythe_image::{Digest, LayerRef, Platform};
use wythe_plan::{Fact, KeyParts};

use super::{Beside, Part, fallback, own_reasons};
use crate::why::Planned;
use crate::why::past::{FactPast, OpPast, Said, StepNow, StepPast};

/// Nothing is kept, and no step sets anything.
struct Nothing;

impl Beside for Nothing {
    fn manifest(&self, _: &Digest) -> Option<Vec<u8>> {
        None
    }

    fn setter(&self, _: &Part, _: Option<&str>, _: Option<&str>) -> Option<String> {
        None
    }
}

fn parts(argv: &str) -> KeyParts {
    KeyParts {
        format: 1,
        operation: "run".to_owned(),
        parent: Digest::of(b""),
        platform: Platform::of_this_machine(),
        source_date_epoch: 1,
        words: [("argv".to_owned(), json!([argv]).into()), ("env".to_owned(), json!({"A": "1"}).into())].into(),
        inputs: BTreeMap::new(),
    }
}

fn operation(parts: KeyParts) -> OpPast {
    OpPast::new("install", parts.key().0, parts, BTreeMap::new())
}

fn step(parts: KeyParts) -> StepPast {
    let said = Said { id: "deps".to_owned(), is_named: false, kind: "acme".to_owned(), options: json!({}) };
    let planned = Planned { plugin: Some(Digest::of(b"plugin")), ..Planned::default() };
    let layers: &[LayerRef] = &[];
    let mut step = StepPast::new(said, "2026.11", planned, layers, layers);
    step.operations = vec![operation(parts)];
    step
}

fn told(then: &StepPast, now: &StepPast) -> Vec<String> {
    let now = StepNow { past: now.clone(), fates: Vec::new(), forced: None };
    own_reasons(&now, then, &Nothing).iter().map(ToString::to_string).collect()
}

fn fact(fact: Fact, text: &str) -> (Fact, FactPast) {
    (fact, FactPast { digest: Digest::of(text.as_bytes()), text: Some(text.to_owned()) })
}

#[test]
fn what_changes_the_plan_is_named_only_where_the_plan_changed() {
    let then = step(parts("install a"));
    let change = |argv: &str, change: &dyn Fn(&mut StepPast)| {
        let mut now = step(parts(argv));
        change(&mut now);
        told(&then, &now)
    };
    let none: [&str; 0] = [];
    let plugin = |step: &mut StepPast| step.plugin = Some(Digest::of(b"another"));
    assert_eq!(change("install a", &plugin), none);
    let short = |digest: &[u8]| Digest::of(digest).to_string()[..19].to_owned();
    let expected = format!("the plugin of `acme` changed ({} → {})", short(b"plugin"), short(b"another"));
    assert_eq!(change("install b", &plugin), [expected]);

    let lock = |version: &str| json!({"packages": [{"name": "oak", "version": version, "url": "https://me:pw@host/"}]});
    let locked = |step: &mut StepPast| step.lock = Some(lock("2"));
    assert_eq!(change("install a", &locked), none);
    assert_eq!(change("install b", &locked), ["the lock changed (oak 2 was added)"]);

    let option = |step: &mut StepPast| step.said.options = json!({"packages": ["oak"], "note": 1});
    let expected = ["option `note` was set to `1`", "option `packages` was set to `[\"oak\"]`"];
    assert_eq!(change("install b", &option), expected);
}

#[test]
fn answers_of_the_build_context_are_told_as_files() {
    let facts = |read: &str, there: &str, names: &str, arg: &str| {
        vec![
            fact(Fact::ContextRead("wood.txt".to_owned()), read),
            fact(Fact::ContextExists("Makefile".to_owned()), there),
            fact(Fact::ContextGlob("*.txt".to_owned()), names),
            fact(Fact::Arg("VERSION".to_owned()), arg),
            fact(Fact::BaseRead("/etc/os-release".to_owned()), read),
        ]
    };
    let (mut then, mut now) = (step(parts("install a")), step(parts("install b")));
    then.facts = facts("oak 1\n", "false", "a.txt\nb.txt", "1");
    now.facts = facts("oak 2\n", "true", "b.txt\nc.txt", "2");
    let expected = [
        "`Makefile` was added",
        "`a.txt` was removed",
        "`c.txt` was added",
        "`wood.txt` changed (line 1: `oak 1` → `oak 2`)",
        "build argument `VERSION` changed from `1` to `2`",
    ];
    assert_eq!(told(&then, &now), expected);
    // The same answers change nothing as long as the plan is the same.
    now.operations.clone_from(&then.operations);
    assert_eq!(told(&then, &now), [""; 0]);
}

#[test]
fn surroundings_are_told() {
    let then = step(parts("x"));
    let change = |change: &dyn Fn(&mut KeyParts), builder: &str| {
        let mut parts = parts("x");
        change(&mut parts);
        let mut now = step(parts);
        builder.clone_into(&mut now.builder);
        told(&then, &now)
    };
    let epoch = |parts: &mut KeyParts| parts.source_date_epoch = 2;
    assert_eq!(change(&epoch, "2026.11"), ["SOURCE_DATE_EPOCH changed from 1 to 2"]);
    assert_eq!(change(&epoch, "2027.02"), ["the builder version changed from 2026.11 to 2027.02"]);
    let format = |parts: &mut KeyParts| parts.format = 2;
    assert_eq!(change(&format, "2026.11"), ["this version of wythe names results in another way"]);
    let env = |parts: &mut KeyParts| drop(parts.words.insert("env".to_owned(), json!({"A": "2"}).into()));
    assert_eq!(change(&env, "2026.11"), [""; 0], "a variable that the plan sets is the plan's");
}

#[test]
fn another_format_of_keys_is_no_other_content() {
    let on = |format, content: &[u8]| step(KeyParts { format, parent: Digest::of(content), ..parts("x") });
    assert!(on(1, b"a").stands_elsewhere_than(&on(1, b"b")));
    assert!(!on(1, b"a").stands_elsewhere_than(&on(1, b"a")));
    assert!(!on(2, b"chain").stands_elsewhere_than(&on(1, b"list")));
}

#[test]
fn where_nothing_explains_a_plan_it_is_shown_itself() {
    let mut other = parts("x");
    other.words.insert("mounts".to_owned(), Value::Array(Vec::new()).into());
    let reason = fallback(&[operation(other)], &[operation(parts("x"))]);
    assert_eq!(reason.to_string(), "what it does changed from `` to `[]`");
}
