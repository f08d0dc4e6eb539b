// SPDX-License-Identifier: Apache-2.0
//! A shell in the place of a step's command, and programs that are given secrets.

use std::io::Write as _;
use std::process::Stdio;

use wythe_tests::{Bench, Ended, is_installed};

use crate::sandbox::BASE;

/// Runs the command line with something to read.
fn with_input(bench: &Bench, args: &[&str], input: &str) -> Ended {
    let mut command = bench.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Two steps: one that works, and one that fails with everything that a step can have.
fn failing(bench: &Bench) {
    bench.file("token.txt", "hunter2-the-second\n").file("host/kept", "kept\n").definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\nname = \"first\"\ncommands = [\"echo one > /one\"]\nnetwork = \"none\"\n\
         [[steps]]\nkind = \"run\"\nname = \"second\"\n\
         commands = [\"echo two > /tmp/two\", '''echo half > /tmp/half\necho $WORD; test -e /nowhere''']\n\
         network = \"none\"\nuser = \"7:8\"\nenv = {{ WORD = \"spoken\" }}\nsecrets = [\"token\"]\n\
         volumes = {{ \"/data\" = \"shared\" }}\n"
    ));
}

/// What a look around finds.
const LOOK: &str = "cat /one /tmp/two; cat /tmp/half 2>/dev/null; echo $WORD; id -u; id -g; cat /run/secrets/token; ls /data /sys/class/net; \
                    pwd; cat $HISTFILE; touch /tmp/new /data/new; exit 4\n";

#[test]
fn a_shell_is_in_the_place_of_the_command_that_failed() {
    let Some(bench) = Bench::with_busybox() else { return };
    failing(&bench);
    bench.file("root/tmp/x", "");
    std::fs::set_permissions(bench.dir().join("root/tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .unwrap();
    std::fs::set_permissions(bench.dir().join("host"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(bench.dir().join("root"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let grants = ["--secret", "id=token,src=token.txt", "--volume", "shared=host"];
    let failed = bench.wythe(&[&["build"][..], &grants].concat());
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("hint: open a shell in its place: `wythe shell --step second`"),
        "{}",
        failed.stderr
    );
    for step in ["second", "3"] {
        let args = [&["shell", "--step", step][..], &grants].concat();
        let seen = with_input(&bench, &args, LOOK);
        assert_eq!(seen.code, Some(4), "{}{}", seen.stdout, seen.stderr);
        let history = "#1\necho half > /tmp/half\necho $WORD; test -e /nowhere\n";
        let expected =
            format!("one\ntwo\nspoken\n7\n8\nhunter2-the-second\n/data:\nkept\n\n/sys/class/net:\nlo\n/\n{history}");
        assert_eq!(seen.stdout.replace("kept\nnew\n", "kept\n"), expected, "{}", seen.stderr);
        assert!(seen.stderr.contains("it is in the shell's history:\n  echo half > /tmp/half\n"), "{}", seen.stderr);
    }
    // What is mounted stays, what is not is thrown away.
    assert!(bench.dir().join("host/new").exists());
    let again = with_input(&bench, &[&["shell", "--step", "second"][..], &grants].concat(), "ls /tmp\n");
    assert_eq!(again.stdout, "two\nx\n", "{}", again.stderr);
}

#[test]
fn what_is_no_place_is_said_to_be_none() {
    let Some(bench) = Bench::with_busybox() else { return };
    failing(&bench);
    let text = |args: &[&str], code: i32, words: &str| {
        let ended = with_input(&bench, args, "");
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}:\n{}", ended.stderr);
    };
    text(&["shell", "--step", "secnd"], 2, "`--step secnd`: there is no such step\nhint: did you mean `second`?");
    text(&["shell", "--step", "9"], 2, "there is no such step");
    text(&["shell", "--step", "files"], 1, "step `files`: it runs no command");
    text(&["shell", "--step", "second"], 1, "it needs the secret `token`");
    text(&["shell", "--step", "second", "--user", "root"], 2, "cannot be used with");
    text(&["build", "--on-failure=shell"], 2, "`--on-failure=shell` needs a terminal, and there is none");
    text(&["build"], 1, "step `second`: it needs the secret `token`: it is not given");
}

#[test]
fn a_secret_that_is_missing_is_missed_before_anything_runs() {
    let Some(bench) = Bench::with_busybox() else { return };
    failing(&bench);
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(!ended.stderr.contains("echo one"), "{}", ended.stderr);
    assert!(ended.stderr.contains("it was not run"), "{}", ended.stderr);
}

#[test]
fn on_failure_a_shell_opens_at_the_terminal() {
    let Some(bench) = Bench::with_busybox() else { return };
    if !is_installed("script") {
        return;
    }
    bench.definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\nname = \"bad\"\ncommands = [\"echo half > /half; false\"]\nnetwork = \"none\"\n"
    ));
    let line = format!("{} build --progress plain --on-failure=shell", wythe_tests::binary().display());
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(bench.dir()).env("WYTHE_HOME", bench.store());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"echo left: $(cat /half)\nexit 9\n").unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    // The build has failed, whatever the shell says.
    assert_eq!(ended.code, Some(3), "{}", ended.stdout);
    for words in
        ["`echo half > /half; false` exited with code 1", "the files are as the command left them", "left: half"]
    {
        assert!(ended.stdout.contains(words), "{words}:\n{}", ended.stdout);
    }
}

#[test]
fn programs_are_given_secrets() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("token.txt", "hunter2\n").definition(BASE);
    bench.wythe(&["build", "-t", "box"]).stdout();
    let script = "cat /run/secrets/token; echo $TOKEN; stat -c %a /run/secrets/token";
    let run =
        ["run", "--secret", "id=token,src=token.txt", "--secret-env", "TOKEN=token", "--entrypoint", "/bin/sh", "box"];
    let seen = bench.wythe(&[&run[..], &["--", "-c", script]].concat());
    assert_eq!(seen.stdout, "hunter2\nhunter2\n400\n", "{}", seen.stderr);
    let seen = bench.wythe(&["run", "--secret-env", "TOKEN=token", "--entrypoint", "/bin/sh", "box"]);
    assert_eq!(seen.code, Some(1), "{}", seen.stderr);
    assert!(seen.stderr.contains("it needs the secret `token`: it is not given"), "{}", seen.stderr);
}
