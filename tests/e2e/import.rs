// SPDX-License-Identifier: Apache-2.0
//! `wythe import`: the definition builds the image that the file builds. Judges are `umoci`, which unpacks both, and `wythe diff`.

use std::path::Path;

use serde_json::Value;
use wythe_tests::{Bench, is_installed, is_root};

use crate::dockerfile::{busybox, inspect};
use crate::dockerfile_cases::{Case, cases, look_at, tree, unpacked};
use crate::dockerfile_judged::config_of;

/// Options that importing has, too.
const SHARED: [&str; 3] = ["--target", "--build-arg", "--arg"];

#[test]
fn every_file_and_its_definition_build_the_same_image() {
    if !is_installed("umoci") || !is_root() {
        eprintln!("skipped: umoci unpacks images as root only");
        return;
    }
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    // Triggers are an image's own: a file can only stand on one.
    bench.file("triggers/Dockerfile", "FROM busybox:test\nONBUILD ENV OF=trigger\nONBUILD COPY a.txt /triggered/\n");
    bench.wythe(&["build", "-t", "triggers:1", "triggers"]).stdout();
    let files = ["copy.txt", "add.txt", "config.txt", "expand.txt", "run.txt", "stages.txt", "ignored.txt", "own.txt"];
    let own = OWN.iter().enumerate().map(|(number, text)| {
        let text = (*text).to_owned();
        (false, Case { name: format!("own {number}"), options: Vec::new(), text })
    });
    let all =
        files.iter().flat_map(|file| cases(file).into_iter().map(|case| (*file == "ignored.txt", case))).chain(own);
    let is_shared = |case: &Case| {
        let flags = case.options.iter().filter(|option| option.starts_with("--"));
        flags.map(|flag| flag.split('=').next().unwrap_or_default()).all(|flag| SHARED.contains(&flag))
    };
    let is_here = |case: &Case| is_shared(case) && !OF_ANOTHER_CONTEXT.contains(&case.name.as_str());
    let all: Vec<(bool, Case)> = all.filter(|(_, case)| is_here(case)).collect();
    assert!(all.len() > 100, "{}", all.len());
    let differing = look_at(&bench, all.into_iter(), |number, dir, case| {
        let difference = difference(&bench, number, dir, case);
        for name in ["wythe.toml", "wythe.lock"] {
            let _absent = std::fs::remove_file(dir.join(name));
        }
        difference
    });
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}

/// Cases that copy files which their test adds to the context.
const OF_ANOTHER_CONTEXT: [&str; 2] = ["a bracket that is meant", "a pattern that is a name"];

/// What the shared cases do not have.
const OWN: [&str; 7] = [
    // A user before and after a directory.
    "FROM busybox:test\nWORKDIR /a/b\nUSER app\nWORKDIR c\nRUN touch x || true\nUSER root\nWORKDIR /d\nCOPY a.txt .\nWORKDIR e\n",
    // A directory's attributes stay those of the instruction that made it.
    "FROM busybox:test\nRUN chmod 700 /tmp && mkdir -m 750 /there\nWORKDIR /there\nCOPY --chown=app a.txt ./\nWORKDIR /x\nCOPY dir .\n",
    "FROM triggers:1\nENV B=$OF PATH=/mine:$PATH\nARG A=1\nRUN echo $A $B > /out\n",
    "ARG TAG=test\nFROM busybox:$TAG AS one\nARG N=5\nENV E=$N\nRUN echo $N$E > /n\nFROM one\nARG N\nRUN echo \"[$N]\" > /m\nCMD [\"x\"]\nENTRYPOINT [\"y\"]\n",
    "FROM busybox:test AS build\nWORKDIR /src\nCOPY . .\nRUN cat a.txt b.txt > all\nFROM busybox:test\nWORKDIR /app\nCOPY --from=build /src/all .\nENV X=1\nUSER app\nHEALTHCHECK CMD true\n",
    "# escape=`\nFROM busybox:test\nRUN echo a `\n   b > /ab\nVOLUME [\"/v\"]\n",
    "FROM scratch\nCOPY a.txt /\nLABEL a=b\nEXPOSE 80\n",
];

/// Builds a file and what it is imported as, and says where the images differ.
fn difference(bench: &Bench, number: usize, dir: &Path, case: &Case) -> Option<String> {
    let options: Vec<&str> = case.options.iter().map(String::as_str).collect();
    let dir = dir.display().to_string();
    let (file, definition) = (format!("file-{number}:1"), format!("definition-{number}:1"));
    let built = bench.wythe(&[&["build", "-t", &file], &options[..], &[&dir]].concat());
    if built.code != Some(0) {
        return Some(format!("{}: the file cannot be built\n{}", case.name, built.stderr));
    }
    let imported = bench.wythe(&[&["import"], &options[..], &[&dir]].concat());
    let text = std::fs::read_to_string(format!("{dir}/wythe.toml")).unwrap_or_default();
    let failed = |what: &str, said: &str| Some(format!("{}: {what}\n{said}\n{}\n{text}", case.name, case.text));
    if imported.code != Some(0) {
        return failed("the file cannot be imported", &imported.stderr);
    }
    let built = bench.wythe(&["build", "-t", &definition, &dir]);
    if built.code != Some(0) {
        return failed("the definition cannot be built", &built.stderr);
    }
    let checked = bench.wythe(&["check", "--json", &dir]);
    if checked.stdout.contains("\"error\"") {
        return failed("the definition is found fault with", &checked.stdout);
    }
    let config = |name: &str| config_of(&inspect(bench, name)["config"]["config"]);
    if config(&file) != config(&definition) {
        return failed("configuration", &format!("  file {}\n  definition {}", config(&file), config(&definition)));
    }
    let files = |name: &str| tree(&unpacked(bench, name, &name.replace(':', "-")), "sha256sum");
    let (of_file, of_definition) = (files(&file), files(&definition));
    let only = |ours: &[String], theirs: &[String]| -> String {
        ours.iter().filter(|line| !theirs.contains(line)).map(|line| format!("    {line}\n")).collect()
    };
    if of_file != of_definition {
        let (file, definition) = (only(&of_file, &of_definition), only(&of_definition, &of_file));
        return failed("files", &format!("  file\n{file}  definition\n{definition}"));
    }
    let compared = bench.wythe(&["diff", &file, &definition]).stdout();
    if is_same(&compared) { None } else { failed("wythe diff", &compared) }
}

/// Whether `wythe diff` finds nothing but other layers and another history; it prints nothing of one image.
fn is_same(compared: &str) -> bool {
    compared.is_empty() || compared.contains("the two behave the same: only their layers or their history differ")
}

/// The file of an application, and its definition.
const FILE: &str = "\
# syntax=docker/dockerfile:1
# The application.
FROM busybox:test
ARG VERSION=3
# Where it lives.
WORKDIR /app
COPY main.sh ./
COPY . /all
RUN sh main.sh \\
    # twice
    && sh main.sh
HEALTHCHECK CMD true
CMD [\"sh\", \"main.sh\"]
# The end.
";

#[test]
fn a_file_becomes_a_definition_that_a_person_can_go_on_with() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("app/Dockerfile", FILE).file("app/main.sh", "echo $VERSION\n").file("app/.dockerignore", "*.log\n");
    let dir = bench.dir().join("app").display().to_string();
    let imported = bench.wythe(&["import", &dir, "--build-arg", "VERSION=4"]);
    assert_eq!((imported.code, imported.stdout.as_str()), (Some(0), ""), "{}", imported.stderr);
    let expected = r#"# Made of Dockerfile by `wythe import`.

builder = "2026.11"

# The application.
base = { kind = "image", reference = "busybox:test" }

# Where it lives.
[[steps]]
kind = "workdir"
path = "/app"

[[steps]]
kind = "files"
from = "main.sh"
to = "/app/"

[[steps]]
kind = "files"
exclude = ["*.log", "wythe.toml", "wythe.lock"]
from = "."
to = "/all"

# twice
[[steps]]
kind = "run"
commands = ["sh main.sh && sh main.sh"]
env = { VERSION = "4" }

# (line 12: stays an instruction: no other kind sets a health check)
[[steps]]
kind = "dockerfile"
commands = ["HEALTHCHECK CMD true"]

[[steps]]
kind = "cmd"
argv = ["sh", "main.sh"]

# The end.
"#;
    assert_eq!(std::fs::read_to_string(bench.dir().join("app/wythe.toml")).unwrap(), expected);
    let told = format!(
        " LINE  OUTCOME     KIND        INSTRUCTION
    3  translated  image       FROM busybox:test
    6  translated  workdir     WORKDIR /app
    7  translated  files       COPY main.sh ./
    8  translated  files       COPY . /all
    9  translated  run         RUN sh main.sh
   12  kept        dockerfile  HEALTHCHECK CMD true
   13  translated  cmd         CMD [\"sh\", \"main.sh\"]
note: {dir}/Dockerfile:12: stays an instruction: no other kind sets a health check
{dir}/wythe.toml: a base and 6 steps: 6 translated, 0 recognised as installations, 1 kept as written
"
    );
    assert_eq!(imported.stderr, told);
    assert_eq!(bench.wythe(&["check", &dir]).code, Some(0));
}

#[test]
fn a_definition_is_written_where_one_is_wanted() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("Dockerfile", "FROM busybox:test\nRUN true\n").file("wythe.toml", "mine").file("other/x", "");
    let here = |args: &[&str]| bench.command(args).current_dir(bench.dir()).output().unwrap().into();
    let wythe = |args: &[&str]| -> wythe_tests::Ended { here(args) };
    let refused = wythe(&["import"]);
    let said = "error: `./wythe.toml` is there already\n  it was not changed\n\
        hint: replace it: `--force`; or look at the translation first: `-o -`\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (Some(1), said));
    assert_eq!(std::fs::read_to_string(bench.dir().join("wythe.toml")).unwrap(), "mine");
    let text = "# Made of Dockerfile by `wythe import`.\n\nbuilder = \"2026.11\"\nbase = { kind = \"image\", \
        reference = \"busybox:test\" }\n\n[[steps]]\nkind = \"run\"\ncommands = [\"true\"]\n";
    assert_eq!(wythe(&["import", "-o", "-"]).stdout(), text);
    assert_eq!(wythe(&["import", "-o", "web.toml"]).stdout(), "");
    assert_eq!(std::fs::read_to_string(bench.dir().join("web.toml")).unwrap(), text);
    let elsewhere = wythe(&["import", "-o", "other/wythe.toml"]);
    assert_eq!(elsewhere.code, Some(1));
    assert!(elsewhere.stderr.starts_with("error: `other/wythe.toml` is not in `.`,"), "{}", elsewhere.stderr);
    let json: Value = serde_json::from_str(&wythe(&["import", "--force", "--json"]).stdout()).unwrap();
    assert_eq!(json["definition"], text);
    assert_eq!(json["steps"][0]["outcome"], "translated");
    assert_eq!(std::fs::read_to_string(bench.dir().join("wythe.toml")).unwrap(), text);
    // What cannot be looked at is not taken for something that is not there.
    let long = "x".repeat(300);
    for (output, place, why) in
        [("Dockerfile/a/wythe.toml", "Dockerfile/a", "Not a directory"), (&long, &long, "File name too long")]
    {
        let refused = wythe(&["import", "-o", output]);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        assert!(refused.stderr.starts_with(&format!("error: cannot look at `{place}`\n  {why}")), "{}", refused.stderr);
    }
    let nothing = wythe(&["import", "other"]);
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.stderr.starts_with("error: there is nothing to import in `other`\n"), "{}", nothing.stderr);
}

#[test]
fn a_file_that_cannot_be_built_is_refused_as_by_a_build() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    for text in [
        "FROM busybox:test\nCOPY --form=x a b\n",
        "FROM busybox:test\nRUN <<EOF\n",
        "FROM busybox:test\nRUN --mount=type=cash,target=/x true\n",
        "FROM busybox:test\nENV A=${B:?is needed}\n",
        "RUNN x\n",
    ] {
        bench.file("bad/Dockerfile", text);
        let dir = bench.dir().join("bad").display().to_string();
        let (built, imported) = (bench.wythe(&["build", "--progress", "quiet", &dir]), bench.wythe(&["import", &dir]));
        assert_eq!(imported.code, Some(1), "{text}");
        assert_eq!(imported.stderr, built.stderr, "{text}");
        assert!(!bench.dir().join("bad/wythe.toml").exists(), "{text}");
    }
}

#[test]
fn on_an_image_that_is_not_there_all_that_depends_on_it_stays() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    let text = "FROM later:1\nENV A=1\nENV PATH=/x:$PATH\nWORKDIR rel\nCOPY a.txt there/\nRUN echo $A > out\nCMD true\n\
        USER root\nWORKDIR /made\nCOPY --chown=${WHO:?} a.txt /made/\nRUN true\nWORKDIR /left\nWORKDIR ${WHERE:?}/there\n\
        RUN true\n";
    bench.file("app/Dockerfile", text).file("app/a.txt", "a");
    let dir = bench.dir().join("app").display().to_string();
    let imported = bench.wythe(&["import", &dir]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert!(imported.stderr.contains("Dockerfile:1: `later:1` is not in the store"), "{}", imported.stderr);
    // It is another one than anybody would guess.
    bench.file(
        "later/Dockerfile",
        "FROM busybox:test\nENV WHO=app WHERE=/tmp\nUSER app\nWORKDIR /tmp/w\nONBUILD ENV T=1\nSHELL [\"/bin/sh\", \"-ec\"]\n",
    );
    bench.wythe(&["build", "-t", "later:1", &bench.dir().join("later").display().to_string()]).stdout();
    bench.wythe(&["build", "-t", "definition:1", &dir]).stdout();
    std::fs::remove_file(bench.dir().join("app/wythe.toml")).unwrap();
    bench.wythe(&["build", "-t", "file:1", &dir]).stdout();
    let compared = bench.wythe(&["diff", "file:1", "definition:1"]).stdout();
    assert!(is_same(&compared), "{compared}");
}
