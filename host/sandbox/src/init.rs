// SPDX-License-Identifier: Apache-2.0
//! The inside: what the re-executed binary does.
//!
//! The *keeper* reads the request, forks the command into a new process id namespace, and waits for the first of two
//! things: that the command ends, or that the caller hangs up, upon which it kills the command. Nothing inside the
//! sandbox can reach the keeper.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
use rustix::thread::UnshareFlags;
use wythe_sys::process::{self, Fork};

use crate::SetupError;
use crate::wire::{self, Heard, Receiver, Report, Start};

mod command;
mod confine;
mod devices;
mod input;
mod mounts;
mod program;
mod secret;
mod system;

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
    let socket = take_socket()?;
    // What the request holds is nobody's business, whatever becomes of this process.
    process::forbid_core_dumps()?;
    // The command inherits it, and an ignored end of a child could not be waited for.
    process::reset_signals();
    rustix::thread::set_name(c"wythe-sandbox")?;
    // Signals of the caller's terminal are for the caller, who hangs up if it wants to.
    rustix::process::setsid()?;
    let mut receiver = Receiver::default();
    let start: Start<'static> = loop {
        match receiver.next()? {
            Some(start) => break start,
            None if receiver.hear(&socket)? == Heard::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    };
    match begin(&socket, start, receiver.take_fd()) {
        Ok(command) => command.watch(&socket),
        Err(error) => wire::send(&socket, &Report::Failed(error), None),
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
    /// Holds a byte if it became the command. Nobody is woken up for that.
    ready: OwnedFd,
}

/// Forks the command. In the command's process this does not return.
fn begin(socket: &OwnedFd, start: Start<'_>, input: Option<OwnedFd>) -> Result<Command, SetupError> {
    let keeper = pidfd(getpid()).map_err(SetupError::system("open a descriptor of a process"))?;
    let (ready, tell_ready) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|error| SetupError::system("create a pipe")(error.into()))?;
    process::unshare(UnshareFlags::NEWPID).map_err(SetupError::system("create a process id namespace"))?;
    match process::fork().map_err(SetupError::system("create a process"))? {
        Fork::Child => {
            command::become_command(command::Lines { socket, keeper: &keeper, ready: &tell_ready }, start, input)
        }
        Fork::Parent(pid) => {
            let life = pidfd(pid).map_err(SetupError::system("open a descriptor of a process"))?;
            Ok(Command { pid, life, ready })
        }
    }
}

fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

impl Command {
    /// Waits for the end, or brings it about when the caller hangs up.
    fn watch(self, socket: &OwnedFd) -> io::Result<()> {
        let interest = PollFlags::IN | PollFlags::RDHUP;
        let mut fds = [PollFd::new(&self.life, PollFlags::IN), PollFd::new(socket, interest)];
        while fds.iter().all(|fd| fd.revents().is_empty()) {
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if fds[0].revents().is_empty() {
            match pidfd_send_signal(&self.life, Signal::KILL) {
                // Already dead is dead enough.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The kernel delivers the end of process 1 when all other processes of its namespace are gone.
        let ended = process::wait(self.pid)?;
        let ready = retry_on_intr(|| rustix::io::read(&self.ready, &mut [0; 1])) == Ok(1);
        wire::send(socket, &Report::ended(ended, ready), None)
    }
}
