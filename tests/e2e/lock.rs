// SPDX-License-Identifier: Apache-2.0
//! What is pinned stays, whatever its name stands for meanwhile; and what a lock refuses.

use serde_json::Value;
use wythe_tests::{Bench, Ended};

/// Builds an image of one file under a name.
fn publish(bench: &Bench, name: &str, content: &str) -> String {
    let definition =
        "builder = \"2026.11\"\nbase = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"f\"\nto = \"/f\"\n";
    bench.file("below/f", content).file("below/wythe.toml", definition);
    bench.wythe(&["build", "below", "-t", name]).stdout().trim().to_owned()
}

fn on(reference: &str) -> String {
    format!(
        "base = {{ kind = \"image\", reference = \"{reference}\" }}\n\
         [[steps]]\nkind = \"label\"\nset = {{ \"org.example\" = \"yes\" }}\n"
    )
}

fn lock(bench: &Bench) -> String {
    std::fs::read_to_string(bench.dir().join("wythe.lock")).unwrap()
}

#[track_caller]
fn assert_says(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
}

#[test]
fn a_base_stays_where_it_was_until_it_is_renewed() {
    let bench = Bench::new();
    let old = publish(&bench, "below:1", "old\n");
    bench.definition(&on("below:1"));
    let first = bench.wythe(&["build"]).stdout();
    let expected = format!(
        "{{\n  \"version\": 1,\n  \"images\": {{\n    \"\": {{\n      \"base\": {{\n        \"kind\": \"image\",\n        \
         \"images\": {{\n          \"below:1\": \"{old}\"\n        }}\n      }}\n    }}\n  }}\n}}\n"
    );
    assert_eq!(lock(&bench), expected);

    let new = publish(&bench, "below:1", "new\n");
    assert_ne!(new, old);
    assert_eq!(bench.wythe(&["build", "--locked"]).stdout(), first, "a moved name changed a locked build");
    assert_eq!(bench.wythe(&["build"]).stdout(), first, "a moved name changed a build with a lock");
    assert_eq!(bench.wythe(&["lock", "--check"]).code, Some(0));

    let renewed = bench.wythe(&["lock", "--upgrade", "base"]);
    let short = |digest: &str| digest["sha256:".len()..][..12].to_owned();
    let moved = format!("base: moved below:1 {} → {}", short(&old), short(&new));
    assert!(renewed.stderr.contains(&moved), "{moved} is missing:\n{}", renewed.stderr);
    assert_eq!(lock(&bench), expected.replace(&old, &new));
    assert_ne!(bench.wythe(&["build", "--locked"]).stdout(), first);
}

#[test]
fn an_enforced_lock_refuses_what_it_does_not_pin() {
    let bench = Bench::new();
    publish(&bench, "below:1", "one\n");
    publish(&bench, "below:2", "two\n");
    bench.definition(&on("below:1"));
    let says = ["step `base`: the lock has no valid entry for it: it has none", "wythe.toml:2:", "`wythe lock`"];
    assert_says(&bench.wythe(&["build", "--locked"]), 1, &says);
    assert!(!bench.dir().join("wythe.lock").exists(), "`--locked` wrote a lock");
    bench.wythe(&["lock"]).stdout();
    bench.definition(&on("below:2"));
    assert_says(&bench.wythe(&["build", "--locked"]), 1, &["step `base`", "it does not pin the image `below:2`"]);
    let check = bench.wythe(&["lock", "--check"]);
    assert_says(&check, 1, &["wythe.lock is not up to date", "base: moved below:1", "below:2"]);
    assert!(lock(&bench).contains("below:1"), "`--check` wrote the lock");
}

#[test]
fn a_pinned_image_that_is_gone_is_named() {
    let bench = Bench::new();
    let old = publish(&bench, "below:1", "old\n");
    bench.definition(&on("below:1"));
    bench.wythe(&["build"]).stdout();
    publish(&bench, "below:1", "new\n");
    bench.wythe(&["store", "gc", "--older-than", "0"]).stdout();
    let says = format!("step `base`: image `below:1` is pinned as {old}, which is not in the store");
    assert_says(&bench.wythe(&["build"]), 1, &[&says, "wythe.toml:2:", "`wythe lock --upgrade base`"]);
    bench.wythe(&["lock", "--upgrade", "base"]).stdout();
    bench.wythe(&["build", "--locked"]).stdout();
}

#[test]
fn a_name_without_a_tag_means_the_latest_and_a_digest_needs_no_lock() {
    let bench = Bench::new();
    let digest = publish(&bench, "below", "one\n");
    bench.definition(&on("below"));
    let by_name = bench.wythe(&["build"]).stdout();
    assert!(lock(&bench).contains(&format!("\"below\": \"{digest}\"")), "{}", lock(&bench));
    let other = Bench::new();
    assert_eq!(publish(&other, "below", "one\n"), digest, "the same image on another machine");
    other.definition(&on(&format!("below@{digest}")));
    assert_eq!(other.wythe(&["build", "--locked"]).stdout(), by_name);
    assert!(!other.dir().join("wythe.lock").exists());
}

#[test]
fn steps_that_are_gone_are_dropped_once_everything_is_built() {
    let bench = Bench::new();
    publish(&bench, "below:1", "one\n");
    let image = |name: &str, rest: &str| {
        format!("[images.{name}]\nbase = {{ kind = \"image\", reference = \"below:1\" }}\n{rest}")
    };
    let broken = "[[images.b.steps]]\nkind = \"files\"\nfrom = \"missing\"\nto = \"/\"\n";
    bench.definition(&format!("{}{}", image("a", ""), image("b", "")));
    bench.wythe(&["build"]).stdout();
    let images = |bench: &Bench| {
        let lock: Value = serde_json::from_str(&lock(bench)).unwrap();
        lock["images"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(images(&bench), ["a", "b"]);
    bench.wythe(&["build", "--image", "a"]).stdout();
    assert_eq!(images(&bench), ["a", "b"], "an image that was not wanted lost its entries");
    bench.definition(&image("b", broken));
    assert_eq!(bench.wythe(&["build"]).code, Some(1));
    assert_eq!(images(&bench), ["a", "b"], "a build that failed dropped entries");
    bench.definition(&image("b", ""));
    let check = bench.wythe(&["lock", "--check"]);
    assert_says(&check, 1, &["a/base: dropped, the step is gone"]);
    bench.wythe(&["build", "--locked"]).stdout();
    bench.wythe(&["build"]).stdout();
    assert_eq!(images(&bench), ["b"]);
}

#[test]
fn a_lock_that_cannot_be_read_says_where() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n").file("wythe.lock", "{\n<<<<<<< ours\n  \"version\": 1\n");
    let says = ["`wythe.lock` is not a lock", "line 2 is a conflict marker", "take one of the two versions"];
    assert_says(&bench.wythe(&["build"]), 1, &says);
    bench.file("wythe.lock", "{\n  \"version\": 9,\n  \"images\": {}\n}\n");
    assert_says(&bench.wythe(&["lock"]), 1, &["was written by a newer wythe (version 9"]);
}

#[test]
fn a_step_that_is_not_there_gets_the_nearest_name() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n[[steps]]\nkind = \"env\"\nname = \"deps\"\nset = { A = \"1\" }\n");
    let ended = bench.wythe(&["lock", "--upgrade", "dep"]);
    let says = ["`--upgrade dep`: there is no such step", "did you mean `deps`?", "known steps: base, deps"];
    assert_says(&ended, 2, &says);
}

#[test]
fn pinning_runs_nothing_that_nothing_is_resolved_on() {
    let bench = Bench::new();
    publish(&bench, "below:1", "one\n");
    bench.definition(&format!("{}[[steps]]\nkind = \"run\"\ncommands = [\"/no/such/program\"]\n", on("below:1")));
    let ended = bench.wythe(&["lock"]);
    assert!(ended.stderr.contains("base: pinned below:1"), "{}", ended.stderr);
    assert_eq!((ended.code, bench.wythe(&["build", "--locked"]).code), (Some(0), Some(3)));
}

#[test]
fn what_changed_is_printed_for_programs() {
    let bench = Bench::new();
    let digest = publish(&bench, "below:1", "old\n");
    bench.definition(&on("below:1"));
    let changes: Value = serde_json::from_str(&bench.wythe(&["lock", "--json"]).stdout()).unwrap();
    let to = &digest["sha256:".len()..][..12];
    let platform = if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" };
    let expected = serde_json::json!([{
        "image": null, "platform": platform, "step": "base", "was-locked": false, "is-locked": true,
        "moved": [{"name": "below:1", "from": null, "to": to}],
    }]);
    assert_eq!(changes, expected);
    assert_eq!(bench.wythe(&["lock", "--json"]).stdout().trim(), "[]");
}

#[test]
fn without_a_network_a_command_that_wants_one_is_named() {
    let bench = Bench::new();
    bench.file("f", "f\n").definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"f\"\nto = \"/f\"\n\
         [[steps]]\nkind = \"run\"\nname = \"get\"\ncommands = [\"curl example.com\"]\n",
    );
    let ended = bench.wythe(&["build", "--offline"]);
    let says = ["step `get`: `curl example.com` has to run and asks for a network", "`network = \"none\"`"];
    assert_says(&ended, 5, &says);
    bench.definition("base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"f\"\nto = \"/f\"\n");
    assert!(bench.wythe(&["build", "--offline"]).stderr.contains("unchanged"), "what was done before was not kept");
}

#[test]
fn without_a_network_a_step_that_has_to_be_pinned_is_named() {
    let bench = Bench::new();
    // Nobody is asked, so the mirror need not be there.
    bench.definition(
        "base = { kind = \"debian-slim\", release = \"bookworm\", mirror = \"http://mirror.invalid/debian\" }\n",
    );
    for command in [&["build", "--offline"][..], &["plan", "--offline"], &["lock", "--offline"]] {
        let says = [
            "step `base`: it has to be pinned, which takes the network, and the network is not to be used",
            "the lock has no valid entry for it: it has none",
            "http://mirror.invalid/debian/dists/bookworm/InRelease",
            "pin it once with a network: `wythe lock`",
        ];
        assert_says(&bench.wythe(command), 5, &says);
    }
}
