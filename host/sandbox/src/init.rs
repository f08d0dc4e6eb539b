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
        Ok((command, life)) => watch(&socket, command, &life),
        Err(error) => wire::send(&socket, &Report::Failed(error), None),
    }
}

/// Moves the socket out of the way of what will be the command's input.
fn take_socket() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    let socket = rustix::io::fcntl_dupfd_cloexec(stdin.as_fd(), 3)?;
    input::replace(0, input::null()?.as_fd())?;
    Ok(socket)
}

/// Forks the command. In the command's process this does not return.
fn begin(socket: &OwnedFd, start: Start<'_>, input: Option<OwnedFd>) -> Result<(Pid, OwnedFd), SetupError> {
    let keeper = pidfd(getpid()).map_err(SetupError::system("open a descriptor of a process"))?;
    process::unshare(UnshareFlags::NEWPID).map_err(SetupError::system("create a process id namespace"))?;
    match process::fork().map_err(SetupError::system("create a process"))? {
        Fork::Child => command::become_command(socket, &keeper, start, input),
        Fork::Parent(child) => {
            let life = pidfd(child).map_err(SetupError::system("open a descriptor of a process"))?;
            Ok((child, life))
        }
    }
}

fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Waits for the end of the command, or brings it about when the caller hangs up.
fn watch(socket: &OwnedFd, command: Pid, life: &OwnedFd) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(life, PollFlags::IN), PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let hung_up = !fds[1].revents().is_empty();
        let ended = !fds[0].revents().is_empty();
        if hung_up && !ended {
            // Already dead is dead enough.
            pidfd_send_signal(life, Signal::KILL).or_else(|error| match error {
                rustix::io::Errno::SRCH => Ok(()),
                error => Err(error),
            })?;
        }
        if hung_up || ended {
            break;
        }
    }
    // The kernel delivers the end of process 1 when all other processes of its namespace are gone.
    let ended = process::wait(command)?;
    wire::send(socket, &Report::from(ended), None)
}
