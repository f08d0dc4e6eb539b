// SPDX-License-Identifier: Apache-2.0
//! Several processes on one store, and processes that are killed. The test binary runs itself.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wythe_image::{Digest, LayerRef};
use wythe_store::{GcPolicy, Store};

use crate::support::{
    NOW, TestStore, build, entries, key, layer_dir, pack, parts_digest, record, tree_digest, wait_for_ever,
};

/// What a child process does: the first line of its input says what, the second where.
#[test]
#[ignore = "other tests run it as a child process"]
fn child() {
    let mut lines = std::io::stdin().lines().map_while(Result::ok);
    let (Some(role), Some(directory)) = (lines.next(), lines.next()) else { return };
    let directory = Path::new(&directory);
    if role == "open" {
        let opened = Store::open(directory, NOW).map_or_else(|error| error.to_string(), |_| "yes".to_owned());
        return say(&format!("opened: {opened}"));
    }
    let store = Store::open(directory, NOW).unwrap();
    match role.as_str() {
        "hang" => {
            let active = store.begin().unwrap();
            fs::create_dir(active.work().join("work")).unwrap();
            fs::write(active.upper().join("file"), "half").unwrap();
            let mut writer = store.blob_writer().unwrap();
            writer.write_all(&[0; 1_000_000]).unwrap();
            let _lock = store.lock_key(&key("text"), &mut wait_for_ever()).unwrap();
            let (_, layer) = build(&store, "leased");
            assert!(store.layer_dirs(&layer.diff_id).unwrap().is_some());
            store.finish_sweeping();
            say("ready");
            lines.next();
            unreachable!("the parent kills this process");
        }
        "single" => {
            let _lock = store.lock_key(&key("text"), &mut wait_for_ever()).unwrap();
            let is_there = store.result(&key("text")).unwrap().is_some();
            if !is_there {
                build(&store, "text");
            }
            say(if is_there { "hit" } else { "made" });
        }
        "race" => {
            let active = store.begin().unwrap();
            fs::write(active.upper().join("file"), "text").unwrap();
            let layer = LayerRef { diff_id: tree_digest(&active.upper()), size: 4 };
            say("ready");
            lines.next();
            store.commit_layer(active, &layer).unwrap();
            let path = layer_dir(&store, &layer);
            assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "text");
            say("committed");
        }
        "once" => match cycle(&store) {
            Ok(digest) => say(&format!("saved {digest}")),
            Err(error) => say(&format!("failed {error}")),
        },
        "sync" => {
            let (result, _) = build(&store, "text");
            let first = store.sync().map_err(|error| error.to_string());
            let is_known = store.result(&result).unwrap().is_some();
            say(&format!("{first:?} {is_known} {}", store.sync().is_ok()));
        }
        "work" => {
            for round in 0.. {
                let layers: Vec<_> = (0..3).map(|step| build(&store, &format!("{round}-{step}")).1).collect();
                let packed = pack(&layers);
                store.save_image(&packed, &[format!("image-{}", round % 4)]).unwrap();
                say(&format!("saved {}", packed.digest));
                store.gc(&GcPolicy { max_age: Some(0), ..GcPolicy::default() }).unwrap();
            }
        }
        other => panic!("unknown role {other}"),
    }
}

/// Everything that a store does, once.
fn cycle(store: &Store) -> Result<Digest, Box<dyn Error>> {
    let active = store.begin()?;
    fs::write(active.upper().join("file"), "text")?;
    let layer = LayerRef { diff_id: tree_digest(&active.upper()), size: 4 };
    store.commit_result(active, &key("text"), &record(Some(layer), "step"))?;
    store.put_blob(b"artifact")?;
    let packed = pack(&[layer]);
    store.save_image(&packed, &["app".into()])?;
    store.gc(&GcPolicy { max_age: Some(0), ..GcPolicy::default() })?;
    Ok(packed.digest)
}

/// Prints a line of its own: the test harness may have begun one.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    write!(out, "\nchild {line}\n").unwrap();
    out.flush().unwrap();
}

fn spawn(role: &str, directory: &Path) -> Child {
    spawn_by(Command::new(std::env::current_exe().unwrap()), role, directory)
}

/// Runs a child in which the `when`-th of some system calls meets `fate`; `None` where that cannot be arranged.
fn spawn_with_fault(calls: &str, fate: &str, when: u32, role: &str, directory: &Path) -> Option<Child> {
    let inject = format!("inject={calls}:{fate}:when={when}");
    let is_able = Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", &inject, "true"]).status();
    if !is_able.is_ok_and(|status| status.success() || fate.starts_with("signal")) {
        return None;
    }
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(std::env::current_exe().unwrap());
    Some(spawn_by(command, role, directory))
}

fn spawn_by(mut command: Command, role: &str, directory: &Path) -> Child {
    let mut child = command
        .args(["processes::child", "--exact", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let text = format!("{role}\n{}\n", directory.display());
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    child
}

/// Returns the numbers, within their thread, of the calls by which a cycle gives back the right to write the index; none where
/// that cannot be seen. It is byte 120 of the file beside the log (sqlite.org/walformat.html, 2.3.1).
fn releases_of_the_write_lock() -> Option<Vec<u32>> {
    let store = TestStore::new();
    let log = store.root.path().join("calls");
    let is_able = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !is_able.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=fcntl", "-o"]).arg(&log).arg(std::env::current_exe().unwrap());
    spawn_by(command, "once", &store.directory()).wait().unwrap();
    let mut made: BTreeMap<String, u32> = BTreeMap::new();
    let mut releases = Vec::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let Some((thread, call)) = line.split_once(' ').filter(|(_, call)| call.contains("fcntl(")) else { continue };
        let number = made.entry(thread.to_owned()).or_default();
        *number += 1;
        if call.contains("F_UNLCK") && call.contains("l_start=120,") {
            releases.push(*number);
        }
    }
    Some(releases)
}

/// Returns what the child says, line by line.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix("child ").map(str::to_owned))
}

#[test]
fn a_killed_process_leaves_nothing_and_holds_nothing() {
    let store = TestStore::new();
    let active = store.directory().join("active");
    let mut child = spawn("hang", &store.directory());
    assert_eq!(lines(&mut child).next().unwrap(), "ready");
    assert_eq!(entries(&active).len(), 2);
    let other = Store::open(&store.directory(), NOW).unwrap();
    assert_eq!(entries(&active).len(), 2, "what a living process uses stays");
    assert!(other.lock_key(&key("text"), &mut crate::support::never_wait()).is_err());
    let everything = GcPolicy { max_age: Some(0), ..GcPolicy::default() };
    // A result and its layer.
    assert_eq!(other.gc(&everything).unwrap().in_use, 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let other = Store::open(&store.directory(), NOW).unwrap();
    assert_eq!(entries(&active), [""; 0]);
    other.lock_key(&key("text"), &mut crate::support::never_wait()).unwrap();
    assert_eq!(other.gc(&everything).unwrap().in_use, 0);
    assert_eq!(entries(&store.directory().join("layers")), [""; 0]);
}

#[test]
fn eight_processes_make_one_result() {
    let store = TestStore::new();
    let mut children: Vec<Child> = (0..8).map(|_| spawn("single", &store.directory())).collect();
    // Reading to the end, since who writes to a closed pipe fails.
    let mut said: Vec<String> = children.iter_mut().flat_map(lines).collect();
    said.sort();
    assert_eq!(said, ["hit", "hit", "hit", "hit", "hit", "hit", "hit", "made"]);
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn processes_and_threads_that_commit_one_layer_all_get_it() {
    let store = TestStore::new();
    let mut children: Vec<Child> = (0..2).map(|_| spawn("race", &store.directory())).collect();
    let mut said: Vec<_> = children.iter_mut().map(lines).collect();
    for lines in &mut said {
        assert_eq!(lines.next().unwrap(), "ready");
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let active = store.begin().unwrap();
                fs::write(active.upper().join("file"), "text").unwrap();
                let layer = LayerRef { diff_id: tree_digest(&active.upper()), size: 4 };
                store.commit_layer(active, &layer).unwrap();
            });
        }
        for child in &mut children {
            child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        }
    });
    for lines in &mut said {
        assert_eq!(lines.next().unwrap(), "committed");
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(entries(&store.directory().join("layers")).len(), 1);
    store.finish_sweeping();
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn the_first_opening_may_happen_many_times_at_once() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("store");
    let mut children: Vec<Child> = (0..6).map(|_| spawn("open", &directory)).collect();
    let said: Vec<String> = children.iter_mut().flat_map(lines).collect();
    assert_eq!(said, ["opened: yes"; 6]);
    for mut child in children {
        child.wait().unwrap();
    }
}

/// Killed anywhere in a cycle of build, save and collect: the next opening tidies up, every image that was reported
/// and is still listed is whole, and nothing is found wrong.
#[test]
fn killing_at_any_moment_leaves_a_whole_store() {
    let store = TestStore::new();
    let mut saved = Vec::new();
    for round in 0..12 {
        let mut child = spawn("work", &store.directory());
        let mut said = lines(&mut child);
        // The moment of the kill lies wherever the child is when the line has come through the pipe.
        saved.extend(said.by_ref().take(1 + round % 4));
        child.kill().unwrap();
        child.wait().unwrap();
        saved.extend(said);
        let opened = Store::open(&store.directory(), NOW).unwrap();
        assert_eq!(entries(&store.directory().join("active")), [""; 0]);
        let report = opened.verify(false, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
        assert_eq!(report.findings, []);
        let last = saved.iter().rev().find_map(|line| line.strip_prefix("saved ")).unwrap();
        assert!(opened.image(last).unwrap().is_some(), "{last} was reported and is gone");
        opened.gc(&GcPolicy::default()).unwrap();
    }
}

/// Calls that change what is on the disk: how many a cycle makes at most, and which of them are tried.
const CHANGES: [(&str, u32, usize); 9] = [
    ("renameat", 4, 1),
    ("renameat2", 4, 1),
    ("mkdirat", 6, 1),
    ("unlinkat", 6, 1),
    ("fchmod", 4, 1),
    ("ftruncate", 2, 1),
    ("fsync", 10, 2),
    ("syncfs", 2, 1),
    ("pwrite64", 150, 11),
];

/// Kills a cycle at calls that change something, and fails such calls. Needs strace, and skips without.
#[test]
fn a_fault_at_any_call_leaves_a_whole_store() {
    for (call, most, step) in CHANGES {
        for when in (1..=most).step_by(step) {
            let error = if when % 2 == 0 { "error=EIO" } else { "error=ENOSPC" };
            for fate in ["signal=KILL", error] {
                let store = TestStore::new();
                let Some(mut child) = spawn_with_fault(call, fate, when, "once", &store.directory()) else { return };
                let said: Vec<String> = lines(&mut child).collect();
                child.wait().unwrap();
                check_after(&format!("{fate} at {call} {when}: {said:?}"), &store.directory(), &said);
            }
        }
    }
}

/// The next opening tidies up, what was reported is there, nothing is wrong, and the next build needs no repair.
fn check_after(what: &str, directory: &Path, said: &[String]) {
    let opened = Store::open(directory, NOW).unwrap();
    assert_eq!(entries(&directory.join("active")), [""; 0], "{what}");
    let report = opened.verify(false, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
    assert_eq!(report.findings, [], "{what}");
    let saved = said.iter().find_map(|line| line.strip_prefix("saved "));
    assert!(saved.is_none_or(|digest| opened.image(digest).unwrap().is_some()), "{what}");
    cycle(&opened).unwrap();
}

/// SQLite takes no notice where it cannot give a lock back, and would wait for itself later. Needs strace, and skips without.
#[test]
fn a_lock_that_was_not_given_back_is_not_waited_for() {
    let Some(releases) = releases_of_the_write_lock() else { return };
    assert!(!releases.is_empty(), "nothing gives the lock back, or it lies at another byte");
    let chosen: BTreeSet<u32> = releases.first().into_iter().chain(releases.last()).copied().collect();
    for when in chosen {
        for fate in ["error=EINTR", "error=ENOMEM"] {
            let store = TestStore::new();
            let Some(mut child) = spawn_with_fault("fcntl", fate, when, "once", &store.directory()) else { return };
            let said: Vec<String> = lines(&mut child).collect();
            child.wait().unwrap();
            assert!(
                said.iter().all(|line| line.starts_with("saved ")) && said.len() == 1,
                "{fate} at {when}: {said:?}"
            );
            check_after(&format!("{fate} at {when}"), &store.directory(), &said);
        }
    }
}

/// A flush that fails once and then succeeds has lost what it was for. Needs strace, and skips without.
#[test]
fn what_a_failed_flush_covered_is_not_trusted() {
    let store = TestStore::new();
    let Some(mut child) = spawn_with_fault("syncfs", "error=EIO", 1, "sync", &store.directory()) else { return };
    let said: Vec<String> = lines(&mut child).collect();
    child.wait().unwrap();
    let path = store.directory();
    let text = format!(
        "cannot flush the file system of {}; what was built since the last flush will be built again",
        path.display()
    );
    assert_eq!(said, [format!("Err({text:?}) false true")]);
    assert_eq!(Store::open(&path, NOW).unwrap().result(&key("text")).unwrap(), None);
}
