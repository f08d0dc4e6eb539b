// SPDX-License-Identifier: Apache-2.0
//! What a step can do to the machine: `tests/probe/escape.c` tries some two hundred things, run as a step, and what it was
//! allowed is held against a list that people have read. Where another builder is installed, it has to allow all of that too.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::Command;

use wythe_tests::{Bench, can_become_ordinary, is_installed, is_root};

use crate::sandbox::BASE;

/// The program's arguments, and the sockets of the machine that they name, which are there as long as this value lives.
struct Machine {
    arguments: String,
    _abstract: UnixListener,
    _loopback: TcpListener,
}

impl Machine {
    fn new() -> Self {
        let name = format!("wythe-probe-{}", std::process::id());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let loopback = TcpListener::bind("127.0.0.1:0").unwrap();
        let namespace =
            |kind: &str| format!("{kind}={}", std::fs::metadata(format!("/proc/self/ns/{kind}")).unwrap().ino());
        let namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "uts"].map(namespace).join(" ");
        let arguments = format!("{namespaces} abstract={name} loopback={}", loopback.local_addr().unwrap().port());
        Self { arguments, _abstract: listener, _loopback: loopback }
    }
}

/// A bench whose image has the probe as `/bin/escape`. It is compiled here: a program of no library runs anywhere.
fn bench() -> Option<Bench> {
    let bench = Bench::with_busybox()?;
    let source = wythe_tests::top().join("tests/probe/escape.c");
    let program = bench.dir().join("root/bin/escape");
    let compiled = is_installed("cc").then(|| {
        Command::new("cc")
            .args(["-static", "-O1", "-Werror", "-Wall", "-o"])
            .arg(&program)
            .arg(&source)
            .output()
            .unwrap()
    })?;
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    std::fs::create_dir(bench.dir().join("root/tmp")).unwrap();
    Some(bench)
}

fn definition(bench: &Bench, machine: &Machine, network: &str) {
    let command = format!("/bin/escape {}", machine.arguments);
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"run\"\nnetwork = {network}\ncommands = [\"{command}\"]\n"));
}

/// Returns what was allowed, of what the program printed, one a line.
fn allowed(printed: &str) -> BTreeSet<String> {
    let results: serde_json::Value =
        serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}:\n{printed}"));
    let results = results.as_object().unwrap();
    assert!(results.len() > 200, "{} attempts", results.len());
    results.iter().filter(|(_, result)| *result == "allowed").map(|(name, _)| name.clone()).collect()
}

/// Holds what was allowed against the list of that name. `BLESS=1` writes it anew: then read what came.
#[allow(clippy::disallowed_methods, reason = "tests are blessed by the environment")]
fn assert_reviewed(name: &str, allowed: &BTreeSet<String>) {
    let path = wythe_tests::top().join("tests/probe").join(format!("{name}.txt"));
    let text = allowed.iter().fold(String::new(), |text, name| text + name + "\n");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap();
    let reviewed: BTreeSet<String> = reviewed.lines().map(str::to_owned).collect();
    let new: Vec<&String> = allowed.difference(&reviewed).collect();
    // What a machine lacks or forbids by itself is no reason to fail.
    assert!(new.is_empty(), "a step may do what nobody has reviewed: {new:?}");
}

fn as_a_step(bench: &Bench, network: &str) -> BTreeSet<String> {
    let machine = Machine::new();
    definition(bench, &machine, network);
    let built = bench.wythe(&["build"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    allowed(&bench.wythe(&["logs", "run"]).stdout())
}

#[test]
fn c16_a_step_may_do_what_was_reviewed_and_nothing_else() {
    let Some(bench) = bench() else { return };
    assert_reviewed("allowed", &as_a_step(&bench, "\"none\""));
    assert_reviewed("allowed", &as_a_step(&bench, "[\"example.org\"]"));
    assert_reviewed("allowed-with-the-machines-network", &as_a_step(&bench, "\"host\""));
}

#[test]
fn c16_rootless_a_step_may_do_what_was_reviewed_and_nothing_else() {
    if !can_become_ordinary() {
        return;
    }
    let Some(bench) = bench() else { return };
    for (network, reviewed) in [("\"none\"", "allowed"), ("\"host\"", "allowed-with-the-machines-network")] {
        let machine = Machine::new();
        definition(&bench, &machine, network);
        let built = bench.wythe_elsewhere(&["build", "--progress", "json"]);
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        let events = built.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let lines = events.filter_map(|event| Some(event.get("line")?.as_str()?.to_owned() + "\n"));
        assert_reviewed(reviewed, &allowed(&lines.collect::<String>()));
    }
}

#[test]
fn c16_buildah_allows_all_that_a_step_may_do() {
    if !is_installed("buildah") || !is_root() {
        return;
    }
    let Some(bench) = bench() else { return };
    let ours = as_a_step(&bench, "\"none\"");
    for isolation in ["chroot", "oci"] {
        let Some(theirs) = under_buildah(&bench, isolation) else { continue };
        let more: Vec<&String> = ours.difference(&theirs).collect();
        assert!(more.is_empty(), "a step may do what buildah --isolation {isolation} does not allow: {more:?}");
        assert!(theirs.len() > ours.len(), "nothing less is allowed than under buildah --isolation {isolation}");
        eprintln!("isolation {isolation}: {} allowed, a step: {}", theirs.len(), ours.len());
    }
}

/// None where this isolation does not work on the machine, which is said.
fn under_buildah(bench: &Bench, isolation: &str) -> Option<BTreeSet<String>> {
    let container = bench.buildah(&["from", "scratch"]).stdout().trim().to_owned();
    let root = bench.dir().join("root").display().to_string();
    bench.buildah(&["copy", "-q", &container, &root, "/"]).stdout();
    let machine = Machine::new();
    let runtime =
        ["/usr/sbin/runc", "/usr/bin/runc", "/usr/bin/crun"].into_iter().find(|path| Path::new(path).exists());
    let mut arguments =
        vec!["run", "--isolation", isolation, "--runtime", runtime.unwrap_or("runc"), &container, "--", "/bin/escape"];
    arguments.extend(machine.arguments.split(' '));
    let ended = bench.buildah(&arguments);
    bench.buildah(&["rm", &container]).stdout();
    if ended.code == Some(0) {
        return Some(allowed(&ended.stdout));
    }
    eprintln!("skipped: buildah --isolation {isolation} does not work here: {}", ended.stderr);
    None
}
