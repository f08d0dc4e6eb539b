// SPDX-License-Identifier: Apache-2.0
//! Definitions and what becomes of them: each `bad/*.toml` beside what is said of it, each `good/*.toml` beside its spec.
//!
//! `BLESS=1` rewrites the expected files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wythe_plan::spec::{ImageSpec, Spec, Step};

fn cases(folder: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[expect(clippy::disallowed_methods, reason = "a switch for who works on the tests")]
fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Compares all cases of a folder before it fails, so that one run shows everything.
fn compare(folder: &str, extension: &str, outcome: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    for path in cases(folder) {
        let is = outcome(&fs::read_to_string(&path).unwrap());
        let expected_path = path.with_extension(extension);
        if is_blessing() {
            fs::write(&expected_path, &is).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if is != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- is\n{is}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn everything_that_is_wrong_is_said() {
    compare("bad", "txt", |text| match Spec::parse("wythe.toml", text, &support::kinds()) {
        Ok(spec) => format!("accepted: {spec:#?}\n"),
        Err(errors) => support::render(&errors.diagnostics, &errors.source),
    });
}

#[test]
fn what_is_right_becomes_a_spec() {
    compare("good", "json", |text| match Spec::parse("wythe.toml", text, &support::kinds()) {
        Ok(spec) => format!("{:#}\n", shown(&spec)),
        Err(errors) => format!("refused:\n{}", support::render(&errors.diagnostics, &errors.source)),
    });
}

fn shown(spec: &Spec) -> Value {
    let images: Vec<Value> = spec.images.iter().map(|image| shown_image(image, spec)).collect();
    json!({
        "builder": spec.builder.as_str(),
        "images": images,
        "warnings": support::render(&spec.warnings, &spec.source).lines().collect::<Vec<_>>(),
    })
}

fn shown_image(image: &ImageSpec, spec: &Spec) -> Value {
    json!({
        "name": image.name,
        "platform": image.platform,
        "args": image.args,
        "steps": image.all_steps().map(|step| shown_step(step, spec)).collect::<Vec<_>>(),
    })
}

fn shown_step(step: &Step, spec: &Spec) -> Value {
    json!({
        "id": step.id,
        "kind": step.kind,
        "options": step.options,
        "ambient": format!("{:?}", step.ambient),
        "at": &spec.source.text()[step.span.clone()],
    })
}
