// SPDX-License-Identifier: Apache-2.0
//! What outlives a build and is in no layer.

use wythe_tests::{Bench, can_become_ordinary};

use crate::sandbox::BASE;

fn counting(name: &str) -> String {
    format!(
        "{BASE}[[steps]]\nkind = \"run\"\nname = \"{name}\"\ncommands = ['''echo {name} >> /data/log; echo $(cat /data/log); touch /made''']\nvolumes = {{ \"/data\" = \"shared\" }}\n"
    )
}

#[test]
fn a_volume_is_shared_by_definitions_and_in_no_layer() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&counting("one")).file("two.toml", &format!("builder = \"2026.11\"\n{}", counting("two")));
    let first = bench.wythe(&["build", "-t", "box"]);
    assert!(first.stderr.contains("[one] | one"), "{}", first.stderr);
    let second = bench.wythe(&["build", "two.toml"]);
    assert!(second.stderr.contains("[two] | one two"), "{}", second.stderr);
    assert_eq!(bench.wythe(&["run", "--entrypoint", "/bin/ls", "box", "--", "-A", "/data"]).stdout, "");

    let listed = bench.wythe(&["volume", "ls"]).stdout();
    assert!(listed.starts_with("VOLUME") && listed.contains("shared"), "{listed}");
    let seen = bench.wythe(&[
        "run",
        "--volume",
        "shared:/mnt:ro",
        "--entrypoint",
        "/bin/sh",
        "box",
        "--",
        "-c",
        "cat /mnt/log; echo x > /mnt/x || echo read-only",
    ]);
    assert_eq!(seen.stdout, "one\ntwo\nread-only\n", "{}", seen.stderr);
    let inspected: serde_json::Value =
        serde_json::from_str(&bench.wythe(&["volume", "inspect", "shared"]).stdout()).unwrap();
    assert_eq!(inspected["name"], "shared");
    assert!(std::path::Path::new(inspected["directory"].as_str().unwrap()).join("log").is_file());

    bench.wythe(&["store", "gc", "--older-than", "0", "--caches"]).stdout();
    assert!(bench.wythe(&["volume", "ls"]).stdout().contains("shared"), "a volume was collected");
    bench.wythe(&["volume", "rm", "shared"]).stdout();
    for args in [["volume", "rm", "shared"], ["volume", "inspect", "shared"], ["volume", "inspect", "../x"]] {
        let ended = bench.wythe(&args);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    }
}

#[test]
fn a_directory_stands_for_a_volume_only_where_the_command_line_says_so() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&counting("one")).file("host/log", "before\n");
    let ended = bench.wythe(&["build", "-t", "box", "--volume", "shared=host"]);
    assert!(ended.stderr.contains("[one] | before one"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(bench.dir().join("host/log")).unwrap(), "before\none\n");
    let seen = bench.wythe(&["run", "--volume", "./host:/mnt", "--entrypoint", "/bin/cat", "box", "--", "/mnt/log"]);
    assert_eq!(seen.stdout, "before\none\n", "{}", seen.stderr);
    for (args, words) in [
        (["build", "--volume", "shared=missing"], "there is no directory `missing`"),
        (["build", "--volume", "missing"], "it is not of the form NAME=DIR"),
    ] {
        let ended = bench.wythe(&args);
        assert!(matches!(ended.code, Some(1 | 2)) && ended.stderr.contains(words), "{}", ended.stderr);
    }
    let ended = bench.wythe(&["run", "--volume", "a/b:/mnt", "box"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
}

#[test]
fn rootless_steps_have_volumes_too() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&counting("one"));
    let ended = bench.wythe_elsewhere(&["--store", "own-store", "build"]);
    assert!(ended.code == Some(0) && ended.stderr.contains("[one] | one"), "{}", ended.stderr);
}
