// SPDX-License-Identifier: Apache-2.0
//! A network of the command's own, from which a user-mode network stack leads out.
//!
//! The keeper moves into a new namespace, which the command inherits; the stack is a child of the keeper that stays in the
//! machine's network. It sees the namespace, two pipes and nothing else of ours, and dies with the keeper, whatever ends it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, getpid};
use rustix::thread::UnshareFlags;
use wythe_sys::process::{self, Fork};

use super::command::die_with;
use super::input;
use crate::{Network, NetworkStack, SetupError, StackDialect};

/// How long a stack may take to be ready. It usually takes some hundredths of a second.
const PATIENCE: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// Exit status of a process that did not become the stack.
const NOT_THE_STACK: i32 = 126;

/// A stack that runs. It is gone when this value is.
pub(super) struct Stack {
    pid: Pid,
    /// What it says is kept here, and lost when the pipe is full.
    words: OwnedFd,
}

/// The ends of the pipes that the stack's process keeps.
struct Lines<'a> {
    keeper: &'a OwnedFd,
    go: OwnedFd,
    ready: OwnedFd,
    words: OwnedFd,
}

impl Stack {
    /// Moves this process into a network of its own, if one with a stack is asked for, and starts the stack.
    ///
    /// `caller` ends the wait when it hangs up.
    pub(super) fn start(network: &Network, keeper: &OwnedFd, caller: &OwnedFd) -> Result<Option<Self>, SetupError> {
        let Network::Stack(stack) = network else { return Ok(None) };
        let pipe = |flags| {
            pipe_with(PipeFlags::CLOEXEC | flags).map_err(|error| SetupError::system("create a pipe")(error.into()))
        };
        let (go, tell_go) = pipe(PipeFlags::empty())?;
        let (ready, tell_ready) = pipe(PipeFlags::empty())?;
        let (words, tell_words) = pipe(PipeFlags::NONBLOCK)?;
        let place = format!("/proc/{}/ns/net", getpid().as_raw_nonzero());
        match process::fork().map_err(SetupError::system("create a process"))? {
            Fork::Child => {
                drop(tell_go);
                let lines = Lines { keeper, go, ready: tell_ready, words: tell_words };
                become_stack(stack, &place, lines)
            }
            Fork::Parent(pid) => {
                drop((go, tell_ready, tell_words));
                let running = Self { pid, words };
                process::unshare(UnshareFlags::NEWNET).map_err(SetupError::system("create a network namespace"))?;
                wythe_sys::net::loopback_up().map_err(SetupError::system("turn the loopback interface on"))?;
                retry_on_intr(|| rustix::io::write(&tell_go, &[1]))
                    .map_err(|error| SetupError::system("start the network stack")(error.into()))?;
                match running.is_ready(&ready, caller) {
                    Ok(true) => Ok(Some(running)),
                    Ok(false) => Err(SetupError::NetworkStack { program: stack.program.clone(), said: running.said() }),
                    Err(error) => Err(SetupError::system("wait for the network stack")(error)),
                }
            }
        }
    }

    /// Whether it has said a number.
    fn is_ready(&self, ready: &OwnedFd, caller: &OwnedFd) -> io::Result<bool> {
        let mut fds = [PollFd::new(ready, PollFlags::IN), PollFd::new(caller, PollFlags::IN | PollFlags::RDHUP)];
        match retry_on_intr(|| poll(&mut fds, Some(&PATIENCE))) {
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[0].revents().is_empty() {
            return Err(Errno::CANCELED.into());
        }
        let mut buffer = [0; 64];
        let length = retry_on_intr(|| rustix::io::read(ready, &mut buffer))?;
        Ok(buffer[..length].first().is_some_and(u8::is_ascii_digit))
    }

    /// What it said before it ended, in one line. That nobody keeps a log of the system is not the news.
    fn said(&self) -> String {
        let mut buffer = [0; 4096];
        let length = retry_on_intr(|| rustix::io::read(&self.words, &mut buffer)).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..length]);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.contains("syslog")).collect();
        if lines.is_empty() { "it said nothing".to_owned() } else { lines.join("; ") }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // It is our child and was not waited for, so the number is still its own.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        drop(process::wait(self.pid));
    }
}

fn become_stack(stack: &NetworkStack, place: &str, lines: Lines<'_>) -> ! {
    if let Err(error) = attempt(stack, place, &lines) {
        // If nobody listens, nobody needs to know.
        let _ = rustix::io::write(&lines.words, error.to_string().as_bytes());
    }
    process::exit_now(NOT_THE_STACK)
}

fn attempt(stack: &NetworkStack, place: &str, lines: &Lines<'_>) -> io::Result<()> {
    let dead = |error: SetupError| io::Error::other(error.to_string());
    die_with(lines.keeper).map_err(dead)?;
    if retry_on_intr(|| rustix::io::read(&lines.go, &mut [0]))? == 0 {
        return Ok(());
    }
    let open = || rustix::fs::open(Path::new(place), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let namespace = retry_on_intr(open)?;
    // Before the others move in: none of these may stand where another is to be.
    let [namespace, ready, words] = [namespace.as_fd(), lines.ready.as_fd(), lines.words.as_fd()]
        .map(|fd| retry_on_intr(|| rustix::io::fcntl_dupfd_cloexec(fd, 10)));
    let (namespace, ready, words) = (namespace?, ready?, words?);
    process::close_on_exec_beyond_stdio()?;
    input::replace(0, namespace.as_fd())?;
    input::replace(1, words.as_fd())?;
    input::replace(2, words.as_fd())?;
    // One of the two closes whatever is beyond the three; the other writes all kinds of things to these.
    let number = match stack.dialect {
        StackDialect::Pasta => input::replace(1, ready.as_fd()).map(|()| 1)?,
        StackDialect::Slirp4netns => {
            rustix::io::fcntl_setfd(&ready, FdFlags::empty())?;
            ready.as_raw_fd()
        }
    };
    let zero = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let program = CString::new(stack.program.as_os_str().as_bytes()).map_err(zero)?;
    let arguments =
        stack.arguments(number).into_iter().map(CString::new).collect::<Result<Vec<_>, _>>().map_err(zero)?;
    process::execute(&program, &arguments, &[]).map(|never| match never {})
}
