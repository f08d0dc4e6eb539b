// SPDX-License-Identifier: Apache-2.0
//! What the sandbox of every command is like, as the command line of other builders says it.

use std::fs;

use wythe_tests::{Bench, can_become_ordinary, is_installed, is_root, run};

use crate::dockerfile::busybox;

/// What a command sees, a line each: hosts, kilobytes of shared memory, open files, size of files.
const LOOK: &str = "{ grep -E 'internal|db6' /etc/hosts; df -k /dev/shm | tail -n 1 | awk '{ print $2 }'; ulimit -Sn; \
                    ulimit -Hn; ulimit -Hf; }";

const OPTIONS: [&str; 12] = [
    "--add-host",
    "db.internal=10.0.0.5",
    "--add-host",
    "db6:[2001:db8::5]",
    "--add-host",
    "db.internal:2001:db8::6",
    "--shm-size",
    "128m",
    "--ulimit",
    "nofile=64:128",
    "--ulimit",
    "fsize=1073741824",
];

const SEEN: &str = "10.0.0.5\tdb.internal\n2001:db8::6\tdb.internal\n2001:db8::5\tdb6\n131072\n64\n128\n2097152\n";

#[test]
fn every_command_has_the_sandbox_that_is_asked_for() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file(
        "Dockerfile",
        &format!("FROM busybox:test AS one\nRUN {LOOK} > /one\nFROM busybox:test\nCOPY --from=one /one /one\nRUN --network=none {LOOK} > /two\n"),
    );
    let build = |options: &[&str]| bench.wythe(&[&["build", "--progress", "plain", "-o", "out"], options].concat());
    build(&OPTIONS).clone().stdout();
    let read = |name: &str| fs::read_to_string(bench.dir().join("out").join(name)).unwrap();
    assert_eq!((read("one"), read("two")), (SEEN.to_owned(), SEEN.to_owned()));
    assert!(!bench.dir().join("out/etc/hosts").exists(), "what is lent is in the layer");
    // What a command can see is part of its key, in whatever order it is written down.
    let mut turned = OPTIONS;
    turned.rotate_left(6);
    assert!(!build(&turned).stderr.contains("done RUN"), "the same was run again");
    let other = build(&OPTIONS[..8]);
    assert!(other.stderr.contains("done RUN"), "{}", other.stderr);
    assert_ne!(read("two"), SEEN);
}

#[test]
fn what_is_usual_changes_no_key() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("Dockerfile", "FROM busybox:test\nRUN echo > /a\n");
    let first = bench.wythe(&["build", "-t", "made"]).stdout();
    let again = bench.wythe(&["build", "--progress", "plain", "--shm-size", "64m", "--ulimit", "core=0"]);
    assert!(!again.stderr.contains("done RUN"), "{}", again.stderr);
    assert_eq!(again.stdout(), first);
    let again = bench.wythe(&["build", "--progress", "plain", "--shm-size", "0"]);
    assert!(!again.stderr.contains("done RUN"), "{}", again.stderr);
}

/// Nothing is built with any of these options, and what is said of each has these words in it.
fn refused(bench: &Bench, table: &[(&str, &str, &str)]) {
    for &(option, value, expected) in table {
        let ended = bench.wythe(&["build", option, value]);
        assert_eq!(ended.code, Some(2), "{option} {value}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{option} {value}: {}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_had_is_refused_before_anything_runs() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let table = [
        ("--add-host", "db", "`db` is not of the form NAME=ADDRESS or NAME:ADDRESS"),
        ("--add-host", "db=10.0.0", "`10.0.0` is not an address such as 10.0.0.5 or 2001:db8::5"),
        ("--add-host", "a b=10.0.0.5", "`a b` is not the name of a host"),
        ("--add-host", "here=host-gateway", "this machine is `127.0.0.1`"),
        ("--shm-size", "much", "it is not a size such as 64m, 1.5g or a number of bytes"),
        ("--ulimit", "nofiles=1", "there is no limit `nofiles`: did you mean `nofile`?"),
        ("--ulimit", "nofile=2:1", "the soft limit of `nofile` is greater than the hard one"),
        ("--ulimit", "core=-1", "`core` can only be 0"),
    ];
    refused(&bench, &table);
}

#[test]
fn a_definition_says_it_in_its_own_words() {
    let Some(bench) = Bench::with_busybox() else { return };
    let script = "cat /etc/hosts | grep cache; ulimit -Hn";
    bench.definition(&format!(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"root\"\nto = \"/\"\n[[steps]]\nkind = \"run\"\n\
         script = \"{{ {script}; }} > /seen\"\nextra-hosts = {{ cache = [\"10.0.0.6\", \"::1\"] }}\n\
         shm-size = \"1MiB\"\nulimits = {{ nofile = \"32:64\" }}\n"
    ));
    bench.wythe(&["build", "-o", "out"]).stdout();
    let seen = fs::read_to_string(bench.dir().join("out/seen")).unwrap();
    assert_eq!(seen, "10.0.0.6\tcache\n::1\tcache\n64\n");
    let hints = [
        ("--add-host", "db=::1", "extra-hosts = { NAME = \"ADDRESS\" }"),
        ("--shm-size", "1g", "shm-size = \"1GiB\""),
        ("--ulimit", "nofile=1", "ulimits = { nofile = \"1024:4096\" }"),
    ];
    refused(&bench, &hints);
}

#[test]
fn a_limit_beyond_the_callers_is_an_error() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.file("Dockerfile", "FROM scratch\nCOPY root /\nRUN echo ran > /ran\n");
    let most: u64 = fs::read_to_string("/proc/sys/fs/nr_open").unwrap().trim().parse().unwrap();
    let limit = format!("nofile=10:{}", most + 1);
    let build = ["build", "--progress", "quiet", "--ulimit", &limit];
    let mut ended = vec![bench.wythe(&build)];
    if can_become_ordinary() {
        ended.push(bench.wythe_elsewhere(&build));
    }
    for ended in ended {
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        let expected = format!("cannot set the limit `{limit}`: the hard limit that this process has is ");
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
        assert!(ended.stderr.contains("only root of the machine may raise a hard limit"), "{}", ended.stderr);
        assert!(ended.stderr.contains("--> Dockerfile:3:1"), "{}", ended.stderr);
    }
}

#[test]
fn buildah_gives_commands_the_same() {
    // The runtime that works with every hierarchy of control groups; without one, buildah gives shared memory no size.
    if !is_installed("buildah") || !is_installed("runc") || !is_root() {
        return;
    }
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("Dockerfile", &format!("FROM busybox:test\nRUN {LOOK} | tee /seen\n"));
    let archive = bench.dir().join("base.tar").display().to_string();
    bench.wythe(&["save", "busybox:test", "-o", &archive]).stdout();
    bench.buildah(&["pull", &format!("oci-archive:{archive}")]).stdout();
    // Those of version 6 in brackets, and with `=`, are later than this buildah.
    let options = ["--add-host", "db.internal:10.0.0.5", "--add-host", "db6:2001:db8::5"];
    let options = [&options[..], &OPTIONS[6..]].concat();
    bench.wythe(&[&["build", "-o", "out"], &options[..]].concat()).stdout();
    let ours = fs::read_to_string(bench.dir().join("out/seen")).unwrap();
    let runtime = run("sh", &["-c", "command -v runc"]).stdout();
    let built =
        bench.buildah(&[&["build", "--runtime", runtime.trim(), "--network", "host"], &options[..], &["."]].concat());
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    for line in ours.lines() {
        assert!(built.stdout.lines().any(|theirs| theirs == line), "{line}:\n{}\n{}", built.stdout, built.stderr);
    }
}
