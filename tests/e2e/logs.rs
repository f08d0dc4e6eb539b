// SPDX-License-Identifier: Apache-2.0
//! All output of every command is kept, and found again.

use wythe_tests::Bench;

const BASE: &str = "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n";

fn definition(bench: &Bench, commands: &str) {
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"run\"\nname = \"talk\"\ncommands = [{commands}]\n"));
}

#[test]
fn the_output_of_a_build_is_kept_in_full() {
    let Some(bench) = Bench::with_busybox() else { return };
    definition(&bench, "\"cat /bin/busybox > /copy; cat /bin/busybox\", \"echo changed nothing\"");
    assert_eq!(bench.wythe(&["build", "-t", "app", "--progress", "quiet"]).code, Some(0));
    let busybox = std::fs::read(bench.dir().join("root/bin/busybox")).unwrap();
    let expected = [&busybox[..], b"changed nothing\n"].concat();
    for args in [&["logs"][..], &["logs", "talk"], &["history", "app", "--logs"], &["history", "app", "--logs", "talk"]]
    {
        let printed = bench.command(args).output().unwrap();
        assert!(printed.stdout == expected, "{args:?} printed {} bytes", printed.stdout.len());
    }
    assert_eq!(bench.wythe(&["history", "app", "--logs", "other"]).stdout(), "");
    // A hit has the log of the run that made it, for as long as the result is there.
    bench.wythe(&["build", "-t", "app"]).stdout();
    bench.wythe(&["store", "gc"]).stdout();
    assert!(bench.command(&["logs"]).output().unwrap().stdout == expected);
}

#[test]
fn a_failed_build_has_its_logs_too() {
    let Some(bench) = Bench::with_busybox() else { return };
    definition(&bench, "\"echo fine\", \"echo broken; exit 3\", \"echo never\"");
    let ended = bench.wythe(&["build"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("hint: all of its output: `wythe logs talk`"), "{}", ended.stderr);
    let logs = bench.wythe(&["logs", "talk"]);
    assert_eq!(logs.stdout, "fine\nbroken\n");
    assert_eq!(logs.stderr, "==> talk: echo fine\n==> talk: echo broken; exit 3\n");
}
