// SPDX-License-Identifier: Apache-2.0
//! Runs that take the place of their caller: this binary, started again between pipes or at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use wythe_sandbox::Ending;
use wythe_sys::cancel::Cancel;

use crate::support::{Sand, driver};

crate::tests![
    pipes_pass_through,
    at_a_terminal_the_command_has_one_of_its_own,
    what_is_typed_arrives_and_an_interrupt_is_one,
    a_terminal_that_nobody_has_open_does_not_hide_the_end,
];

pub(crate) const ARGUMENT: &str = "inherit";

/// Runs a script in place of this process.
pub(crate) fn main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let sand = Sand::sh(&arguments.next().unwrap());
    let outcome = driver().run(&sand.request, wythe_sandbox::Stdio::Inherited, &Cancel::new().unwrap()).unwrap();
    match outcome.ending {
        Ending::Exited(code) => ExitCode::from(u8::try_from(code).unwrap()),
        ending => panic!("{ending:?}"),
    }
}

fn again(script: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([ARGUMENT, script]);
    command
}

fn pipes_pass_through() {
    let script = "cat; echo error >&2; test -t 0 || echo no terminal; ls /proc/self/fd; exit 7";
    let mut child = again(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"input\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(output.stdout), "input\nno terminal\n0\n1\n2\n3\n");
    assert_eq!(text(output.stderr), "error\n");
}

/// A terminal, and a run at it.
struct Session {
    master: File,
    slave: OwnedFd,
    child: Child,
    seen: String,
}

impl Session {
    fn new(script: &str) -> Self {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: 31, ws_col: 77, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = again(script).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { master: master.into(), slave, child, seen: String::new() }
    }

    /// Reads until the terminal has shown `text`. It never ends by itself, since it is open here.
    fn see(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        while !self.seen.contains(text) {
            let has_ended = self.child.try_wait().unwrap().is_some();
            if !self.has_more() {
                assert!(!has_ended, "{text:?} is not shown by a run that has ended: {}", self.seen);
                continue;
            }
            let length = self.master.read(&mut buffer).unwrap();
            self.seen.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    }

    /// Waits a while for the terminal to show something.
    fn has_more(&self) -> bool {
        let a_while = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let mut wanted = [PollFd::new(&self.master, PollFlags::IN)];
        retry_on_intr(|| poll(&mut wanted, Some(&a_while))).unwrap() > 0
    }

    fn end(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "the terminal is as it was before");
        code
    }
}

fn at_a_terminal_the_command_has_one_of_its_own() {
    let mut session = Session::new(
        "tty; stty size; echo also here > /dev/tty; for f in 0 1 2; do readlink /proc/$$/fd/$f; done; echo end",
    );
    session.see("end\r\n");
    assert_eq!(session.seen, "/dev/pts/0\r\n31 77\r\nalso here\r\n/dev/pts/0\r\n/dev/pts/0\r\n/dev/pts/0\r\nend\r\n");
    assert_eq!(session.end(), Some(0));
}

fn what_is_typed_arrives_and_an_interrupt_is_one() {
    let script = "read x; echo got $x; trap 'echo interrupted; exit 5' INT; echo waiting; while :; do sleep 0.1; done";
    let mut session = Session::new(script);
    session.master.write_all(b"answer\r").unwrap();
    session.see("got answer\r\n");
    session.see("waiting\r\n");
    session.master.write_all(b"\x03").unwrap();
    session.see("interrupted\r\n");
    assert_eq!(session.end(), Some(5));
}

fn a_terminal_that_nobody_has_open_does_not_hide_the_end() {
    let mut session = Session::new("echo last; exec </dev/null >/dev/null 2>&1; sleep 0.5; exit 9");
    session.see("last\r\n");
    assert_eq!(session.end(), Some(9));
}
