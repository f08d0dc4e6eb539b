// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wythe_image::Digest;

use super::{CORE_KINDS, plan_core_step};
use crate::{
    Action, Brush, Command, ConfigEdit, Fact, FactAnswer, Files, Finding, Fragment, GitUrl, Label, Network, Offer,
    PlanError, Run, Severity, Source, StepCall, Vertex, VertexId, World,
};

/// Answers from a table, and fails where it is asked something else.
struct Answers(BTreeMap<Fact, FactAnswer>);

impl World for Answers {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        self.0.get(fact).cloned().ok_or_else(|| PlanError::World(format!("not expected: {fact:?}")))
    }

    fn fetch(&self, url: &str) -> Result<FactAnswer, PlanError> {
        Err(PlanError::World(format!("not expected: {url}")))
    }

    fn git_commit(&self, url: &GitUrl, _reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        Err(PlanError::World(format!("not expected: {url}")))
    }

    fn probe(&self, _plan: &Fragment, _command: VertexId) -> Result<FactAnswer, PlanError> {
        Err(PlanError::World("not expected: a probe".to_owned()))
    }

    fn log(&self, _severity: Severity, _message: &str) {}

    fn found(&self, _finding: &Finding) {}

    fn offers(&self, _offer: &Offer) {}

    fn progress(&self, _label: &str, _done: u64, _total: u64) {}
}

fn try_plan(kind: &str, options: Value, answers: &[(Fact, FactAnswer)]) -> Result<Fragment, PlanError> {
    let world = Answers(answers.iter().cloned().collect());
    plan_core_step(StepCall { kind, options: &options, lock: None }, &world)
}

fn plan(kind: &str, options: Value) -> Fragment {
    try_plan(kind, options, &[]).unwrap()
}

fn configured(edits: &[ConfigEdit]) -> Vec<Vertex> {
    let edit = |(index, edit): (usize, &ConfigEdit)| Vertex::Configure {
        on: VertexId(u32::try_from(index).unwrap()),
        edit: edit.clone(),
    };
    std::iter::once(Vertex::Base).chain(edits.iter().enumerate().map(edit)).collect()
}

#[test]
fn kinds_are_sorted_and_their_schemas_are_schemas() {
    let names: Vec<&str> = CORE_KINDS.iter().map(|kind| &*kind.name).collect();
    assert_eq!(
        names,
        ["cmd", "entrypoint", "env", "expose", "files", "image", "label", "run", "scratch", "shell", "user", "workdir"]
    );
    for kind in CORE_KINDS.iter() {
        assert!(jsonschema::meta::is_valid(&kind.schema), "{}", kind.name);
        assert!(jsonschema::draft202012::new(&kind.schema).is_ok(), "{}", kind.name);
        assert_eq!(kind.plugin, "core");
    }
}

#[test]
fn each_command_is_an_operation_on_the_one_before() {
    let options = json!({"commands": ["make\nmake install", "true"], "workdir": "/src"});
    let fragment = plan("run", options);
    let run = |on, script: &str| {
        let mut run = Run::new(VertexId(on), Command::Shell(script.to_owned()));
        run.workdir = Some("/src".to_owned());
        run.network = Network::Host;
        Vertex::Run(run)
    };
    assert_eq!(fragment.vertices(), [Vertex::Base, run(0, "make\nmake install"), run(1, "true")]);
    assert_eq!(fragment.head(), VertexId(2));
    assert_eq!(fragment.labels()[1], Label::new("make …"));
}

#[test]
fn the_same_command_twice_runs_twice() {
    let fragment = plan("run", json!({"commands": ["date >> /log", "date >> /log"]}));
    assert_eq!(fragment.vertices().len(), 3);
}

#[test]
fn a_script_is_one_operation_for_the_shell_that_is_named() {
    let fragment = plan("run", json!({"script": "set -e\ntrue\n", "shell": ["/bin/bash", "-c"]}));
    let argv = ["/bin/bash", "-c", "set -e\ntrue\n"].map(str::to_owned).to_vec();
    let mut run = Run::new(VertexId::BASE, Command::Argv(argv));
    run.network = Network::Host;
    assert_eq!(fragment.vertices(), [Vertex::Base, Vertex::Run(run)]);
}

#[test]
fn the_configuration_is_edited_in_order() {
    let text = str::to_owned;
    for (kind, options, edits) in [
        (
            "env",
            json!({"set": {"B": "$PATH", "A": ""}}),
            vec![ConfigEdit::Env(text("A"), text("")), ConfigEdit::Env(text("B"), text("$PATH"))],
        ),
        ("label", json!({"set": {"a.b": "c"}}), vec![ConfigEdit::Label(text("a.b"), text("c"))]),
        ("workdir", json!({"path": "app"}), vec![ConfigEdit::Workdir(text("app"))]),
        ("user", json!({"user": "app:app"}), vec![ConfigEdit::User(text("app:app"))]),
        ("entrypoint", json!({"argv": ["a", ""]}), vec![ConfigEdit::Entrypoint(vec![text("a"), text("")])]),
        ("cmd", json!({"argv": []}), vec![ConfigEdit::Cmd(vec![])]),
        ("shell", json!({"argv": ["sh"]}), vec![ConfigEdit::Shell(vec![text("sh")])]),
        (
            "expose",
            json!({"ports": [80, "53/udp"]}),
            vec![ConfigEdit::Expose(text("80")), ConfigEdit::Expose(text("53/udp"))],
        ),
    ] {
        let fragment = plan(kind, options);
        assert_eq!(fragment.vertices(), configured(&edits), "{kind}");
        assert_eq!(fragment.head().0 as usize, edits.len(), "{kind}");
    }
}

#[test]
fn scratch_is_the_empty_plan() {
    assert_eq!(plan("scratch", json!({})), Fragment::new());
}

#[test]
fn a_tag_becomes_a_digest_and_a_digest_stays() {
    let digest = Digest::of(b"image").to_string();
    let pinned = format!("example.com/app:1.4@{digest}");
    let named = |reference: &str| {
        let answer = (Fact::Image(reference.to_owned()), Ok(digest.clone().into_bytes()));
        try_plan("image", json!({ "reference": reference }), &[answer]).unwrap()
    };
    let fragment = named("example.com/app:1.4");
    assert_eq!(fragment.vertex(fragment.head()), &Vertex::Image { reference: pinned.clone() });
    assert_eq!(named(&pinned).digest(), fragment.digest());
    assert_eq!(named("example.com/app:1.4@linux/arm64").digest(), fragment.digest());
}

#[test]
fn an_image_that_is_not_there_is_the_definitions_fault() {
    let answer = (Fact::Image("gone".to_owned()), Err("no image of this name is in the store".to_owned()));
    let error = try_plan("image", json!({"reference": "gone"}), &[answer]).unwrap_err();
    let PlanError::Declined(problems) = error else { panic!("{error:?}") };
    assert_eq!(problems.len(), 1);
    assert_eq!((&*problems[0].path, &*problems[0].message), ("/reference", "no image of this name is in the store"));
}

fn exists(path: &str, answer: bool) -> (Fact, FactAnswer) {
    (Fact::ContextExists(path.to_owned()), Ok(answer.to_string().into_bytes()))
}

fn copied(fragment: &Fragment) -> (Source, String, Brush) {
    let Vertex::Files(Files { on: VertexId::BASE, actions }) = fragment.vertex(fragment.head()) else {
        panic!("{fragment:?}")
    };
    let [Action::Copy { source, dest, brush }] = &actions[..] else { panic!("{actions:?}") };
    (source.clone(), dest.clone(), brush.clone())
}

#[test]
fn files_are_copied_with_their_brush() {
    let options = json!({
        "from": "./a[1]//src/", "to": "/app/", "owner": "app:app", "mode": "0640",
        "include": ["**/*.txt"], "exclude": ["**/tests", "!keep"],
    });
    let fragment = try_plan("files", options, &[exists("a[1]/src", true)]).unwrap();
    let source = Source::Context { patterns: vec!["a[[]1[]]/src".to_owned()] };
    let exclude = ["**", "!**/*.txt", "**/tests", "!keep"].map(str::to_owned).to_vec();
    let brush = Brush { owner: "app:app".to_owned(), mode: Some(0o640), exclude, ..Brush::default() };
    assert_eq!(copied(&fragment), (source, "/app/".to_owned(), brush));
}

#[test]
fn without_inclusions_everything_is_included() {
    let options = json!({"from": "./", "to": "/", "exclude": ["*.log", "!keep.log"]});
    let fragment = try_plan("files", options, &[exists(".", true)]).unwrap();
    assert_eq!(copied(&fragment).2.exclude, ["*.log", "!keep.log"]);
}

#[test]
fn a_relative_destination_is_joined_to_the_working_directory() {
    for (to, dest) in [("src", "/app/src"), (".", "/app/"), ("./x/", "/app/x/"), ("/x", "/x")] {
        let config = (Fact::BaseConfig, Ok(br#"{"WorkingDir":"/app"}"#.to_vec()));
        let options = json!({"from": ".", "to": to});
        let fragment = try_plan("files", options, &[exists(".", true), config]).unwrap();
        assert_eq!(copied(&fragment).1, dest, "{to}");
    }
}

#[test]
fn what_is_not_there_or_leaves_the_directory_is_declined() {
    for (options, path, says) in [
        (json!({"from": "gone", "to": "/"}), "/from", "cannot copy `gone`: it is not there"),
        (json!({"from": "/etc", "to": "/"}), "/from", "is outside the directory"),
        (json!({"from": "a", "to": "/", "copy": false}), "/copy", "is not available"),
        (json!({"from": "a", "to": "/", "mode": 7}), "", "invalid type"),
    ] {
        let error = try_plan("files", options, &[exists("gone", false), exists("a", true)]).unwrap_err();
        let PlanError::Declined(problems) = error else { panic!("{error:?}") };
        assert_eq!(problems[0].path, path);
        assert!(problems[0].message.contains(says), "{}", problems[0].message);
    }
}
