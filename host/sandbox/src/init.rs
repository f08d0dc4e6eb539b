// SPDX-License-Identifier: Apache-2.0
//! The inside: what the re-executed binary does.
//!
//! The *keeper* reads the request, forks the command into a new process id namespace, and waits for the first of two
//! things: that the command ends, or that the caller hangs up, upon which it kills the command. Nothing inside the
//! sandbox can reach the keeper.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
use rustix::thread::UnshareFlags;
use wythe_sys::process::{self, Fork};

use crate::SetupError;
use crate::cgroup::{Alarm, Group};
use crate::wire::{self, Heard, Receiver, Report, Start};

mod command;
mod confine;
mod devices;
mod groups;
mod input;
mod insecure;
mod mounts;
mod program;
mod secret;
mod stack;
mod supervisor;
mod system;
mod traces;

use stack::Stack;
use traces::Traces;

pub(crate) use confine::capabilities;
pub(crate) use insecure::has_devices;
pub(crate) use system::{MASKED_IN_PROC, MASKED_IN_SYS, READ_ONLY_IN_PROC};

/// The first argument by which a binary knows that it is to call [`init_main`] and do nothing else.
pub const INIT_ARGUMENT: &str = "sandbox-init";

/// Exit status of a keeper that could not say what went wrong: nobody listens any more.
const UNHEARD: u8 = 125;

/// Sets a sandbox up and keeps it. To be called at the very beginning of a process that has [`INIT_ARGUMENT`] as its
/// first argument; the request comes through descriptor 0, from a [`crate::Native`].
#[must_use]
pub fn init_main() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(UNHEARD),
    }
}

/// An error means that the caller does not listen: all others have been told to it.
fn keep() -> io::Result<()> {
    let failed = |socket: BorrowedFd<'_>, what: &str, error: io::Error| {
        wire::send(socket, &Report::Failed(SetupError::system(what)(error)), None)
    };
    let socket = match take_socket() {
        Ok(socket) => socket,
        // It is still where it was.
        Err(error) => return failed(io::stdin().as_fd(), "make room for the command's input", error),
    };
    let mut receiver = Receiver::default();
    match prepare().and_then(|()| receive(&socket, &mut receiver)) {
        Err(error) => failed(socket.as_fd(), "take the request over", error),
        Ok(start) => match begin(&socket, start, receiver.take_fd()) {
            Ok(command) => command.watch(&socket).or_else(|error| failed(socket.as_fd(), "follow the command", error)),
            Err(error) => wire::send(&socket, &Report::Failed(error), None),
        },
    }
}

/// Makes this process one that may keep a sandbox.
fn prepare() -> io::Result<()> {
    // What the request holds is nobody's business, whatever becomes of this process.
    process::forbid_core_dumps()?;
    // The command inherits it, and an ignored end of a child could not be waited for.
    process::reset_signals();
    rustix::thread::set_name(c"wythe-sandbox")?;
    // Signals of the caller's terminal are for the caller, who hangs up if it wants to.
    rustix::process::setsid()?;
    Ok(())
}

fn receive(socket: &OwnedFd, receiver: &mut Receiver) -> io::Result<Start<'static>> {
    loop {
        match receiver.next()? {
            Some(start) => return Ok(start),
            None if receiver.hear(socket)? == Heard::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

/// Moves the socket out of the way of what will be the command's input.
fn take_socket() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    let socket = retry_on_intr(|| rustix::io::fcntl_dupfd_cloexec(stdin.as_fd(), 3))?;
    input::replace(0, input::null()?.as_fd())?;
    Ok(socket)
}

/// The process that is to become the command, seen from the keeper.
struct Command {
    pid: Pid,
    life: OwnedFd,
    /// What holds its processes together.
    group: Option<Group>,
    /// Holds a byte if it became the command, or how the command ended that a runtime ran. Nobody is woken up for that.
    ready: OwnedFd,
    /// Where it writes that has secrets, for the case that nobody is left to keep it.
    traces: Traces,
    /// What its network leads out through.
    stack: Option<Stack>,
}

/// Forks the command. In the command's process this does not return.
fn begin(socket: &OwnedFd, start: Start<'_>, input: Option<OwnedFd>) -> Result<Command, SetupError> {
    let keeper = pidfd(getpid()).map_err(SetupError::system("open a descriptor of a process"))?;
    let (ready, tell_ready) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|error| SetupError::system("create a pipe")(error.into()))?;
    let mut group = Group::create(&start.limits)?;
    if start.inputs.insecure && group.is_none() {
        // One of its own, so that what it does to its group is not done to ours. Where there can be none it cannot write there.
        group = Group::unlimited().ok();
    }
    // Outside of the namespace of the command's processes, which are not to see it.
    let stack = Stack::start(&start.inputs.network, &keeper, socket)?;
    let traces = Traces::of(&start.inputs);
    process::unshare(UnshareFlags::NEWPID).map_err(SetupError::system("create a process id namespace"))?;
    match process::fork().map_err(SetupError::system("create a process"))? {
        Fork::Child => {
            let lines = command::Lines { socket, keeper: &keeper, ready: &tell_ready };
            command::become_command(lines, group.as_ref(), start, input)
        }
        Fork::Parent(pid) => {
            let life = pidfd(pid).map_err(SetupError::system("open a descriptor of a process"))?;
            Ok(Command { pid, life, group, ready, traces, stack })
        }
    }
}

fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

impl Command {
    /// Waits for the end, or brings it about when the caller hangs up or a limit is met.
    fn watch(self, socket: &OwnedFd) -> io::Result<()> {
        let alarms = self.group.as_ref().map_or(&[][..], Group::alarms);
        let look = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let look = alarms.iter().any(Alarm::is_silent).then_some(&look);
        let mut exceeded = None;
        loop {
            let mut fds = vec![PollFd::new(&self.life, PollFlags::IN)];
            fds.push(PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP));
            fds.extend(alarms.iter().map(Alarm::poll));
            match poll(&mut fds, look) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let fired = |fd: &PollFd<'_>| !fd.revents().is_empty();
            if look.is_some() || fds[2..].iter().any(fired) {
                exceeded = self.group.as_ref().and_then(Group::exceeded);
            }
            if fired(&fds[0]) {
                break;
            }
            if fired(&fds[1]) || exceeded.is_some() {
                self.kill()?;
                break;
            }
        }
        // The kernel delivers the end of process 1 when all other processes of its namespace are gone.
        let own = process::wait(self.pid)?;
        let mut buffer = [0; 1024];
        let length = retry_on_intr(|| rustix::io::read(&self.ready, &mut buffer)).unwrap_or(0);
        let (ready, ended) = match &buffer[..length] {
            [] => (false, own),
            [_] => (true, own),
            of_runtime => (true, wire::read_ended(of_runtime)?),
        };
        let exceeded = exceeded.or_else(|| self.group.as_ref().and_then(Group::exceeded));
        // Nothing of the run is left when the caller hears of its end.
        drop((self.group, self.stack));
        let told = wire::send(socket, &Report::ended(ended, ready, exceeded), None);
        if told.is_err() {
            self.traces.remove();
        }
        told
    }

    fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.life, Signal::KILL) {
            // Already dead is dead enough.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
