// SPDX-License-Identifier: Apache-2.0
//! The three descriptors of the command.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, Uid};
use rustix::io::retry_on_intr;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use wythe_sys::root::Root;

use crate::SetupError;
use crate::wire::{self, Input, Report};

/// Where the three descriptors come from, and who is to own those that are ours.
pub(super) struct Descriptors<'a> {
    pub(super) input: Input,
    pub(super) stdin: Option<OwnedFd>,
    pub(super) content: &'a [u8],
    pub(super) owner: u32,
}

impl Descriptors<'_> {
    /// Puts them in place, and leaves the caller's session and terminal.
    pub(super) fn arrange(self, socket: &OwnedFd, root: &Root) -> Result<(), SetupError> {
        match self.input {
            Input::Terminal { rows, columns } => {
                begin_session()?;
                self.take_terminal(socket, root, rows, columns).map_err(SetupError::system("make a terminal"))
            }
            Input::Request | Input::Descriptor => self.arrange_streams(),
        }
    }

    /// The same without a terminal.
    pub(super) fn arrange_streams(self) -> Result<(), SetupError> {
        begin_session()?;
        match self.input {
            Input::Request => self.take_request().map_err(SetupError::system("prepare the command's input")),
            _ => self.take_descriptor().map_err(SetupError::system("pass the input on")),
        }
    }

    fn take_request(self) -> io::Result<()> {
        if !self.content.is_empty() {
            let mut content = File::from(rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?);
            content.write_all(self.content)?;
            content.rewind()?;
            replace(0, content.as_fd())?;
            give_to(self.owner, content.as_fd());
        }
        // Our own pipes; without this the user could not open `/dev/stdout`.
        for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
            give_to(self.owner, stream);
        }
        Ok(())
    }

    fn take_descriptor(self) -> io::Result<()> {
        match self.stdin {
            Some(stdin) => replace(0, stdin.as_fd()),
            None => Ok(()),
        }
    }

    fn take_terminal(self, socket: &OwnedFd, root: &Root, rows: u16, columns: u16) -> io::Result<()> {
        let master = root.resolve(Path::new("/dev/pts/ptmx"), OFlags::RDWR | OFlags::NOCTTY)?;
        rustix::pty::unlockpt(&master)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size)?;
        rustix::process::ioctl_tiocsctty(&slave)?;
        give_to(self.owner, slave.as_fd());
        for fd in 0..3 {
            replace(fd, slave.as_fd())?;
        }
        wire::send(socket, &Report::Terminal, Some(master.as_fd()))
    }
}

fn begin_session() -> Result<(), SetupError> {
    rustix::process::setsid().map(drop).map_err(|error| SetupError::system("begin a session")(error.into()))
}

/// Makes the user the owner of a descriptor of ours. Where that cannot be done, it works but cannot be opened again.
fn give_to(owner: u32, fd: BorrowedFd<'_>) {
    let _ = rustix::fs::fchown(fd, Some(Uid::from_raw(owner)), None);
}

/// A descriptor that reads as empty.
pub(super) fn null() -> io::Result<OwnedFd> {
    Ok(retry_on_intr(|| rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()))?)
}

/// Makes `number`, one of the first three descriptors, refer to what `fd` refers to.
pub(super) fn replace(number: i32, fd: BorrowedFd<'_>) -> io::Result<()> {
    match number {
        0 => retry_on_intr(|| rustix::stdio::dup2_stdin(fd))?,
        1 => retry_on_intr(|| rustix::stdio::dup2_stdout(fd))?,
        _ => retry_on_intr(|| rustix::stdio::dup2_stderr(fd))?,
    }
    Ok(())
}
