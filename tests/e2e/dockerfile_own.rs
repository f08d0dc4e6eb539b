// SPDX-License-Identifier: Apache-2.0
//! Dockerfiles that say what Debian's buildah cannot yet, or takes for something else than the reference does: what is to
//! come of them is written down. `BLESS=1` rewrites it, to be read again.

use std::fmt::Write as _;

use wythe_tests::{Bench, is_installed, is_root, top};

use crate::dockerfile::{busybox, inspect};
use crate::dockerfile_cases::{cases, context, tree, unpacked};
use crate::dockerfile_judged::config_of;

#[test]
fn what_no_judge_knows_is_as_it_is_written_down() {
    if !is_installed("umoci") || !is_root() {
        return;
    }
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    let dir = context(&bench, "c");
    bench.file("c/x[1].txt", "bracket\n").file("c/x1.txt", "one\n");
    let below = shown(&bench, "busybox:test", &[]);
    let mut text = String::new();
    for case in cases("own.txt") {
        std::fs::write(dir.join("Dockerfile"), &case.text).unwrap();
        let options: Vec<&str> = case.options.iter().map(String::as_str).collect();
        let made = bench.wythe(&[&["build", "-t", "case"], &options[..], &[&dir.display().to_string()]].concat());
        assert_eq!(made.code, Some(0), "{}:\n{}", case.name, made.stderr);
        let _infallible = writeln!(text, "## {}\n{}\n", case.name, shown(&bench, "case", &below).join("\n"));
    }
    hold(&text);
}

/// Shows what an image has that the one below it has not.
fn shown(bench: &Bench, image: &str, below: &[String]) -> Vec<String> {
    let members = config_of(&inspect(bench, image)["config"]["config"]);
    let members = members.as_object().unwrap().iter().map(|(name, value)| format!("{name} {value}"));
    let root = unpacked(bench, image, "unpacked");
    let files = tree(&root, "true");
    let content = |line: &String| {
        let path = line.split(" f ").next().unwrap_or_default();
        let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        // An archive says when it was made.
        let text = if text.contains('\0') { "…".to_owned() } else { text };
        if line.contains(" f ") { format!("{line} {text:?}") } else { line.clone() }
    };
    members.chain(files.iter().map(content)).filter(|line| !below.contains(line)).collect()
}

#[allow(clippy::disallowed_methods, reason = "BLESS is how golden files are rewritten")]
fn hold(text: &str) {
    let path = top().join("tests/dockerfiles/own.expected");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap());
}
