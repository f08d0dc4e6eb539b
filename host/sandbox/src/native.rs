// SPDX-License-Identifier: Apache-2.0
//! The driver that needs nothing but the kernel: it executes its own binary again.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio as Descriptor};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use wythe_sys::cancel::Cancel;
use wythe_sys::mount::{self, Restrictions};

use crate::oci::Runtime;
use crate::wire::{self, Heard, Input, Receiver, Report, Start};
use crate::{
    Ending, INIT_ARGUMENT, Limits, Resource, RunError, RunOutcome, RunRequest, Sandbox, SetupError, Stdio, Usage,
    cgroup,
};

mod captured;
mod spare;
mod terminal;

use spare::Spare;

/// Runs commands in namespaces of the kernel.
#[derive(Debug)]
pub struct Native {
    program: PathBuf,
    protected: OnceLock<Option<OwnedFd>>,
    swept: Once,
    spare: Spare,
    /// Keepers that have said all and are ending.
    leaving: Mutex<Vec<Child>>,
}

impl Native {
    /// A driver that executes `program` with [`INIT_ARGUMENT`] for each run; `program` must then call
    /// [`crate::init_main`]. Usually it is `/proc/self/exe`.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        let (spare, leaving) = (Spare::new(), Mutex::new(Vec::new()));
        Self { program, protected: OnceLock::new(), swept: Once::new(), spare, leaving }
    }

    /// The program by a name through which it cannot be changed: a command that is told to execute `/proc/self/exe`
    /// as its interpreter would otherwise hold a writable reference to our binary (CVE-2019-5736).
    fn program(&self) -> PathBuf {
        let view = || {
            let tree = mount::clone_path(&self.program, false)?;
            mount::restrict(&tree, Restrictions { read_only: true, no_dev: true, no_suid: true, no_exec: false })?;
            io::Result::Ok(tree)
        };
        // Without the right to mount, the run itself is about to say so.
        match self.protected.get_or_init(|| view().ok()) {
            Some(tree) => mount::name_of(tree).into(),
            None => self.program.clone(),
        }
    }

    fn spawn(&self, output: [Descriptor; 2]) -> Result<Running, RunError> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| start("create a socket")(error.into()))?;
        let [stdout, stderr] = output;
        let keeper = Command::new(self.program())
            .arg0("wythe")
            .arg(INIT_ARGUMENT)
            .env_clear()
            .stdin(theirs)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .map_err(start("execute the program that sets it up"))?;
        let (receiver, heard) = (Receiver::default(), Reports::default());
        Ok(Running { keeper: Some(keeper), socket: ours, receiver, heard, stopped: None })
    }

    /// Leaves a keeper that has said all to end by itself: nothing of the run is left but its memory, and the next run
    /// need not wait until the kernel has put that away.
    fn see_off(&self, keeper: Option<Child>) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.extend(keeper);
        leaving.retain_mut(|keeper| matches!(keeper.try_wait(), Ok(None)));
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        for keeper in self.leaving.get_mut().unwrap_or_else(PoisonError::into_inner) {
            drop(keeper.wait());
        }
    }
}

impl Native {
    /// Runs the command, by a runtime if there is one.
    pub(crate) fn run_by(
        &self,
        runtime: Option<Cow<'_, Runtime>>,
        request: &RunRequest,
        stdio: Stdio<'_>,
        cancel: &Cancel,
    ) -> Result<RunOutcome, RunError> {
        let began = Instant::now();
        if cancel.is_cancelled() {
            return Ok(RunOutcome { ending: Ending::Cancelled, usage: Usage::default() });
        }
        self.swept.call_once(cgroup::sweep);
        // A timeout too long for the clock is none.
        let deadline = request.tuning.timeout.and_then(|timeout| began.checked_add(timeout));
        let bounds = Bounds { deadline, cancel };
        let order = Order { request, runtime };
        let running = match stdio {
            Stdio::Captured(sink) => captured::run(self, &order, sink, &bounds)?,
            Stdio::Inherited => terminal::run(self, &order, &bounds)?,
        };
        running.outcome(self, began, &request.tuning.limits)
    }
}

/// What is to be run, and by whom.
struct Order<'a> {
    request: &'a RunRequest,
    runtime: Option<Cow<'a, Runtime>>,
}

impl Sandbox for Native {
    fn run(&self, request: &RunRequest, stdio: Stdio<'_>, cancel: &Cancel) -> Result<RunOutcome, RunError> {
        self.run_by(None, request, stdio, cancel)
    }

    fn check(&self, limits: &Limits) -> Result<(), SetupError> {
        cgroup::check(limits)
    }
}

/// What ends a run early.
struct Bounds<'a> {
    deadline: Option<Instant>,
    cancel: &'a Cancel,
}

impl Bounds<'_> {
    /// Why the run must end now.
    fn reached(&self) -> Option<Ending> {
        if self.cancel.is_cancelled() {
            Some(Ending::Cancelled)
        } else if self.remaining() == Some(Duration::ZERO) {
            Some(Ending::TimedOut)
        } else {
            None
        }
    }

    fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// A run that has been started. Dropping it ends it.
#[derive(Debug)]
struct Running {
    /// Until it is seen off.
    keeper: Option<Child>,
    socket: OwnedFd,
    receiver: Receiver,
    heard: Reports,
    stopped: Option<Ending>,
}

/// What the sandbox has said so far.
#[derive(Debug, Default)]
struct Reports {
    ready: bool,
    failed: Option<SetupError>,
    exceeded: Option<Resource>,
    ended: Option<(Option<i32>, Option<i32>, Usage)>,
    terminal: Option<OwnedFd>,
}

impl Running {
    fn send(&self, order: &Order<'_>, input: Input, stdin: Option<BorrowedFd<'_>>) -> Result<(), RunError> {
        let (inputs, limits) = (Cow::Borrowed(&order.request.inputs), order.request.tuning.limits);
        let message = Start { inputs, input, limits, runtime: order.runtime.clone() };
        match wire::send(&self.socket, &message, stdin) {
            // The keeper has left before it heard all. What it had to say is still to be heard.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(()),
            sent => sent.map_err(start("send the request")),
        }
    }

    /// Takes what the sandbox has to say. False when it has said all.
    fn hear(&mut self) -> Result<bool, RunError> {
        let heard = self.receiver.hear(&self.socket).map_err(start("hear of the command"))?;
        while let Some(report) = self.receiver.next().map_err(start("understand what became of the command"))? {
            match report {
                Report::Terminal => self.heard.terminal = self.receiver.take_fd(),
                Report::Failed(error) => self.heard.failed = Some(error),
                Report::Ended { ready, exceeded, code, signal, user, system, max_rss } => {
                    let usage = Usage { user, system, max_rss, wall: Duration::ZERO };
                    self.heard.ready = ready;
                    self.heard.exceeded = exceeded;
                    self.heard.ended = Some((code, signal, usage));
                }
            }
        }
        Ok(heard != Heard::End && self.heard.ended.is_none())
    }

    /// Hangs up, upon which the keeper kills the command.
    fn stop(&mut self, why: Ending) -> Result<(), RunError> {
        if self.stopped.is_none() {
            self.stopped = Some(why);
            match rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write) {
                // Not connected: the keeper is gone, and the command with it.
                Ok(()) | Err(rustix::io::Errno::NOTCONN) => {}
                Err(error) => return Err(start("stop the command")(error.into())),
            }
        }
        Ok(())
    }

    fn outcome(mut self, native: &Native, began: Instant, limits: &Limits) -> Result<RunOutcome, RunError> {
        let reports = std::mem::take(&mut self.heard);
        let keeper = match (&reports.ended, &mut self.keeper) {
            (None, Some(keeper)) => Some(keeper.wait().map_err(start("wait for the end"))?),
            (_, keeper) => {
                native.see_off(keeper.take());
                None
            }
        };
        let usage = |usage: Usage| Usage { wall: began.elapsed(), ..usage };
        // However the command took it: what it did after that is not what it does.
        if let (Some(exceeded), Some(ended)) = (limits.exceeded(reports.exceeded), reports.ended) {
            return Ok(RunOutcome { ending: Ending::Exceeded(exceeded), usage: usage(ended.2) });
        }
        match (reports.ended, self.stopped, reports.failed) {
            // A command that ended by itself just before it was to be killed did end by itself.
            (Some((Some(code), _, used)), _, None) if reports.ready => {
                Ok(RunOutcome { ending: Ending::Exited(code), usage: usage(used) })
            }
            (ended, Some(stopped), _) => {
                let used = ended.map(|ended| ended.2).unwrap_or_default();
                Ok(RunOutcome { ending: stopped, usage: usage(used) })
            }
            (_, None, Some(error)) => Err(error.into()),
            (Some((_, Some(signal), used)), None, None) if reports.ready => {
                Ok(RunOutcome { ending: Ending::Signaled(signal), usage: usage(used) })
            }
            _ => Err(keeper.and_then(|status| status.code()).map_or(RunError::Lost, |code| RunError::Silent { code })),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After an orderly end all of this does nothing.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        drop(self.keeper.as_mut().map(Child::wait));
    }
}

fn start(what: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::Start { what, source }
}

/// A pause for `poll`; `None` waits for ever.
fn pause(duration: Option<Duration>) -> Option<rustix::event::Timespec> {
    // Rounded up, so that a deadline has passed when the pause is over.
    duration.and_then(|duration| (duration + Duration::from_micros(1)).try_into().ok())
}
