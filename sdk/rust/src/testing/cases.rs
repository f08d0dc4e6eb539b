// SPDX-License-Identifier: Apache-2.0
//! Golden cases: one JSON file each, expectation included.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Build, Subject};
use crate::native::operation::object;
use crate::{Importer, Verdict, Wish};

/// What a case says of the build. Texts that begin with `file:` stand for a file beside the case.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Scene {
    platform: Option<String>,
    machine_platform: Option<String>,
    builder_version: Option<String>,
    source_date_epoch: Option<u64>,
    args: Map<String, Value>,
    context: Map<String, Value>,
    base_files: Map<String, Value>,
    base_programs: Map<String, Value>,
    base_config: Option<Value>,
    image_configs: Map<String, Value>,
    fetches: Map<String, Value>,
    git: Map<String, Value>,
    probes: Vec<Probe>,
    recognises: Vec<Recognises>,
    links: Vec<String>,
    missing_images: Vec<String>,
}

/// What a recogniser says: a step, or why it is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recognises {
    when: String,
    kind: Option<String>,
    #[serde(default)]
    options: Value,
    near: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Probe {
    when: String,
    output: Option<String>,
    error: Option<String>,
}

/// A case file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    #[serde(default)]
    build: Value,
    #[serde(default)]
    options: Value,
    /// Where it stands, nothing is resolved.
    #[serde(default)]
    lock: Option<Value>,
    /// The entry of an existing lock, for resolving.
    #[serde(default)]
    previous: Option<Value>,
    /// Whether a translation leaves commands as they are.
    #[serde(default)]
    exact: bool,
    /// Files that come with a translation.
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    expect: Value,
}

/// Runs every case (`*.json`) of a directory, or rewrites what they expect where `BLESS` is set.
///
/// # Panics
///
/// Panics where a case gives something else than it expects, cannot be read, or where there is none.
pub fn cases(subject: Subject, directory: impl AsRef<Path>) {
    check(directory.as_ref(), |case, path| run(subject, case, path));
}

/// The same for the list of what is installed: `build` says what the image is like, and there are no options.
///
/// # Panics
///
/// As [`cases`].
pub fn listings(subject: Subject, directory: impl AsRef<Path>) {
    check(directory.as_ref(), |case, path| {
        let (answer, record) = scene(case, path).packages(subject);
        match answer {
            Ok(packages) => json!({ "asked": record.to_json(), "packages": packages }),
            Err(failure) => json!({ "asked": record.to_json(), "failure": failure }),
        }
    });
}

/// The same for translations: what comes out, and the commands that recognisers were asked about.
///
/// # Panics
///
/// As [`cases`].
pub fn translations<T: Importer>(directory: impl AsRef<Path>) {
    check(directory.as_ref(), |case, path| {
        let wish = Wish { exact: case.exact, added: case.added.clone() };
        let (answer, asked, record) = scene(case, path).translate::<T>(&case.options, &wish);
        let asked: Vec<String> = asked.iter().map(|command| format!("{command:?}")).collect();
        let log = record.to_json()["log"].clone();
        match answer {
            Ok(translation) => {
                object([("asked-about", json!(asked)), ("log", log), ("translation", json!(translation))])
            }
            Err(failure) => object([("log", log), ("failure", json!(failure))]),
        }
    });
}

/// Runs every case of a directory.
fn check(directory: &Path, run: impl Fn(&Case, &Path) -> Value) {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("a directory can be read to its end").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no case", directory.display());
    let differing: Vec<String> = paths.iter().filter_map(|path| difference(&run, path)).collect();
    assert!(differing.is_empty(), "{}\nrun again with BLESS=1 to accept", differing.join("\n\n"));
}

fn difference(run: &impl Fn(&Case, &Path) -> Value, path: &Path) -> Option<String> {
    let text = read(path);
    let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let found = run(&case, path);
    if found == case.expect {
        return None;
    }
    #[allow(clippy::disallowed_methods, reason = "the test kit is a roof of its own")]
    let bless = std::env::var_os("BLESS").is_some();
    if bless {
        let said = object([
            ("about", case.about.into()),
            ("build", case.build),
            ("lock", case.lock.unwrap_or_default()),
            ("previous", case.previous.unwrap_or_default()),
        ]);
        let mut whole = said;
        if case.exact {
            whole["exact"] = true.into();
        }
        if !case.added.is_empty() {
            whole["added"] = json!(case.added);
        }
        if !case.options.is_null() {
            whole["options"] = case.options;
        }
        whole["expect"] = found;
        let text = serde_json::to_string_pretty(&whole).expect("a case is JSON");
        fs::write(path, text + "\n").unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return None;
    }
    Some(format!("{} ({}):\n{}", path.display(), case.about, compare(&case.expect, &found)))
}

fn run(subject: Subject, case: &Case, path: &Path) -> Value {
    let build = scene(case, path);
    let mut found = Map::new();
    let mut lock = case.lock.clone();
    if subject.resolve.is_some() && lock.is_none() {
        let (answer, record) = build.resolve_recorded(subject, &case.options, case.previous.as_ref());
        let said = record.to_json();
        found.insert(
            "resolve".into(),
            match answer {
                Ok(entry) => {
                    lock = Some(entry.clone());
                    json!({ "asked": said, "lock": entry })
                }
                Err(failure) => json!({ "asked": said, "failure": failure }),
            },
        );
        if lock.is_none() {
            return Value::Object(found);
        }
    }
    let (answer, record) = build.plan_recorded(subject, &case.options, lock.as_ref());
    let said = record.to_json();
    found.insert(
        "plan".into(),
        match answer {
            Ok(plan) => object([("asked", said), ("plan", plan.to_json())]),
            Err(failure) => object([("asked", said), ("failure", json!(failure))]),
        },
    );
    Value::Object(found)
}

fn scene(case: &Case, path: &Path) -> Build {
    let scene: Scene = match &case.build {
        Value::Null => Scene::default(),
        value => Scene::deserialize(value).unwrap_or_else(|error| panic!("{}: build: {error}", path.display())),
    };
    let text = |value: &Value| text_of(value.as_str().unwrap_or_else(|| panic!("{value} is not a text")), path);
    let mut build = Build::new();
    if let Some(platform) = &scene.platform {
        build = build.platform(platform);
    }
    if let Some(platform) = &scene.machine_platform {
        build = build.machine_platform(platform);
    }
    if let Some(version) = &scene.builder_version {
        build = build.builder_version(version);
    }
    if let Some(seconds) = scene.source_date_epoch {
        build = build.source_date_epoch(seconds);
    }
    if let Some(config) = &scene.base_config {
        build = build.base_config(&config.to_string());
    }
    build = scene
        .image_configs
        .iter()
        .fold(build, |build, (reference, config)| build.image_config(reference, &config.to_string()));
    build = scene.args.iter().fold(build, |build, (name, value)| build.arg(name, &text(value)));
    build = scene.context.iter().fold(build, |build, (name, value)| build.context(name, text(value)));
    build = scene.base_files.iter().fold(build, |build, (name, value)| build.base_file(name, text(value)));
    build = scene.base_programs.iter().fold(build, |build, (name, value)| build.base_program(name, &text(value)));
    build = scene.fetches.iter().fold(build, |build, (url, value)| build.fetch(url, Ok(text(value).into_bytes())));
    build = scene.links.iter().fold(build, |build, path| build.link(path));
    build = scene.missing_images.iter().fold(build, |build, reference| build.missing_image(reference));
    build = scene.recognises.into_iter().fold(build, |build, one| {
        let verdict = match (one.kind, one.near) {
            (Some(kind), None) => Verdict::Step { kind, options: one.options },
            (None, Some(why)) => Verdict::Near(why),
            _ => panic!("{}: a recogniser says either `kind` or `near`", path.display()),
        };
        build.recognises(&one.when, verdict)
    });
    build = scene.git.iter().fold(build, |build, (question, value)| build.git(question, Ok(&text(value))));
    scene.probes.iter().fold(build, |build, probe| {
        let answer = match (&probe.output, &probe.error) {
            (Some(output), None) => Ok(text_of(output, path).into_bytes()),
            (None, Some(error)) => Err(error.clone()),
            _ => panic!("{}: a probe has either `output` or `error`", path.display()),
        };
        build.probe(&probe.when, answer)
    })
}

fn text_of(text: &str, case: &Path) -> String {
    match text.strip_prefix("file:") {
        Some(name) => read(&case.with_file_name(name)),
        None => text.to_owned(),
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Shows the lines around the first difference; a whole plan would hide it.
fn compare(expected: &Value, found: &Value) -> String {
    let lines = |value: &Value| -> Vec<String> {
        let text = serde_json::to_string_pretty(value).expect("a value is JSON");
        text.lines().map(str::to_owned).collect()
    };
    let (expected, found) = (lines(expected), lines(found));
    let first = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let show = |mark: char, lines: &[String]| -> String {
        let window = lines.iter().skip(first).take(8);
        window.map(|line| format!("{mark} {line}\n")).collect()
    };
    let before: String =
        expected.iter().take(first).skip(first.saturating_sub(4)).map(|l| format!("  {l}\n")).collect();
    format!("{before}{}{}", show('-', &expected), show('+', &found))
}
