// SPDX-License-Identifier: Apache-2.0
//! What a step sees. The image is the host's busybox in a directory of its own.

use wythe_tests::{Bench, is_installed};

pub(crate) const BASE: &str = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n";

fn with_run(bench: &Bench, commands: &[&str], options: &str) {
    let quoted: Vec<String> = commands.iter().map(|command| format!("'''{command}'''")).collect();
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"run\"\ncommands = [{}]\n{options}", quoted.join(", ")));
}

#[test]
fn a_step_sees_neither_host_files_nor_host_processes_nor_the_store() {
    let Some(bench) = Bench::with_busybox() else { return };
    let canary = bench.dir().join("canary").display().to_string();
    bench.file("canary", "secret");
    let store = bench.store().display().to_string();
    with_run(
        &bench,
        &[&format!("test ! -e {canary} && test ! -e {store} && test ! -e /etc/passwd && echo /proc/[0-9]*")],
        "",
    );
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The shell itself: nothing else has a number.
    assert!(ended.stderr.contains("[run] | /proc/1\n"), "{}", ended.stderr);
}

#[test]
fn nothing_the_host_lends_is_in_the_layer() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_run(&bench, &["cat /etc/resolv.conf /etc/hosts > /dev/null && touch /made"], "network = \"host\"");
    let layout = bench.dir().join("layout").display().to_string();
    assert_eq!(bench.wythe(&["build", "-t", "x"]).code, Some(0));
    bench.wythe(&["save", "x", "--format", "oci-dir", "-o", &layout]).stdout();
    let manifest = bench.wythe(&["inspect", "x"]).stdout();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let layer = manifest["manifest"]["layers"][1]["digest"].as_str().unwrap().replace(':', "/");
    let names = wythe_tests::run("tar", &["-tf", &format!("{layout}/blobs/{layer}")]).stdout();
    // The directory that was changed and what is in it: no mount point, no lent file.
    assert_eq!(names, "./\nmade\n");
    assert!(manifest["config"]["config"].get("Env").is_none(), "{manifest}");
}

#[test]
fn a_failing_command_is_shown_with_its_end() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_run(&bench, &["echo first; echo the reason >&2; exit 7"], "");
    let ended = bench.wythe(&["build"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    for word in ["step `run`", "exited with code 7", "wythe.toml:7:1", "| first", "| the reason", "all of its output: "]
    {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
    let log =
        ended.stderr.lines().find_map(|line| line.split("all of its output: `wythe logs run`, or ").nth(1)).unwrap();
    assert_eq!(std::fs::read_to_string(log.trim()).unwrap(), "first\nthe reason\n");
}

#[test]
fn a_step_that_takes_too_long_is_ended() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_run(&bench, &["sleep 1000"], "timeout = \"1s\"");
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("ran longer than its `timeout`"), "{}", ended.stderr);
}

#[test]
fn network_none_has_no_network() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_run(&bench, &["ls /sys/class/net"], "network = \"none\"");
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stderr.lines().filter_map(|line| line.strip_prefix("[run] | ")).collect();
    assert_eq!(lines, ["lo"]);
}

#[test]
fn the_environment_is_the_steps_and_nothing_of_the_callers() {
    let Some(bench) = Bench::with_busybox() else { return };
    with_run(&bench, &["env"], "network = \"none\"\nenv = { GREETING = \"hello\" }");
    let ended: wythe_tests::Ended = bench.command(&["build"]).env("CALLERS_SECRET", "hunter2").output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut lines: Vec<&str> = ended.stderr.lines().filter_map(|line| line.strip_prefix("[run] | ")).collect();
    lines.retain(|line| !line.starts_with("SHLVL=") && !line.starts_with("PWD="));
    lines.sort_unstable();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, ["GREETING=hello", "HOME=/root", path, "SOURCE_DATE_EPOCH=1793491200"]);
}

#[test]
fn a_program_in_an_image_gets_its_arguments_and_gives_its_status() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"entrypoint\"\nargv = [\"/bin/echo\", \"hello\"]\n"));
    bench.wythe(&["build", "-t", "box"]).stdout();
    assert_eq!(bench.wythe(&["run", "box", "--", "world"]).stdout(), "hello world\n");
    let failed = bench.wythe(&["run", "--entrypoint", "/bin/sh", "box", "--", "-c", "exit 42"]);
    assert_eq!(failed.code, Some(42), "{}", failed.stderr);
    let wrote = bench.wythe(&["run", "--entrypoint", "/bin/touch", "box", "--", "/new"]);
    assert_eq!(wrote.code, Some(0), "{}", wrote.stderr);
    let gone = bench.wythe(&["run", "--entrypoint", "/bin/test", "box", "--", "-e", "/new"]);
    assert_eq!(gone.code, Some(1), "what a program wrote was kept");
}

/// What goes wrong in the process that keeps a sandbox is told, also before it has heard what it is to do. The fourth `dup2` of
/// its life is the first of its own. Needs strace, and skips without.
#[test]
fn a_keeper_that_fails_at_once_says_why() {
    let Some(bench) = Bench::with_busybox() else { return };
    if !is_installed("strace") {
        return;
    }
    with_run(&bench, &["true"], "");
    let fault = ["-e", "trace=dup2", "-e", "inject=dup2:error=ENOMEM:when=4"];
    let ended = bench.traced(&fault, &["build", "--progress=plain"]);
    let stderr = ended.stderr;
    assert_eq!(ended.code, Some(5), "{stderr}");
    assert!(
        stderr.contains("make room for the command's input") && stderr.contains("Cannot allocate memory"),
        "{stderr}"
    );
}
