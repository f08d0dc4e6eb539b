// SPDX-License-Identifier: Apache-2.0
//! What people are told when something fails: each message as a whole, with its exit code, in `messages/*.txt`.
//! `BLESS=1` rewrites them. What differs between two runs (directories, processes) is replaced by capitals.

use std::fmt::Write as _;

use wythe_tests::{Bench, Ended, top};

const SCRATCH: &str = "base = \"scratch\"\n";
const FILES: &str = "[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\n";

/// Compares a message with the one that is written down.
#[allow(clippy::disallowed_methods, reason = "BLESS is how golden files are rewritten")]
fn compare(bench: &Bench, name: &str, ended: &Ended, wrong: &mut String) {
    let stderr = ended.stderr.replace(&bench.dir().display().to_string(), "DIR");
    let stderr: Vec<String> = stderr.lines().map(without_process).collect();
    let text = format!("exit {}\n{}\n", ended.code.unwrap_or(-1), stderr.join("\n"));
    let path = top().join("tests/e2e/messages").join(name).with_extension("txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    if text != known {
        let _infallible = writeln!(wrong, "## {name}\nexpected:\n{known}printed:\n{text}");
    }
}

/// The directory of a build's logs is named by a time and a process, and a file in the making at random.
fn without_process(line: &str) -> String {
    let line = line.split(" at path \"").next().unwrap_or_default();
    let Some((before, rest)) = line.split_once("/logs/") else { return line.to_owned() };
    let rest = rest.split_once('/').map_or("", |(_, rest)| rest);
    format!("{before}/logs/BUILD/{rest}")
}

/// Runs a command in a directory with this definition.
struct Case {
    name: &'static str,
    definition: String,
    args: Vec<&'static str>,
}

fn case(name: &'static str, definition: impl Into<String>) -> Case {
    Case { name, definition: definition.into(), args: vec!["build", "--progress", "quiet"] }
}

fn with_args(name: &'static str, args: &[&'static str]) -> Case {
    Case { name, definition: format!("{SCRATCH}{FILES}"), args: args.to_vec() }
}

fn step(text: &str) -> String {
    format!("{SCRATCH}[[steps]]\n{text}\n")
}

fn cases() -> Vec<Case> {
    vec![
        case("malformed-toml", "base = {"),
        case("no-base", FILES),
        case("unknown-kind", step("kind = \"fles\"")),
        case("unknown-option", step("kind = \"apt\"\npackage = [\"git\"]")),
        case("wrong-type", step("kind = \"run\"\ncommands = \"true\"")),
        case("missing-option", step("kind = \"files\"\nfrom = \"src\"")),
        case("two-steps-of-one-name", format!("{SCRATCH}{FILES}name = \"a\"\n{FILES}name = \"a\"\n")),
        case("gpu-that-is-none", step("kind = \"run\"\ncommands = [\"true\"]\ngpu = \"H100:0\"")),
        case("timeout-that-is-none", step("kind = \"run\"\ncommands = [\"true\"]\ntimeout = \"soon\"")),
        case("declined-package", step("kind = \"pip\"\npackages = [\"-r\"]")),
        case("missing-file", step("kind = \"files\"\nfrom = \"srcs\"\nto = \"/src\"")),
        case("outside-the-context", step("kind = \"files\"\nfrom = \"../etc\"\nto = \"/src\"")),
        case("image-that-is-not-there", "base = { kind = \"image\", reference = \"nothing:1\" }\n"),
        case("no-program", step("kind = \"run\"\ncommands = [\"true\"]")),
        case("not-locked", format!("base = {{ kind = \"debian-slim\", release = \"bookworm\" }}\n{FILES}")),
        with_args("usage", &["build", "--fast"]),
        with_args("no-definition", &["build", "nowhere"]),
        with_args("directory-without-definition", &["build", "src"]),
        with_args("bad-tag", &["build", "-t", "Not A Name"]),
        with_args("bad-argument", &["build", "--arg", "=A"]),
        with_args("no-such-step", &["build", "--rebuild", "file"]),
        with_args("no-such-image", &["build", "--image", "web"]),
        with_args("nothing-built-yet", &["explain"]),
        with_args("no-such-stored-image", &["history", "app"]),
        with_args("run-what-is-not-there", &["run", "app"]),
        with_args("no-such-kind", &["plugin", "show", "fiels"]),
        with_args("store-that-is-a-file", &["--store", "src/a.txt/store", "build"]),
        with_args("store-that-is-something-else", &["--store", "src", "build"]),
        with_args("save-into-nowhere", &["save", "app", "-o", "nowhere/x.tar"]),
    ]
}

#[test]
fn each_message_is_as_it_is_written_down() {
    let mut wrong = String::new();
    for Case { name, definition, mut args } in cases() {
        let bench = Bench::new();
        bench.definition(&definition).file("src/a.txt", "a\n");
        if name == "not-locked" {
            args.push("--locked");
        }
        if name == "save-into-nowhere" {
            bench.wythe(&["build", "-t", "app"]).stdout();
        }
        compare(&bench, name, &bench.wythe(&args), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_broken_around_a_build() {
    let mut wrong = String::new();
    let bench = Bench::new();
    bench.definition(&format!("{SCRATCH}{FILES}")).file("src/a.txt", "a\n").file("wythe.lock", "<<<<<<< ours\n{}\n");
    compare(&bench, "lock-that-is-none", &bench.wythe(&["build"]), &mut wrong);
    std::fs::remove_file(bench.dir().join("wythe.lock")).unwrap();
    let ended: Ended = bench.command(&["build"]).env("SOURCE_DATE_EPOCH", "today").output().unwrap().into();
    compare(&bench, "time-that-is-none", &ended, &mut wrong);
    bench.wythe(&["build", "--progress", "quiet", "-t", "app"]).stdout();
    compare(&bench, "image-without-command", &bench.wythe(&["run", "app"]), &mut wrong);
    compare(&bench, "run-no-such-program", &bench.wythe(&["run", "app", "--", "/bin/nothing"]), &mut wrong);
    compare(&bench, "no-such-step-explained", &bench.wythe(&["explain", "filess"]), &mut wrong);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn commands_that_fail() {
    let Some(bench) = Bench::with_busybox() else { return };
    let mut wrong = String::new();
    let run = |commands: &str, options: &str| {
        let root = "[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n";
        bench.definition(&format!(
            "{SCRATCH}{root}[[steps]]\nkind = \"run\"\nname = \"test\"\ncommands = [{commands}]\n{options}"
        ));
        bench.wythe(&["build", "--progress", "quiet"])
    };
    for (name, commands, options) in [
        ("command-failed", "\"echo first; echo the reason >&2; exit 7\"", ""),
        ("command-too-slow", "\"echo working; sleep 1000\"", "timeout = \"1s\""),
        (
            "command-too-much-written",
            "\"echo working; busybox dd if=/dev/zero of=/big bs=1M count=9 2>/dev/null\"",
            "disk = \"8MiB\"",
        ),
        ("command-with-credentials", "\"echo https://me:secret@host/; false\"", ""),
        ("command-that-is-none", "\"/no/such/program\"", ""),
        ("unknown-user", "\"true\"", "user = \"nobody-here\""),
    ] {
        let ended = run(commands, options);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
        compare(&bench, name, &ended, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_look_that_wants_a_network_and_has_none() {
    let Some(bench) = Bench::with_busybox() else { return };
    let mut wrong = String::new();
    bench.file("root/bin/python3", "#!/bin/sh\necho 3.12\n");
    let python = bench.dir().join("root/bin/python3");
    std::fs::set_permissions(python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bench.definition(&format!(
        "{SCRATCH}[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n\
         [[steps]]\nkind = \"pip\"\npackages = [\"humanize\"]\n"
    ));
    let ended = bench.wythe(&["build", "--progress", "quiet", "--offline"]);
    compare(&bench, "look-without-network", &ended, &mut wrong);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn lines_of_a_dockerfile_that_fail() {
    let Some(bench) = Bench::with_busybox() else { return };
    let mut wrong = String::new();
    let base = "# syntax=docker/dockerfile:1\nFROM scratch AS base\nCOPY root /\n\nFROM base\n";
    bench.file("over/sub/a", "a file\n");
    for (name, lines) in [
        ("dockerfile-run", "ENV A=b\nRUN echo first \\\n  && echo the reason >&2 \\\n  && exit 7\n"),
        ("dockerfile-heredoc", "RUN <<END\nset -e\nfalse\nEND\n"),
        ("dockerfile-no-program", "  RUN [\"/no/such/program\"]\n"),
        ("dockerfile-no-secret", "RUN --mount=type=secret,id=token,required true\n"),
        ("dockerfile-no-agent", "RUN --mount=type=ssh,required true\n"),
        ("dockerfile-no-such-mount", "RUN --mount=type=bind,source=nothing,target=/x true\n"),
        ("dockerfile-no-such-file", "COPY nothing /x\n"),
        ("dockerfile-no-such-file-of-a-stage", "COPY --from=base /nothing /x\n"),
        ("dockerfile-file-over-a-directory", "COPY root /x/sub/a\nCOPY over /x\n"),
        ("dockerfile-unknown-owner", "COPY --chown=nobody-here root /x\n"),
        ("dockerfile-unknown-user", "USER nobody-here\nRUN true\n"),
    ] {
        bench.file("Dockerfile", &format!("{base}{lines}"));
        compare(&bench, name, &bench.wythe(&["build", "--progress", "quiet"]), &mut wrong);
    }
    // Where the file is not one of the context, and where there is no file.
    bench.file("elsewhere/Dockerfile.dev", &format!("{base}RUN exit 7\n"));
    std::fs::create_dir_all(bench.dir().join("context")).unwrap();
    std::fs::rename(bench.dir().join("root"), bench.dir().join("context/root")).unwrap();
    let outside = ["build", "--progress", "quiet", "-f", "elsewhere/Dockerfile.dev", "context"];
    compare(&bench, "dockerfile-outside-the-context", &bench.wythe(&outside), &mut wrong);
    let definition = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"context/root\"\nto = \"/\"\n\
                      [[steps]]\nkind = \"dockerfile\"\ncommands = [\"ENV A=b\", \"RUN exit 7\"]\n";
    compare(
        &bench,
        "dockerfile-in-a-definition",
        &bench.definition(definition).wythe(&["build", "--progress", "quiet"]),
        &mut wrong,
    );
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_mirror_that_answers_badly() {
    let mut wrong = String::new();
    // Nobody listens on port 1 of this machine.
    let bench = Bench::new();
    bench.definition(
        "base = { kind = \"debian-slim\", release = \"bookworm\", mirror = \"http://me:secret@127.0.0.1:1/debian\" }\n",
    );
    let mut ended = bench.wythe(&["build", "--progress", "quiet"]);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    // How long it was tried depends on the waits, which differ.
    let (before, rest) = ended.stderr.split_once("attempts in ").expect("the message says how often it was tried");
    ended.stderr = format!("{before}attempts in N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    compare(&bench, "mirror-out-of-reach", &ended, &mut wrong);
    assert!(wrong.is_empty(), "{wrong}");
}
