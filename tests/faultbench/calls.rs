// SPDX-License-Identifier: Apache-2.0
//! System calls that kill, or fail, at the n-th time, by strace's injection. Every thread counts for itself, so each call
//! is named with its number in the thread that makes it most often; together they stand for every call of every thread.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use fastrand::Rng;

use crate::invariants::{Class, Verdict};
use crate::kills::fields;
use crate::operation::Operation;
use crate::process::{must, run};
use crate::stage::Stage;

/// Calls that change what is on the disk, or what the kernel keeps.
const CHANGES: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "mkdir",
    "mkdirat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "write",
    "writev",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "lchown",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "mknodat",
    "fsync",
    "fdatasync",
    "syncfs",
    "flock",
    "fcntl",
    "clone",
    "clone3",
    "execve",
    "mount",
    "umount2",
    "fsopen",
    "fsconfig",
    "fsmount",
    "move_mount",
    "open_tree",
    "mount_setattr",
    "pivot_root",
    "sendmsg",
    "sendto",
    "close",
];

const WRITES: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "write",
    "writev",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "fchmod",
    "fchown",
    "fchownat",
    "utimensat",
    "lsetxattr",
    "fsetxattr",
    "mknodat",
    "fsync",
    "fdatasync",
    "syncfs",
];

const READS: &[&str] = &[
    "read",
    "pread64",
    "getdents64",
    "statx",
    "newfstatat",
    "fstat",
    "unlink",
    "unlinkat",
    "rmdir",
    "flistxattr",
    "readlink",
    "faccessat2",
];

const OPENS: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "pipe2",
    "socketpair",
    "eventfd2",
    "epoll_create1",
    "fsopen",
    "fsmount",
    "open_tree",
    "memfd_create",
    "dup",
    "dup2",
    "dup3",
    "signalfd4",
    "timerfd_create",
];

const KERNEL: &[&str] =
    &["clone", "clone3", "execve", "fcntl", "flock", "fsconfig", "move_mount", "mount_setattr", "mkdirat", "write"];

const WAITS: &[&str] = &["read", "write", "pread64", "pwrite64", "openat", "fcntl", "flock", "fsync", "wait4", "ppoll"];

/// What can happen to a call: the name, how the kernel says it, and at which calls it happens.
const FATES: [(&str, &str, &[&[&str]]); 9] = [
    ("KILL", "", &[CHANGES]),
    ("ENOSPC", "No space left on device", &[WRITES]),
    ("EDQUOT", "quota exceeded", &[WRITES]),
    ("EIO", "Input/output error", &[WRITES, READS]),
    ("EMFILE", "Too many open files", &[OPENS]),
    ("ENFILE", "Too many open files in system", &[OPENS]),
    ("ENOMEM", "Cannot allocate memory", &[OPENS, KERNEL]),
    ("EINTR", "Interrupted system call", &[WAITS]),
    ("EROFS", "Read-only file system", &[WRITES]),
];

/// Calls that concern no file: of their failure there is no place to tell, only what was being done.
const PLACELESS: [&str; 8] =
    ["pipe2", "socketpair", "eventfd2", "epoll_create1", "memfd_create", "signalfd4", "timerfd_create", "clone3"];

/// Calls whose failure means that nothing is known of what was written.
const FLUSHES: [&str; 3] = ["fsync", "fdatasync", "syncfs"];

/// `operation:call:fate:number`
pub(crate) fn points(stage: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    must("strace", &["-V"]).map_err(|_| "needs strace".to_owned())?;
    let mut points = Vec::new();
    for operation in Operation::ALL {
        let counts = counts(stage, operation)?;
        for (fate, _, calls) in FATES {
            for call in calls.iter().copied().flatten() {
                let most = counts.get(*call).copied().unwrap_or(0);
                points.extend((1..=most).map(|number| format!("{operation}:{call}:{fate}:{number}")));
            }
        }
    }
    if amount < points.len() {
        random.shuffle(&mut points);
        points.truncate(amount);
    }
    Ok(points)
}

/// Returns how often each call is made by the thread that makes it most often.
fn counts(stage: &Stage, operation: Operation) -> Result<BTreeMap<String, u32>, String> {
    let place = stage.fresh()?;
    let log = stage.dir.join("calls.log");
    let all: Vec<&str> = FATES.iter().flat_map(|fate| fate.2).copied().flatten().copied().collect();
    let trace = format!("trace={}", all.iter().map(|call| format!("?{call}")).collect::<Vec<_>>().join(","));
    run(traced(stage, operation, &place, &log, &[&trace]), &stage.dir)?.ok()?;
    let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
    let mut by_thread: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(').filter(|(call, _)| all.contains(call)) {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut counts = BTreeMap::new();
    for ((_, call), count) in by_thread {
        let most: &mut u32 = counts.entry(call.to_owned()).or_default();
        *most = count.max(*most);
    }
    Ok(counts)
}

fn traced(stage: &Stage, operation: Operation, place: &Path, log: &Path, expressions: &[&str]) -> Command {
    let inner = operation.command(stage, place);
    let mut command = Command::new("strace");
    command.args(["-f", "--seccomp-bpf", "-qq", "-o"]).arg(log);
    for expression in expressions {
        command.args(["-e", expression]);
    }
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(&stage.dir);
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

pub(crate) fn strike(stage: &Stage, point: &str) -> Result<Verdict, String> {
    let [operation, call, fate, number] = fields(point)?;
    let operation: Operation = operation.parse()?;
    let known = FATES.iter().find(|known| known.0 == fate).ok_or_else(|| format!("`{fate}` is no fate"))?;
    let place = stage.fresh()?;
    let log = stage.dir.join("call.log");
    let what = if fate == "KILL" { "signal=KILL".to_owned() } else { format!("error={fate}") };
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}:when={number}"));
    let ended = run(traced(stage, operation, &place, &log, &[&trace, &inject]), &stage.dir)?;
    let log = fs::read_to_string(&log).unwrap_or_default();
    let mut verdict =
        Verdict { is_struck: log.contains("(INJECTED)") || log.contains("SIGKILL"), ..Verdict::default() };
    // Before `main` it is the loader that fails, in its own words.
    let is_loading = ended.stderr.contains("error while loading shared libraries");
    let is_killed = fate == "KILL" && ended.signal.is_some();
    if !is_killed && !is_loading && (fate != "KILL" || ended.code != Some(0)) {
        judge(&mut verdict, stage, operation, &ended, fate, known.1);
    }
    if PLACELESS.contains(&call) {
        verdict.breaches.retain(|breach| !breach.what.starts_with("the place is not told"));
    }
    if FLUSHES.contains(&call) && fate != "KILL" && verdict.is_struck && ended.code == Some(0) {
        verdict.breach(Class::Damaged, "acknowledged although a flush has failed");
    }
    let app = operation == Operation::Build && ended.stdout.trim() == stage.app;
    verdict.check(stage, &place, app, false)?;
    Ok(verdict)
}

fn judge(
    verdict: &mut Verdict,
    stage: &Stage,
    operation: Operation,
    ended: &crate::process::Ended,
    fate: &str,
    text: &str,
) {
    // A process of the sandbox that is killed is met as one that is gone.
    let causes: &[&str] = if fate == "KILL" { &["ended", "gone", "killed", "lost", "signal"] } else { &[text] };
    verdict.judge(stage, operation, ended, causes);
}
