// SPDX-License-Identifier: Apache-2.0
//! Commands that want more than they may have.
//!
//! Where a limit cannot be kept, that is said and nothing runs: ordinary users without a control group of their own.

use std::path::{Path, PathBuf};

use wythe_sandbox::{Ending, Exceeded, Limits, Mount, MountSource, Resource, Stdio};
use wythe_sys::cancel::Cancel;

use crate::support::{Ran, Sand, chain, driver, new_driver};

crate::tests![
    a_memory_hog_dies_with_all_its_processes,
    too_little_memory_to_begin_is_the_limit_too,
    a_fork_bomb_dies_alone,
    threads_are_counted,
    what_stays_within_its_limits_is_not_disturbed,
    what_has_no_limits_gets_no_group,
    the_share_of_processors_is_what_was_asked_for,
    a_killed_keeper_s_group_is_swept,
    a_group_is_somebody_s_from_its_beginning_to_its_end,
    a_limit_that_cannot_be_kept_runs_nothing,
];

const MEMORY: u64 = 48 << 20;

fn limits(memory: Option<u64>, pids: Option<u32>) -> Limits {
    Limits { memory, pids, ..Limits::default() }
}

/// Runs with limits; `None` where they cannot be kept, and that was said.
fn run(sand: Sand, limits: Limits, watch: &mut dyn FnMut()) -> Option<Ran> {
    let mut sand = sand.with_limits(limits);
    sand.request.tuning.timeout = Some(std::time::Duration::from_secs(60));
    let ran = sand.run_until(&Cancel::new().unwrap(), &mut |_, _| watch());
    match driver().check(&limits) {
        Ok(()) => Some(ran.unwrap()),
        Err(refused) => {
            let refusal = chain(&ran.expect_err("the run was refused"));
            assert_eq!(refusal, format!("cannot set up the sandbox: {}", chain(&refused)));
            assert!(std::fs::read_dir(sand.path("upper")).unwrap().next().is_none(), "something ran");
            None
        }
    }
}

fn exceeded(resource: Resource, limit: u64) -> Ending {
    Ending::Exceeded(Exceeded { resource, limit })
}

/// The process that has `mark` among its arguments.
fn process_of(mark: &str) -> PathBuf {
    let processes = || std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let is_it = |process: &PathBuf| {
        let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    };
    // One that is about to become another program has no arguments for a moment.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if let Some(process) = processes().find(is_it) {
            return process;
        }
        assert!(std::time::Instant::now() < deadline, "there is no process");
    }
}

/// The groups, as the machine names them, of that process.
fn groups_of(mark: &str) -> Vec<PathBuf> {
    let listed = std::fs::read_to_string(process_of(mark).join("cgroup")).unwrap();
    let run = listed.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let run = run.filter(|(_, path)| path.contains("/wythe.run-"));
    let mounted = |(controllers, path): (&str, &str)| {
        let tops = [controllers, "unified", ""].map(|top| Path::new("/sys/fs/cgroup").join(top));
        let mut places = tops.into_iter().map(|top| top.join(path.trim_start_matches('/')));
        places.find(|place| place.join("cgroup.procs").exists())
    };
    run.filter_map(mounted).collect()
}

fn mark(trial: u32) -> String {
    format!("9{}6655.{trial}", std::process::id())
}

fn a_memory_hog_dies_with_all_its_processes() {
    let mark = mark(1);
    // Process 1 only waits: that one of the others is killed would not end it. The hog waits until it was looked at.
    let script = "echo up; until [ -e /srv/seen ]; do sleep 0.01; done; /inside inside hog & wait; echo survived";
    let signs = tempfile::tempdir().unwrap();
    let sand = Sand::sh(&format!("sleep {mark} & {script}")).with(|inputs| {
        let source = MountSource::Bind { path: signs.path().to_owned(), subpath: String::new(), read_only: true };
        inputs.mounts.push(Mount { target: "/srv".to_owned(), source });
    });
    let mut groups = Vec::new();
    let mut look = || {
        groups = groups_of(&mark);
        std::fs::write(signs.path().join("seen"), "").unwrap();
    };
    let Some(ran) = run(sand, limits(Some(MEMORY), None), &mut look) else { return };
    assert_eq!((ran.ending, ran.stdout.as_str()), (exceeded(Resource::Memory, MEMORY), "up\n"));
    assert!(!groups.is_empty() && !groups.iter().any(|group| group.exists()), "{groups:?}");
}

fn too_little_memory_to_begin_is_the_limit_too() {
    // A command of a runtime gets its limits when it is ready to begin.
    if crate::support::runtime().is_some() {
        return;
    }
    let Some(ran) = run(Sand::sh("true"), limits(Some(256 << 10), None), &mut || ()) else { return };
    assert_eq!(ran.ending, exceeded(Resource::Memory, 256 << 10));
}

fn a_fork_bomb_dies_alone() {
    let sand = Sand::sh("i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; wait");
    let Some(ran) = run(sand, limits(None, Some(32)), &mut || ()) else { return };
    assert_eq!(ran.ending, exceeded(Resource::Pids, 32));
    // The real thing, now that it is known to be held.
    let sand = Sand::sh("bomb() { bomb | bomb & }; bomb; sleep 1000");
    let ran = run(sand, limits(None, Some(32)), &mut || ()).unwrap();
    assert_eq!(ran.ending, exceeded(Resource::Pids, 32));
}

fn threads_are_counted() {
    let Some(ran) = run(Sand::ask("threads"), limits(None, Some(32)), &mut || ()) else { return };
    assert_eq!(ran.ending, exceeded(Resource::Pids, 32));
}

fn what_stays_within_its_limits_is_not_disturbed() {
    let sand = Sand::sh("(sleep 0; echo one) | cat; cat /proc/self/cgroup | cut -d: -f3 | sort -u; exit 3");
    let limits = Limits { cpu: Some(1500), memory: Some(MEMORY), pids: Some(32) };
    let Some(ran) = run(sand, limits, &mut || ()) else { return };
    assert_eq!(ran.ending, Ending::Exited(3));
    // It sees its groups as the roots of all.
    assert_eq!(ran.stdout, "one\n/\n");
}

/// Not of a runtime either: it would put it where we do not look, and enable for it what others then have to do with.
fn what_has_no_limits_gets_no_group() {
    let mark = mark(5);
    let cancel = Cancel::new().unwrap();
    // What is in ours moves one level down when another test asks for a limit.
    let listed = |process: &Path| {
        let listed = std::fs::read_to_string(process.join("cgroup")).unwrap();
        let places = listed.lines().map(|line| line.trim_end_matches("wythe.main").trim_end_matches('/').to_owned());
        places.collect::<Vec<_>>()
    };
    let mut groups = Vec::new();
    let ran = Sand::sh(&format!("sleep {mark} & echo up; wait")).run_until(&cancel, &mut |_, _| {
        groups = listed(&process_of(&mark));
        cancel.cancel();
    });
    assert_eq!(ran.unwrap().ending, Ending::Cancelled);
    assert_eq!(groups, listed(Path::new("/proc/self")));
}

fn the_share_of_processors_is_what_was_asked_for() {
    let mark = mark(2);
    let limits = Limits { cpu: Some(500), ..Limits::default() };
    if driver().check(&limits).is_err() {
        return;
    }
    let cancel = Cancel::new().unwrap();
    let mut set = Vec::new();
    let ran = Sand::sh(&format!("echo up; sleep {mark}")).with_limits(limits).run_until(&cancel, &mut |_, _| {
        let files = ["cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.max"];
        let groups = groups_of(&mark);
        let files = groups.iter().flat_map(|group| files.map(|name| group.join(name)));
        set = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        cancel.cancel();
    });
    assert_eq!(ran.unwrap().ending, Ending::Cancelled);
    assert_eq!(set.concat().split_whitespace().collect::<Vec<_>>(), ["50000", "100000"]);
}

fn a_killed_keeper_s_group_is_swept() {
    let mark = mark(3);
    let sand = Sand::sh(&format!("sleep {mark} & echo up; wait"));
    let limits = limits(None, Some(32));
    if driver().check(&limits).is_err() {
        return;
    }
    let mut groups = Vec::new();
    let lost = sand.with_limits(limits).run_until(&Cancel::new().unwrap(), &mut |_, _| {
        groups = groups_of(&mark);
        let name = groups[0].file_name().unwrap().to_string_lossy().into_owned();
        let keeper: i32 = name.trim_start_matches("wythe.run-").split('-').next().unwrap().parse().unwrap();
        let keeper = rustix::process::Pid::from_raw(keeper).unwrap();
        rustix::process::kill_process(keeper, rustix::process::Signal::KILL).unwrap();
    });
    assert_eq!(chain(&lost.unwrap_err()), "the sandbox was killed from outside");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // The kernel may still be putting the command away when its keeper is gone.
    while groups.iter().any(|group| group.exists()) {
        assert!(std::time::Instant::now() < deadline, "{groups:?} stay");
        // A driver sweeps when it begins.
        let next = new_driver();
        next.run(&Sand::sh("true").request, Stdio::Captured(&mut |_, _| ()), &Cancel::new().unwrap()).unwrap();
    }
}

/// A sweep beside it would take one that has no process yet, or no longer.
fn a_group_is_somebody_s_from_its_beginning_to_its_end() {
    let mark = mark(4);
    let sand = Sand::sh(&format!("sleep {mark} & echo up; wait"));
    let limits = limits(None, Some(32));
    let is_limited = driver().check(&limits).is_ok();
    let sand = if is_limited { sand.with_limits(limits) } else { sand };
    let cancel = Cancel::new().unwrap();
    let mut groups = Vec::new();
    let ran = sand.run_until(&cancel, &mut |_, _| {
        for group in groups_of(&mark) {
            let open = std::fs::File::open(&group).unwrap();
            let taken = rustix::fs::flock(&open, rustix::fs::FlockOperation::NonBlockingLockExclusive);
            groups.push((group, taken));
        }
        cancel.cancel();
    });
    assert_eq!(ran.unwrap().ending, Ending::Cancelled);
    assert!(!groups.is_empty() || !is_limited, "there is no group to look at");
    for (group, taken) in groups {
        assert_eq!(taken, Err(rustix::io::Errno::WOULDBLOCK), "{} is nobody's", group.display());
        assert!(!group.exists(), "{} stays", group.display());
    }
}

fn a_limit_that_cannot_be_kept_runs_nothing() {
    let limits = limits(Some(MEMORY), None);
    let Err(refused) = driver().check(&limits) else { return };
    let refused = chain(&refused);
    assert!(refused.starts_with("the limit of `memory` cannot be kept here: "), "{refused}");
    assert!(run(Sand::sh("touch /srv/ran"), limits, &mut || ()).is_none());
}
