// SPDX-License-Identifier: Apache-2.0
//! The network `host` of an ordinary user's steps: one of their own, which a user-mode network stack connects.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use wythe_tests::{Bench, Ended, can_become_ordinary, is_installed};

use crate::hosts::serve;
use crate::sandbox::BASE;

/// A bench, where ordinary users can have such a network.
fn bench() -> Option<Bench> {
    if !can_become_ordinary() || !is_installed("pasta") {
        return None;
    }
    let has_route = wythe_tests::run("ip", &["route", "show", "default"]).stdout.contains("default");
    if !has_route {
        eprintln!("skipped: the machine has no default route");
    }
    has_route.then(Bench::with_busybox)?
}

fn definition(bench: &Bench, command: &str) {
    bench.definition(&format!("{BASE}[[steps]]\nkind = \"run\"\nnetwork = \"host\"\ncommands = ['''{command}''']\n"));
}

fn elsewhere(bench: &Bench, args: &[&str]) -> Ended {
    let (mut command, _home) = bench.elsewhere(&[], args, true);
    command.output().unwrap().into()
}

/// A build that ends with the test, however that ends.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The numbers of processes that are in a network namespace, or hold it as their standard input.
fn holders(namespace: &str) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let leads_there = |path: PathBuf| std::fs::read_link(path).is_ok_and(|it| it.to_str() == Some(namespace));
    processes.filter(|process| leads_there(process.join("ns/net")) || leads_there(process.join("fd/0"))).collect()
}

#[test]
fn rootless_a_step_does_not_reach_the_machines_loopback() {
    let Some(bench) = bench() else { return };
    let port = serve();
    let gateway = wythe_tests::run("ip", &["route", "show", "default"]).stdout;
    let gateway = gateway.split_whitespace().skip_while(|word| *word != "via").nth(1).unwrap_or("127.0.0.1");
    let tries = format!(
        "for host in 127.0.0.1 localhost {gateway}; do busybox timeout 2 busybox wget -q -O- http://$host:{port}/ && exit 9; done
         ls /sys/class/net | grep -v lo | wc -l; test -s /etc/resolv.conf && touch /made"
    );
    definition(&bench, &tries);
    // Whoever is reached without a proxy is no proxy.
    let (mut command, _home) = bench.elsewhere(&[], &["build"], true);
    let ended: Ended = command.env("no_proxy", format!("127.0.0.1:{port}")).output().unwrap().into();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("[run] | 1\n") && !ended.stderr.contains("hello"), "{}", ended.stderr);
    // Whoever wants it shared says so, and the same call gets there.
    definition(&bench, &format!("busybox timeout 2 busybox wget -q -O- http://127.0.0.1:{port}/"));
    let shared = elsewhere(&bench, &["--share-network", "build"]);
    assert!(shared.code == Some(0) && shared.stderr.contains("[run] | hello\n"), "{}", shared.stderr);
}

#[test]
fn rootless_a_step_reaches_a_proxy_on_the_loopback() {
    let Some(bench) = bench() else { return };
    let port = serve();
    // The proxy is the machine's plumbing, and answers for everybody.
    definition(&bench, "busybox wget -q -O- http://anything.example/");
    let (mut command, _home) = bench.elsewhere(&[], &["build"], true);
    let ended: Ended = command.env("http_proxy", format!("http://127.0.0.1:{port}")).output().unwrap().into();
    assert!(ended.code == Some(0) && ended.stderr.contains("[run] | hello\n"), "{}", ended.stderr);
}

#[test]
fn rootless_the_stack_holds_nothing_of_ours_and_dies_with_a_kill() {
    let Some(bench) = bench() else { return };
    definition(&bench, "busybox readlink /proc/self/ns/net; sleep 100000");
    let (mut command, _home) = bench.elsewhere(&[], &["build", "--progress", "plain"], true);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Running(child);
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let namespace = lines.find_map(|line| Some(line.split_once("| net:")?.1.to_owned())).unwrap();
    let namespace = format!("net:{namespace}");
    let name = |process: &PathBuf| std::fs::read_to_string(process.join("comm")).unwrap_or_default();
    let all = holders(&namespace);
    let stack = all
        .iter()
        .find(|process| ["pasta", "passt"].iter().any(|start| name(process).starts_with(start)))
        .expect("there is a stack");
    let held =
        std::fs::read_dir(stack.join("fd")).unwrap().filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    let held: Vec<String> = held.map(|it| it.display().to_string()).collect();
    let known = ["socket:[", "pipe:[", "anon_inode:", "/dev/null", &namespace];
    let strange: Vec<&String> =
        held.iter().filter(|it| !it.contains("/tun") && !known.iter().any(|known| it.starts_with(known))).collect();
    assert_eq!(strange, Vec::<&String>::new());
    assert!(std::fs::read(stack.join("environ")).unwrap().is_empty(), "it has variables of ours");
    drop(child);
    // The kernel ends them one after the other.
    while !holders(&namespace).is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn rootless_what_cannot_be_is_said_and_shared() {
    let Some(bench) = bench() else { return };
    definition(&bench, "true");
    // The device is root's own.
    let (mut command, _home) = bench.elsewhere(&[], &["build"], false);
    let ended: Ended = command.output().unwrap().into();
    let is_closed = wythe_tests::run("stat", &["-c", "%a", "/dev/net/tun"]).stdout.trim() == "600";
    let says_so =
        ended.stderr.contains("it shares this machine's network, the loopback included: `pasta` needs /dev/net/tun");
    assert!(ended.code == Some(0) && says_so == is_closed, "{}", ended.stderr);
}
