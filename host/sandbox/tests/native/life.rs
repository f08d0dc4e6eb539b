// SPDX-License-Identifier: Apache-2.0
//! Beginning and end: what is not executed, what is killed, what is left.

use std::process::Command;
use std::time::{Duration, Instant};

use wythe_sandbox::{Ending, Native, RunError, Sandbox as _, Stdio, Stream};
use wythe_sys::cancel::Cancel;

use crate::support::{Sand, new_driver};

crate::tests![
    a_missing_program_is_said_to_be_missing,
    a_program_that_cannot_run_says_why,
    the_first_program_on_the_path_runs,
    a_missing_working_directory_is_said_to_be_missing,
    time_that_is_up_ends_a_run,
    cancelling_kills_a_daemon_in_a_session_of_its_own,
    a_cancelled_run_does_not_start,
    daemons_die_with_the_command,
    a_stopped_command_can_be_cancelled,
    the_caller_s_death_is_the_command_s,
    a_sink_that_panics_leaves_nothing_behind,
    a_keeper_that_ends_before_it_hears_the_request_is_told,
    the_keeper_that_waits_for_the_next_run_may_be_ended,
    nothing_waits_for_runs_of_a_driver_that_is_gone,
];

/// How many processes of the machine have `mark` among their arguments.
fn census(mark: &str) -> usize {
    let has_mark = |entry: std::fs::DirEntry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|entry| entry.file_name().to_string_lossy() != std::process::id().to_string())
        .map(has_mark)
        .filter(|is| *is)
        .count()
}

/// A time that nobody else sleeps for: the suite runs several times at once, as root and as ordinary users.
fn mark_of(process: u32, trial: u32) -> String {
    format!("9{process}8877.{trial}")
}

fn a_missing_program_is_said_to_be_missing() {
    let cases = [
        ("foo", "no such program `foo` on the path `/bin`"),
        ("/bin/foo", "no such program `/bin/foo`"),
        ("./foo/bar", "no such program `./foo/bar`"),
        ("", "the command is empty"),
    ];
    for (program, expected) in cases {
        let refusal = Sand::new(&[program]).refusal();
        assert_eq!(refusal, format!("cannot set up the sandbox: {expected}"));
    }
    assert_eq!(Sand::new(&[]).refusal(), "cannot set up the sandbox: the command is empty");
    let zero = Sand::new(&["echo", "a\0b"]).refusal();
    assert_eq!(zero, "cannot set up the sandbox: a zero byte in the argument `a\0b`");
}

fn a_program_that_cannot_run_says_why() {
    let script = "echo hello > /srv/plain; chmod 755 /srv/plain; echo > /srv/denied; mkdir /srv/dir
        printf '#!/no/such/interpreter\n' > /srv/orphan; chmod 755 /srv/orphan";
    let sand = Sand::sh(script);
    sand.prints();
    let cases = [
        ("/srv/plain", "`/srv/plain` is not a program of this machine, nor a script that begins with `#!`"),
        ("/srv/denied", "permission to execute `/srv/denied` is denied"),
        ("/srv/dir", "permission to execute `/srv/dir` is denied"),
        ("/srv/orphan", "the interpreter or dynamic loader of `/srv/orphan` is missing"),
    ];
    let mut request = sand;
    for (program, expected) in cases {
        request = request.with(|inputs| inputs.argv = vec![program.into()]);
        assert_eq!(request.refusal(), format!("cannot set up the sandbox: {expected}"));
    }
}

fn the_first_program_on_the_path_runs() {
    let script = "mkdir /srv/a /srv/b; for d in a b; do printf '#!/bin/sh\necho '$d > /srv/$d/tool; done
        chmod 755 /srv/b/tool; chmod 644 /srv/a/tool";
    let sand = Sand::sh(script);
    sand.prints();
    let sand = sand.with(|inputs| {
        inputs.argv = vec!["tool".into()];
        inputs.env.insert("PATH".into(), "/nowhere:/srv/a:/srv/b:/bin".into());
    });
    assert_eq!(sand.prints(), "b\n");
}

fn a_missing_working_directory_is_said_to_be_missing() {
    assert_eq!(Sand::sh("pwd").with(|inputs| inputs.workdir = "/home/app".into()).prints(), "/home/app\n");
    let cases = ["/nowhere", "/etc/passwd", "/proc/self/fd/7", "/proc/1/cwd", "/proc/self/root"];
    for path in cases {
        let refusal = Sand::sh("pwd").with(|inputs| inputs.workdir = path.into()).refusal();
        let expected = format!("cannot set up the sandbox: cannot enter the working directory `{path}`: ");
        assert!(refusal.starts_with(&expected), "{refusal}");
    }
}

fn time_that_is_up_ends_a_run() {
    let mut sand = Sand::sh("echo begun; sleep 1000");
    // A slow machine, and a runtime, take their time to begin.
    for timeout in [300, 3000, 30_000].map(Duration::from_millis) {
        sand.request.tuning.timeout = Some(timeout);
        let ran = sand.run().unwrap();
        assert_eq!(ran.ending, Ending::TimedOut);
        assert!(ran.outcome.usage.wall >= timeout);
        if ran.stdout == "begun\n" {
            return;
        }
    }
    panic!("it did not begin");
}

fn cancelling_kills_a_daemon_in_a_session_of_its_own() {
    let mark = mark_of(std::process::id(), 1);
    let script = format!("trap '' TERM INT HUP; (setsid sh -c 'trap \"\" TERM; sleep {mark} & wait' &) & sleep {mark}");
    let cancel = Cancel::new().unwrap();
    let sand = Sand::sh(&format!(
        "({script}) & while ! pgrep -f setsid.sh >/dev/null && ! pgrep sleep >/dev/null; do :; done; echo up; wait; sleep 1000"
    ));
    let ran = sand.run_until(&cancel.clone(), &mut |_, _| cancel.cancel()).unwrap();
    assert_eq!((ran.ending, census(&mark)), (Ending::Cancelled, 0));
}

fn a_cancelled_run_does_not_start() {
    let cancel = Cancel::new().unwrap();
    cancel.cancel();
    let sand = Sand::sh("echo hello > /srv/written");
    let ran = sand.run_until(&cancel, &mut |_, _| ()).unwrap();
    assert_eq!((ran.ending, sand.path("upper/srv").exists()), (Ending::Cancelled, false));
}

fn daemons_die_with_the_command() {
    let mark = mark_of(std::process::id(), 2);
    let script = format!("(setsid sleep {mark} </dev/null >/dev/null 2>&1 &) ; (sleep {mark} &) ; exit 3");
    let ran = Sand::sh(&script).run().unwrap();
    assert_eq!((ran.ending, census(&mark)), (Ending::Exited(3), 0));
}

fn a_stopped_command_can_be_cancelled() {
    let cancel = Cancel::new().unwrap();
    let sand = Sand::sh("sh -c 'echo up; kill -STOP $$'; sleep 1000");
    let ran = sand.run_until(&cancel.clone(), &mut |_, _| cancel.cancel()).unwrap();
    assert_eq!(ran.ending, Ending::Cancelled);
}

/// The suite kills a copy of itself that waits for a run.
fn the_caller_s_death_is_the_command_s() {
    if let Ok(mark) = std::env::var("WYTHE_TEST_DIE") {
        let sand = Sand::sh(&format!("echo up; sleep {mark}"));
        drop(sand.run_until(&Cancel::new().unwrap(), &mut |_, _| {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }));
        return;
    }
    let mark = mark_of(std::process::id(), 3);
    let status = Command::new("/proc/self/exe")
        .args(["--exact", "native::life::the_caller_s_death_is_the_command_s"])
        .env("WYTHE_TEST_DIE", &mark)
        .status()
        .unwrap();
    assert!(!status.success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while census(&mark) > 0 {
        assert!(Instant::now() < deadline, "the command outlived its caller");
        std::thread::yield_now();
    }
}

fn a_sink_that_panics_leaves_nothing_behind() {
    let mark = mark_of(std::process::id(), 4);
    let sand = Sand::sh(&format!("echo up; sleep {mark}"));
    let run = || -> Result<_, RunError> { sand.run_until(&Cancel::new().unwrap(), &mut |_, _| panic!("full")) };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    assert!(panicked.is_err());
    assert_eq!(census(&mark), 0);
}

/// The request is longer than what a socket holds, so that it cannot be sent to somebody who is not there.
fn a_keeper_that_ends_before_it_hears_the_request_is_told() {
    let sand = Sand::new(&["true", &"x".repeat(1 << 20)]);
    let mut sink = |_: Stream, _: &[u8]| ();
    let run = |program: &str, sink: &mut dyn FnMut(Stream, &[u8])| {
        Native::new(program.into()).run(&sand.request, Stdio::Captured(sink), &Cancel::new().unwrap())
    };
    let error = run("/bin/false", &mut sink).unwrap_err();
    assert_eq!(error.to_string(), "the sandbox ended without saying why (exit status 1)");
    // One that ends well and says nothing has been replaced by something else.
    assert_eq!(
        run("/bin/true", &mut sink).unwrap_err().to_string(),
        "the sandbox ended without saying why (exit status 0)"
    );
}

/// The keepers that this thread has started and that have not ended, without those of the driver that all tests share.
fn keepers(others: &[rustix::process::Pid]) -> Vec<rustix::process::Pid> {
    let task = rustix::thread::gettid().as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/self/task/{task}/children")).unwrap();
    let is_keeper = |pid: &&str| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(wythe_sandbox::INIT_ARGUMENT)
    };
    let pids = children.split_whitespace().filter(is_keeper).map(|pid| pid.parse().unwrap());
    pids.filter_map(rustix::process::Pid::from_raw).filter(|pid| !others.contains(pid)).collect()
}

fn runs(driver: &dyn wythe_sandbox::Sandbox) {
    let sand = Sand::sh("true");
    let outcome = driver.run(&sand.request, Stdio::Captured(&mut |_, _| ()), &Cancel::new().unwrap());
    assert_eq!(outcome.unwrap().ending, Ending::Exited(0));
}

fn the_keeper_that_waits_for_the_next_run_may_be_ended() {
    let others = keepers(&[]);
    let driver = new_driver();
    runs(&*driver);
    runs(&*driver);
    let deadline = Instant::now() + Duration::from_secs(20);
    // Those of the runs are still leaving.
    let waiting = loop {
        match keepers(&others)[..] {
            [one] => break one,
            _ => assert!(Instant::now() < deadline, "{:?} wait", keepers(&others)),
        }
    };
    rustix::process::kill_process(waiting, rustix::process::Signal::KILL).unwrap();
    let stat = format!("/proc/{}/stat", waiting.as_raw_nonzero());
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::yield_now();
    }
    runs(&*driver);
    assert!(!std::path::Path::new(&stat).exists(), "nobody has waited for it");
}

fn nothing_waits_for_runs_of_a_driver_that_is_gone() {
    let others = keepers(&[]);
    let driver = new_driver();
    runs(&*driver);
    runs(&*driver);
    assert!(!keepers(&others).is_empty());
    drop(driver);
    assert_eq!(keepers(&others), []);
}
