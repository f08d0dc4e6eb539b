// SPDX-License-Identifier: Apache-2.0
//! `wythe check`, and what a text lets a person choose.

use serde_json::{Value, json};
use wythe_tests::{Bench, Ended};

fn rules(ended: &Ended) -> Vec<(String, u64)> {
    let found: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let one = |one: &Value| (one["rule"].as_str().unwrap().to_owned(), one["line"].as_u64().unwrap_or(0));
    found.iter().map(one).collect()
}

#[test]
fn every_rule_finds_its_line() {
    let bench = Bench::new();
    for (text, rule, line) in [
        ("FROM scratch AS B\nLABEL a=b\n", "StageNameCasing", 1),
        ("FROM scratch as b\nLABEL a=b\n", "FromAsCasing", 1),
        ("FROM scratch\nLABEL a=b \\\n\n  c=d\n", "NoEmptyContinuation", 3),
        ("FROM scratch\nLABEL a=b\nlabel c=d\n", "ConsistentInstructionCasing", 3),
        ("FROM scratch AS a\nFROM scratch AS a\n", "DuplicateStageName", 2),
        ("FROM scratch AS context\n", "ReservedStageName", 1),
        ("FROM scratch\nCMD a\n", "JSONArgsRecommended", 2),
        ("FROM scratch\nMAINTAINER a\n", "MaintainerDeprecated", 2),
        ("FROM scratch\nWORKDIR a\n", "WorkdirRelativePath", 2),
        ("FROM scratch\nLABEL a=$b\n", "UndefinedVar", 2),
        ("FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\n", "MultipleInstructionsDisallowed", 2),
        ("FROM scratch\nENV a b\n", "LegacyKeyValueFormat", 2),
        ("FROM --platform=$TARGETPLATFORM scratch\n", "RedundantTargetPlatform", 1),
        ("FROM scratch\nARG API_TOKEN\n", "SecretsUsedInArgOrEnv", 2),
        ("FROM --platform=linux/amd64 scratch\n", "FromPlatformFlagConstDisallowed", 1),
        ("FROM scratch\nCOPY ignored /\n", "CopyIgnoredFile", 2),
        ("FROM scratch\nEXPOSE 80/TCP\n", "ExposeProtoCasing", 2),
        ("FROM scratch\nEXPOSE 127.0.0.1:80:80\n", "ExposeInvalidFormat", 2),
        ("# check=experimental=all\n\n# words\nFROM scratch AS a\n", "InvalidDefinitionDescription", 4),
        ("ARG tag\nFROM x:${tag}\n", "InvalidDefaultArgInFrom", 2),
        ("FROM scratch$taag\n", "UndefinedArgInFrom", 1),
    ] {
        bench.file("Dockerfile", text).file(".dockerignore", "ignored\n").file("ignored", "");
        let ended = bench.wythe(&["check", "--json"]);
        // What makes no image is an error, too, and no rule finds it.
        let found: Vec<_> = rules(&ended).into_iter().filter(|(rule, _)| !rule.is_empty()).collect();
        assert_eq!(found, [(rule.to_owned(), line)], "{text}: {}", ended.stderr);
        assert_eq!(ended.code, Some(1), "{text}");
    }
}

#[test]
fn findings_are_shown_with_their_lines_and_chosen_by_the_file() {
    let bench = Bench::new();
    bench.file("app/Dockerfile", "FROM scratch AS One\nCMD run me\n");
    let ended = bench.wythe(&["check", "app"]);
    let expected = "warning: StageNameCasing: the stage `One` is not in lower case\n --> app/Dockerfile:1:17\n  |\n1 | FROM scratch AS One\n  |                 ^^^\n";
    assert!(ended.stdout.contains(expected), "{}", ended.stdout);
    assert_eq!((ended.code, ended.stderr.trim()), (Some(1), "2 warnings"));
    bench.file("app/Dockerfile", "# check=skip=StageNameCasing,JSONArgsRecommended\nFROM scratch AS One\nCMD run me\n");
    let ended = bench.wythe(&["check", "app"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.trim()), (Some(0), "", "nothing found"));
    bench.file("app/Dockerfile", "# check=error=true\nFROM scratch AS One\n");
    let ended = bench.wythe(&["build", "app"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: StageNameCasing: the stage `One`"), "{}", ended.stderr);
    let skipped = ["build", "app", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"];
    bench.wythe(&skipped).stdout();
    // A build shows what it finds, also where its plan is known.
    bench.file("app/Dockerfile", "FROM scratch AS One\n");
    for _ in 0..2 {
        let ended = bench.wythe(&["build", "app"]);
        assert!(ended.stderr.contains("warning: StageNameCasing"), "{}", ended.stderr);
    }
}

#[test]
fn definitions_are_checked_without_being_built() {
    let bench = Bench::new();
    bench.definition("base = \"scratch\"\n[[steps]]\nkind = \"fles\"\n");
    let ended = bench.wythe(&["check", "--json"]);
    assert_eq!((ended.code, rules(&ended)), (Some(1), vec![("unknown".to_owned(), 4)]));
    bench.definition("base = { kind = \"dockerfile\", text = \"FROM scratch AS One\\nRUNN x\" }\n");
    let ended = bench.wythe(&["check"]);
    let expected = "unknown instruction `RUNN`\n --> text of step base:2:1";
    assert!(ended.code == Some(1) && ended.stdout.contains(expected), "{}", ended.stdout);
    bench.definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"dockerfile\"\ncommands = [\"LABEL a=b\", \"LABEL c $d\"]\n",
    );
    let ended = bench.wythe(&["check", "--json"]);
    let found: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found[0]["file"], "commands.1 of step dockerfile", "{}", ended.stdout);
    assert_eq!(found[0]["line"], 1);
    bench.definition("base = \"scratch\"\n[[steps]]\nkind = \"label\"\nset = { a = \"b\" }\n");
    assert_eq!(bench.wythe(&["check"]).code, Some(0));
}

#[test]
fn a_file_says_what_can_be_chosen() {
    let bench = Bench::new();
    bench.file(
        "Dockerfile",
        "# VERSION of the thing\nARG VERSION=1\n# base is where all begin\nFROM scratch AS base\nARG VERSION\n\
         FROM base AS last\nRUN --mount=type=secret,id=token,required --mount=type=secret,id=spare,required=0 --mount=type=ssh true\n",
    );
    let targets = bench.wythe(&["build", "--call", "targets"]).stdout();
    assert_eq!(
        targets,
        "TARGET          FROM     DESCRIPTION\nbase            scratch  is where all begin\nlast (default)  base\n"
    );
    let outline = bench.wythe(&["build", "--call", "outline", "--json"]).stdout();
    let found: Value = serde_json::from_str(&outline).unwrap();
    let named: Vec<_> =
        found.as_array().unwrap().iter().map(|one| (&one["kind"], &one["name"], &one["value"])).collect();
    let expected = [
        ("argument", "VERSION", json!("1")),
        ("secret", "token", Value::Null),
        ("secret", "spare", Value::Null),
        ("ssh", "default", Value::Null),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(kind, name, value)| (json!(kind), json!(name), value.clone())).collect();
    assert_eq!(named, expected.iter().map(|(kind, name, value)| (kind, name, value)).collect::<Vec<_>>());
    assert_eq!(found[0]["description"], "of the thing");
    assert_eq!((&found[1]["required"], &found[2]["required"]), (&json!(true), &json!(false)));
}

#[test]
fn what_a_mount_asks_for_is_read_with_its_variables() {
    let bench = Bench::new();
    bench.file(
        "Dockerfile",
        "ARG KIND=ssh\nFROM scratch AS base\nARG KIND\nENV ID=to\nFROM base\nARG T=${KIND%%h}h\n\
         RUN --mount=type=$T,id=agent --mount=type=$KIND,id=${ID}ken,required=false true\n",
    );
    let outline = |more: &[&str]| {
        let text = bench.wythe(&[&["build", "--call=outline,format=json"], more].concat()).stdout();
        let found: Value = serde_json::from_str(&text).unwrap();
        let grants = found.as_array().unwrap().iter().filter(|one| one["kind"] != "argument");
        grants
            .map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["name"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(outline(&[]), ["ssh agent", "ssh token"]);
    assert_eq!(outline(&["--build-arg", "KIND=secret", "--build-arg", "T=ssh"]), ["ssh agent", "secret token"]);
}
