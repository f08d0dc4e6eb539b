// SPDX-License-Identifier: Apache-2.0
//! Programs: started, watched, and looked for when they should be gone.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How long anything may take. The scenario takes less than a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// After how long, and then how often, it is asked whether waiting is of any use.
const DOUBT: Duration = Duration::from_secs(5);

/// How long the kernel gets to end the processes of a sandbox whose owner is gone.
const GRACE: Duration = Duration::from_secs(5);

/// Exit code where a signal has ended it.
const INTERRUPTED: u8 = 130;

/// Tells the second start of the program that it is in a namespace of its own.
pub(crate) const INSIDE: &str = "--inside-own-mounts";

/// How a program ended and what it wrote.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) time: Duration,
}

impl Ended {
    pub(crate) fn is_hung(&self) -> bool {
        self.time >= PATIENCE
    }

    /// Says how it ended, with the end of what it said.
    pub(crate) fn describe(&self) -> String {
        let how = match (self.code, self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (_, Some(signal)) => format!("signal {signal}"),
            _ => "an unknown ending".to_owned(),
        };
        let said: Vec<&str> = self.stderr.lines().rev().take(6).collect();
        format!("{how}: {}", said.into_iter().rev().collect::<Vec<_>>().join(" / "))
    }

    pub(crate) fn ok(self) -> Result<Self, String> {
        if self.code == Some(0) { Ok(self) } else { Err(self.describe()) }
    }
}

/// A program that runs. Its output goes to files, since what it leaves behind might hold a pipe open.
pub(crate) struct Running {
    child: Child,
    begun: Instant,
    output: [PathBuf; 2],
}

impl Running {
    pub(crate) fn start(mut command: Command, scratch: &Path) -> Result<Self, String> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let output = ["out", "err"].map(|name| scratch.join(format!("{name}-{number}")));
        let file = |path: &PathBuf| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
        command.stdin(Stdio::null()).stdout(file(&output[0])?).stderr(file(&output[1])?);
        let child = command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Self { child, begun: Instant::now(), output })
    }

    /// Ends it at once, unless it has ended by itself.
    pub(crate) fn kill(&mut self) {
        // The one error is that it has been waited for.
        drop(self.child.kill());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for the end, which comes at the latest when patience does.
    pub(crate) fn end(self) -> Result<Ended, String> {
        self.end_unless(|| false)
    }

    /// The same, and ends it where it takes long and `is_in_vain` says that its end does not matter.
    pub(crate) fn end_unless(mut self, is_in_vain: impl Fn() -> bool) -> Result<Ended, String> {
        let mut pause = Duration::from_micros(200);
        let mut doubt = DOUBT;
        let status = loop {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                break status;
            }
            if self.begun.elapsed() >= PATIENCE {
                self.kill();
            } else if self.begun.elapsed() >= doubt {
                doubt += DOUBT;
                if is_in_vain() {
                    self.kill();
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        let text = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            // What is left over is removed with the scratch directory.
            drop(fs::remove_file(path));
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let [stdout, stderr] = self.output.each_ref().map(text);
        Ok(Ended { code: status.code(), signal: status.signal(), stdout, stderr, time: self.begun.elapsed() })
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: Command, scratch: &Path) -> Result<Ended, String> {
    Running::start(command, scratch)?.end()
}

/// Runs another program, which must end well.
pub(crate) fn must<S: AsRef<std::ffi::OsStr>>(program: &str, args: &[S]) -> Result<String, String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
    Err(format!("`{program} {}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// Starts the program again in a mount namespace of its own, and returns how that ended; none where it is in one.
///
/// What it works with lies in a directory of `dir` that is removed in the end, however it ends: its mounts have ended with it.
pub(crate) fn in_own_mounts(dir: &Path) -> Result<Option<ExitCode>, String> {
    let watched = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let watched: SigSet = watched.into_iter().collect();
    if std::env::args_os().nth(1).is_some_and(|arg| arg == INSIDE) {
        // What is blocked outside is blocked in here, too, and in all that is started from here.
        return watched.thread_unblock().map(|()| None).map_err(|error| error.to_string());
    }
    must("unshare", &["--mount", "true"]).map_err(|_| "needs the right to mount: run it as root".to_owned())?;
    let failed = |error: std::io::Error| error.to_string();
    let this = std::env::current_exe().map_err(failed)?;
    let scratch = tempfile::Builder::new().prefix("faultbench-").tempdir_in(dir).map_err(failed)?;
    watched.thread_block().map_err(|error| error.to_string())?;
    let mut inside = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(this)
        .arg(INSIDE)
        .args(std::env::args_os().skip(1))
        .arg("--dir")
        .arg(scratch.path())
        .spawn()
        .map_err(failed)?;
    loop {
        match watched.wait().map_err(|error| error.to_string())? {
            Signal::SIGCHLD => {
                let Some(status) = inside.try_wait().map_err(failed)? else { continue };
                scratch.close().map_err(failed)?;
                let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(INTERRUPTED);
                return Ok(Some(ExitCode::from(code)));
            }
            // Where the terminal has told it as well, twice is as good as once.
            signal => drop(kill(Pid::from_raw(inside.id().cast_signed()), signal)),
        }
    }
}

/// Makes this process the parent of whatever loses its own, so that it can be found.
pub(crate) fn adopt_orphans() -> Result<(), String> {
    nix::sys::prctl::set_child_subreaper(true).map_err(|error| error.to_string())
}

/// Waits for all adopted processes and returns those that do not end by themselves, which are ended then. Nothing that
/// was started on purpose may be running.
pub(crate) fn leftovers() -> Vec<String> {
    let begun = Instant::now();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(_) => return Vec::new(),
            Ok(WaitStatus::StillAlive) if begun.elapsed() < GRACE => std::thread::sleep(Duration::from_millis(1)),
            Ok(WaitStatus::StillAlive) => break,
            Ok(_) => {}
        }
    }
    let stay = children();
    for (pid, _) in &stay {
        let _ = kill(*pid, Signal::SIGKILL);
        let _ = waitpid(*pid, None);
    }
    stay.into_iter().map(|(pid, name)| format!("process {pid} {name}")).collect()
}

fn children() -> Vec<(Pid, String)> {
    let mut found = Vec::new();
    let me = std::process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // proc(5): the name in parentheses, the state, the parent.
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        if rest.split(' ').nth(1) == Some(me.as_str()) {
            found.push((Pid::from_raw(pid), name.to_owned()));
        }
    }
    found
}
