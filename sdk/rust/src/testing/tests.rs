// SPDX-License-Identifier: Apache-2.0

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Build, metadata, resolving, step};
use crate::{Artifact, Command, Failure, Files, Format, ResolvingStep, Sharing, State, Step, build, fetch};

/// Installs one tool at the version that an index names.
struct Tool;

#[derive(Debug, Deserialize)]
struct Options {
    tool: String,
    #[serde(default)]
    path: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lock {
    version: String,
    sha256: String,
}

impl ResolvingStep for Tool {
    type Options = Options;
    type Lock = Lock;

    fn resolve(base: &State, options: Options, previous: Option<Lock>) -> Result<Lock, Failure> {
        if let Some(previous) = previous {
            return Ok(previous);
        }
        let machine = Command::new(base, ["uname", "-m"]).output_text().map_err(Failure::Failed)?;
        let index = fetch::get_text("https://tools.example/index").map_err(Failure::Failed)?;
        let line = index.lines().find(|line| line.starts_with(&options.tool)).ok_or_else(|| {
            Failure::option("/tool", format!("no tool `{}` for {}", options.tool, machine.trim())).hint("see the index")
        })?;
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        let (Some(version), Some(sha256)) = (words.next(), words.next()) else {
            return Err(Failure::failed("the index is cut short"));
        };
        Ok(Lock { version, sha256 })
    }

    fn plan(base: &State, options: Options, lock: Lock) -> Result<State, Failure> {
        let path = options.path.unwrap_or_else(|| "/opt".into());
        let archive = Artifact::new(&format!("https://tools.example/{}.tar", lock.version), &lock.sha256, Some(9));
        let unpacked =
            Files::on(base).mode(0o755).unpack(&archive, Format::Tar, &path).put("/etc/tool", b"\xff").apply();
        let command = Command::shell(&unpacked, "tool setup")
            .env("A", "1")
            .cache("tool", "/run/wythe/cache/tool", Sharing::Locked)
            .bind_artifact(&archive, "/run/wythe/tool.tar")
            .allow_host("b.example")
            .allow_host("a.example")
            .describe("set the tool up");
        Ok(command.run().env("TOOL", &options.tool))
    }
}

const SHA: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn scene() -> Build {
    Build::new()
        .probe("uname", Ok(b"x86_64\n".to_vec()))
        .fetch("https://tools.example/index", Ok(format!("saw 1.0 {SHA}\n").into_bytes()))
}

#[test]
fn resolving_answers_from_the_build_and_keeps_what_was_asked() {
    let found = scene().resolve(resolving::<Tool>(), &json!({ "tool": "saw" }), None).unwrap();
    assert_eq!(found.lock, json!({ "version": "1.0", "sha256": SHA }));
    assert_eq!(found.record.fetched, ["https://tools.example/index"]);
    assert_eq!(found.record.probed, [json!({ "run": { "on": 0, "command": { "argv": ["uname", "-m"] } } })]);
}

#[test]
fn a_lock_entry_that_cannot_be_read_is_made_anew() {
    let kept = scene().resolve(
        resolving::<Tool>(),
        &json!({ "tool": "saw" }),
        Some(&json!({ "version": "0.9", "sha256": "" })),
    );
    assert_eq!(kept.unwrap().lock["version"], "0.9");
    let renewed = scene().resolve(resolving::<Tool>(), &json!({ "tool": "saw" }), Some(&json!({ "of": "old" })));
    assert_eq!(renewed.unwrap().lock["version"], "1.0");
}

#[test]
fn a_failure_points_at_its_option() {
    let failure = scene().resolve(resolving::<Tool>(), &json!({ "tool": "axe" }), None).unwrap_err();
    assert_eq!(failure, Failure::option("/tool", "no tool `axe` for x86_64").hint("see the index"));
}

#[test]
fn planning_records_every_operation_with_defaults_left_out() {
    let lock = json!({ "version": "1.0", "sha256": SHA });
    let plan = Build::new().plan(resolving::<Tool>(), &json!({ "tool": "saw" }), Some(&lock)).unwrap();
    let artifact = json!({ "url": "https://tools.example/1.0.tar", "sha256": format!("sha256:{SHA}"), "size": 9 });
    let expected = json!({
        "vertices": [
            "base",
            { "files": { "on": 0, "actions": [
                { "copy": {
                    "source": { "unpacked": { "artifact": artifact, "format": "tar" } }, "dest": "/opt",
                    "brush": { "mode": 0o755 },
                } },
                { "put": { "path": "/etc/tool", "bytes": "base64:/w==", "brush": { "mode": 0o755 } } },
            ] } },
            { "run": {
                "on": 1, "command": { "shell": "tool setup" }, "env": { "A": "1" },
                "mounts": [
                    { "target": "/run/wythe/cache/tool", "source": { "cache": { "id": "tool", "sharing": "locked" } } },
                    { "target": "/run/wythe/tool.tar", "source": { "artifact": artifact } },
                ],
                "network": { "hosts": ["a.example", "b.example"] },
            } },
            { "configure": { "on": 2, "edit": { "env": ["TOOL", "saw"] } } },
        ],
        "labels": [{}, {}, { "text": "set the tool up" }, {}],
        "head": 3,
    });
    assert_eq!(plan.to_json(), expected);
}

/// Asks for facts of all kinds.
struct Curious;

impl Step for Curious {
    type Options = Options;

    fn plan(base: &State, _: Options) -> Result<State, Failure> {
        assert_eq!(build::glob("src/**/*.py"), ["src/a.py", "src/b/c.py"]);
        assert!(build::exists("src") && !build::exists("sr"));
        assert_eq!(build::read("none"), Err("no such file".to_owned()));
        assert_eq!(base.which("python3"), Ok(Some("/usr/bin/python3".to_owned())));
        assert_eq!(base.exists("/usr/bin"), Ok(true));
        let later = base.workdir("/srv");
        assert!(later.config().unwrap_err().contains("not known yet"));
        Ok(later)
    }
}

#[test]
fn facts_come_from_the_build_and_only_for_the_base() {
    let build = Build::new()
        .context("src/a.py", "")
        .context("src/b/c.py", "")
        .context("src/b/c.txt", "")
        .base_program("python3", "/usr/bin/python3");
    let plan = build.plan(step::<Curious>(), &json!({ "tool": "" }), None).unwrap();
    assert_eq!(plan.vertices[1], json!({ "configure": { "on": 0, "edit": { "workdir": "/srv" } } }));
}

fn described(properties: &serde_json::Value, required: &[&str]) -> String {
    json!({
        "format": 1, "name": "tool", "version": "1", "summary": "installs a tool",
        "kinds": [{ "name": "tool", "summary": "installs a tool", "resolves": true, "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
            "properties": properties, "required": required, "examples": [{ "tool": "saw", "path": "/opt" }],
        } }],
    })
    .to_string()
}

#[test]
fn metadata_that_fits_is_accepted() {
    let properties = json!({ "tool": { "description": "its name" }, "path": { "description": "where" } });
    metadata(resolving::<Tool>(), &described(&properties, &["tool"]));
}

#[test]
#[should_panic(expected = "the schema's properties are the options' fields")]
fn metadata_that_forgets_a_field_is_refused() {
    metadata(resolving::<Tool>(), &described(&json!({ "tool": { "description": "its name" } }), &["tool"]));
}

#[test]
#[should_panic(expected = "whether `tool` is required")]
fn metadata_that_forgets_a_requirement_is_refused() {
    let properties = json!({ "tool": { "description": "its name" }, "path": { "description": "where" } });
    metadata(resolving::<Tool>(), &described(&properties, &[]));
}

#[test]
#[should_panic(expected = "a command has a program")]
fn what_the_host_would_trap_panics() {
    crate::native::world::enter(crate::native::world::Given::default(), || {
        drop(Command::new(&State::scratch(), Vec::<String>::new()));
    });
}
