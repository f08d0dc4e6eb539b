// SPDX-License-Identifier: Apache-2.0
//! System calls that kill, or fail, at the n-th time, by strace's injection. Every thread counts for itself, so each call
//! is named with its number in the thread that makes it most often; together they stand for every call of every thread.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use fastrand::Rng;

use crate::invariants::{Class, Verdict};
use crate::kills::fields;
use crate::operation::Operation;
use crate::process::{self, Running, must, run};
use crate::stage::Stage;

/// Calls, each with what it does: it **C**hanges something, **W**rites, **R**eads (or removes), **O**pens something, asks the
/// **K**ernel for something that takes memory, or may be **I**nterrupted.
#[rustfmt::skip]
const CALLS: &[(&str, &str)] = &[
    ("open", "CWO"), ("openat", "CWOI"), ("openat2", "CWO"), ("mkdir", "CW"), ("mkdirat", "CWK"), ("rmdir", "CR"),
    ("rename", "CW"), ("renameat", "CW"), ("renameat2", "CW"), ("link", "C"), ("linkat", "CW"), ("symlink", "C"),
    ("symlinkat", "CW"), ("unlink", "CR"), ("unlinkat", "CR"), ("write", "CWKI"), ("writev", "CW"),
    ("pwrite64", "CWI"), ("ftruncate", "CW"), ("fallocate", "CW"), ("copy_file_range", "CW"), ("sendfile", "C"),
    ("chmod", "C"), ("fchmod", "CW"), ("fchmodat", "C"), ("fchown", "CW"), ("fchownat", "CW"), ("lchown", "C"),
    ("utimensat", "CW"), ("setxattr", "C"), ("lsetxattr", "CW"), ("fsetxattr", "CW"), ("mknodat", "CW"),
    ("fsync", "CWI"), ("fdatasync", "CW"), ("syncfs", "CW"), ("flock", "CKI"), ("fcntl", "CKI"), ("clone", "CK"),
    ("clone3", "CK"), ("execve", "CK"), ("mount", "C"), ("umount2", "C"), ("fsopen", "CO"), ("fsconfig", "CK"),
    ("fsmount", "CO"), ("move_mount", "CK"), ("open_tree", "CO"), ("mount_setattr", "CK"), ("pivot_root", "C"),
    ("sendmsg", "C"), ("sendto", "C"), ("close", "C"), ("read", "RI"), ("pread64", "RI"), ("getdents64", "R"),
    ("statx", "R"), ("newfstatat", "R"), ("fstat", "R"), ("flistxattr", "R"), ("readlink", "R"), ("faccessat2", "R"),
    ("pipe2", "O"), ("socketpair", "O"), ("eventfd2", "O"), ("epoll_create1", "O"), ("memfd_create", "O"),
    ("dup", "O"), ("dup2", "O"), ("dup3", "O"), ("signalfd4", "O"), ("timerfd_create", "O"), ("wait4", "I"),
    ("ppoll", "I"),
];

/// What can happen to a call: the name, how the kernel says it, and to which calls it happens.
const FATES: [(&str, &str, &str); 9] = [
    ("KILL", "", "C"),
    ("ENOSPC", "No space left on device", "W"),
    ("EDQUOT", "quota exceeded", "W"),
    ("EIO", "Input/output error", "WR"),
    ("EMFILE", "Too many open files", "O"),
    ("ENFILE", "Too many open files in system", "O"),
    ("ENOMEM", "Cannot allocate memory", "OK"),
    ("EINTR", "Interrupted system call", "I"),
    ("EROFS", "Read-only file system", "W"),
];

/// Calls that concern no file: of their failure there is no place to tell, only what was being done.
const PLACELESS: [&str; 8] =
    ["pipe2", "socketpair", "eventfd2", "epoll_create1", "memfd_create", "signalfd4", "timerfd_create", "clone3"];

/// Calls whose failure means that nothing is known of what was written.
const FLUSHES: [&str; 3] = ["fsync", "fdatasync", "syncfs"];

/// `operation:call:fate:number`
pub(crate) fn points(stage: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    must("strace", &["-V"]).map_err(|_| "needs strace".to_owned())?;
    let mut groups = Vec::new();
    for operation in Operation::ALL {
        let counts = counts(stage, operation)?;
        for (fate, _, to) in FATES {
            for (call, _) in CALLS.iter().filter(|(_, does)| does.contains(|what| to.contains(what))) {
                let most = counts.get(*call).copied().unwrap_or(0);
                groups.push((1..=most).map(|number| format!("{operation}:{call}:{fate}:{number}")).collect::<Vec<_>>());
            }
        }
    }
    Ok(chosen(groups, amount, random))
}

/// Chooses points: one of each group, then another one of each. Calls that are seldom made fail as seldom otherwise.
fn chosen(mut groups: Vec<Vec<String>>, amount: usize, random: &mut Rng) -> Vec<String> {
    if amount >= groups.iter().map(Vec::len).sum() {
        return groups.concat();
    }
    random.shuffle(&mut groups);
    groups.iter_mut().for_each(|group| random.shuffle(group));
    let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
    let rounds = (0..longest).flat_map(|round| groups.iter().filter_map(move |group| group.get(round)));
    rounds.take(amount).cloned().collect()
}

/// Returns how often each call is made by the thread that makes it most often.
fn counts(stage: &Stage, operation: Operation) -> Result<BTreeMap<String, u32>, String> {
    let place = stage.fresh()?;
    let log = stage.dir.join("calls.log");
    let all: BTreeSet<&str> = CALLS.iter().map(|(call, _)| *call).collect();
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
    command.args(["-f", "-y", "--seccomp-bpf", "-qq", "-o"]).arg(log);
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
    let traced_calls = if FLUSHES.contains(&call) { FLUSHES.join(",") } else { call.to_owned() };
    let (trace, inject) = (format!("trace={traced_calls}"), format!("inject={call}:{what}:when={number}"));
    let read = || fs::read_to_string(&log).unwrap_or_default();
    let running = Running::start(traced(stage, operation, &place, &log, &[&trace, &inject]), &stage.dir)?;
    let ended = running.end_unless(|| is_impossible(&read(), fate))?;
    let log = read();
    let mut verdict =
        Verdict { is_struck: log.contains("(INJECTED)") || log.contains("SIGKILL"), ..Verdict::default() };
    if is_impossible(&log, fate) {
        // Whatever became of it, it is no news of a machine that there is.
        drop(process::leftovers());
        return Ok(Verdict::default());
    }
    // Before `main` it is the loader that fails, in its own words.
    let is_loading = ended.stderr.contains("error while loading shared libraries");
    let is_killed = fate == "KILL" && ended.signal.is_some();
    if !is_killed && !is_loading && (fate != "KILL" || ended.code != Some(0)) {
        judge(&mut verdict, stage, operation, &ended, fate, known.1);
    }
    if is_silenced(&log) {
        // The code is all that can be told where what was said did not arrive; 3 is that of a command that met the error itself.
        let by_command = format!("{operation} ended with exit code 3");
        let unsaid = ["no message", "the cause is", "the place is", by_command.as_str()];
        verdict.breaches.retain(|breach| !unsaid.iter().any(|what| breach.what.starts_with(what)));
    }
    if PLACELESS.contains(&call) {
        verdict.breaches.retain(|breach| !breach.what.starts_with("the place is not told"));
    }
    if FLUSHES.contains(&call)
        && fate != "KILL"
        && ended.code == Some(0)
        && let Some(line) = failure_below(&log)
    {
        verdict.breach(Class::Damaged, format!("acknowledged although a flush has failed: {line}"));
    }
    let app = operation == Operation::Build && ended.stdout.trim() == stage.app;
    verdict.check(stage, &place, app, false)?;
    Ok(verdict)
}

/// Whether a call failed as it never does, and so proves nothing: with a disk's error where there is no disk, or at all where
/// a counter is raised that is far from full (eventfd(2); the async runtime takes for granted that it can wake its threads, and
/// waits for ever where it cannot).
fn is_impossible(log: &str, fate: &str) -> bool {
    let never = |line: &str| match fate {
        "ENOSPC" | "EDQUOT" | "EIO" | "EROFS" => {
            ["<anon_inode:", "<pipe:", "<socket:"].iter().any(|place| line.contains(place))
        }
        "KILL" => false,
        _ => line.contains("write(") && line.contains("<anon_inode:[eventfd]>"),
    };
    log.lines().filter(|line| line.contains("(INJECTED)")).any(never)
}

/// Whether a message of the program was among the writes that failed: every thread counts its own calls, so two things may go
/// wrong at one point.
fn is_silenced(log: &str) -> bool {
    log.lines().any(|line| line.contains("(INJECTED)") && line.contains("write(2<"))
}

/// Returns a flush that failed and that an acknowledgement rests on. SQLite flushes the directory of its files with the first commit
/// that is to last, and takes no notice of the answer; for that reason the store has flushed it before, and that counts.
fn failure_below(log: &str) -> Option<&str> {
    // `12 fsync(7</a/directory>) = 0`
    let flushed = |line: &str| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned());
    let mut before = BTreeSet::new();
    for (number, line) in log.lines().enumerate() {
        let Some(place) = flushed(line) else { continue };
        // What was interrupted has lost nothing, and is done again.
        let is_done = |later: &str| later.ends_with("= 0") && flushed(later).as_ref() == Some(&place);
        if line.contains("EINTR") && log.lines().skip(number).any(is_done) {
            continue;
        }
        if line.contains("(INJECTED)") && !(Path::new(&place).is_dir() && before.contains(&place)) {
            return Some(line);
        }
        if line.ends_with("= 0") {
            before.insert(place);
        }
    }
    None
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
    let causes: &[&str] = match fate {
        "KILL" => &["ended", "gone", "killed", "lost", "signal"],
        // pthread_create(3) has one word for a thread that cannot be had.
        "ENOMEM" => &[text, "Resource temporarily unavailable"],
        _ => &[text],
    };
    verdict.judge(stage, operation, ended, causes);
}
