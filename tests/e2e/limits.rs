// SPDX-License-Identifier: Apache-2.0
//! Steps and programs that want more than they may have.

use wythe_tests::{Bench, can_become_ordinary, is_root};

use crate::sandbox::BASE;

fn step(bench: &Bench, command: &str, options: &str) {
    bench.definition(&format!(
        "{BASE}[[steps]]\nkind = \"run\"\nname = \"greedy\"\nnetwork = \"none\"\ncommands = ['''{command}''']\n{options}\n"
    ));
}

#[test]
fn a_step_that_writes_too_much_keeps_nothing() {
    let Some(bench) = Bench::with_busybox() else { return };
    // It ends when it is ended: what is written and gone again between two looks is not seen.
    let write = "busybox dd if=/dev/zero of=/big bs=1M count=64; busybox sleep 600; rm /big";
    step(&bench, write, "disk = \"8MiB\"");
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("it had written more than its `disk` of 8MiB"), "{}", ended.stderr);
    // What is written is counted in the end, whenever it was looked at before.
    step(&bench, "busybox dd if=/dev/zero of=/big bs=1M count=9", "disk = \"8MiB\"");
    assert_eq!(bench.wythe(&["build"]).code, Some(3));
    step(&bench, "busybox dd if=/dev/zero of=/big bs=1M count=7", "disk = \"8MiB\"");
    bench.wythe(&["build", "-t", "box"]).stdout();
    let args = ["run", "--disk", "1MiB", "--entrypoint", "/bin/busybox", "box", "--", "dd", "if=/big", "of=/other"];
    let ended = bench.wythe(&args);
    assert_eq!(ended.code, Some(137), "{}", ended.stderr);
    assert!(ended.stderr.contains("`disk` of 1MiB\nhint: allow more with `--disk`"), "{}", ended.stderr);
}

#[test]
fn limits_are_no_part_of_the_key() {
    let Some(bench) = Bench::with_busybox() else { return };
    step(&bench, "touch /made", "");
    let first = bench.wythe(&["build"]).stdout();
    let limits = "timeout = \"1h\"\ndisk = \"1GB\"\nmemory = \"1GiB\"\npids = 100\ncpu = 0.5";
    step(&bench, "touch /made", limits);
    let second = bench.wythe(&["build"]);
    assert!(second.stderr.contains("unchanged"), "{}", second.stderr);
    assert_eq!(second.stdout(), first);
}

#[test]
fn greedy_steps_end_alone() {
    let Some(bench) = Bench::with_busybox() else { return };
    // It may make control groups.
    if !is_root() {
        return;
    }
    for (command, options, words) in [
        ("busybox tail /dev/zero & wait", "memory = \"32MiB\"", "it wanted more than its `memory` of 32MiB"),
        (
            "bomb() { bomb | bomb & }; i=0; while [ $i -lt 99 ]; do sleep 99 & i=$((i+1)); done; bomb; sleep 99",
            "pids = 20",
            "it wanted more processes and threads at once than its `pids` of 20",
        ),
    ] {
        step(&bench, command, options);
        let ended = bench.wythe(&["build", "--progress", "quiet"]);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(ended.stderr.contains("the cache key stays the same"), "{}", ended.stderr);
    }
    step(&bench, "true", "");
    bench.wythe(&["build", "-t", "box"]).stdout();
    let args = ["run", "--memory", "32MiB", "--entrypoint", "/bin/busybox", "box", "--", "tail", "/dev/zero"];
    let ended = bench.wythe(&args);
    assert_eq!(ended.code, Some(137), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("`memory` of 32MiB\nhint: allow more with `--memory`\n"), "{}", ended.stderr);
    let ended = bench.wythe(&["run", "--timeout", "1s", "--entrypoint", "/bin/sleep", "box", "--", "1000"]);
    assert_eq!(ended.code, Some(124), "{}", ended.stderr);
    let ended = bench.wythe(&["run", "--memory", "some", "--entrypoint", "/bin/sh", "box"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: `--memory some`: `memory` cannot be `some`\nhint: "), "{}", ended.stderr);
}

#[test]
fn rootless_limits_that_cannot_be_kept_are_refused() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    step(&bench, "touch /made", "memory = \"64MiB\"\ndisk = \"1GB\"");
    let ended = bench.wythe_elsewhere(&["build"]);
    // A session that has its own control group keeps them.
    if ended.code == Some(0) {
        return;
    }
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    for word in ["the limit of `memory` cannot be kept here", "the control group `/sys", "Delegate=yes", "--no-limits"]
    {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
    assert_eq!(bench.wythe_elsewhere(&["build", "--no-limits"]).code, Some(0));
}
