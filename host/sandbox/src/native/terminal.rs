// SPDX-License-Identifier: Apache-2.0
//! A run that takes the place of this process at its terminal, or in its pipeline.
//!
//! At a terminal the command does not get ours but one of its own, and we carry bytes between the two: a descriptor of
//! ours would let the command type into our shell after it has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio as Descriptor;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use super::{Bounds, Native, Order, Running, pause, start};
use crate::RunError;
use crate::wire::Input;

/// How often the size of the terminal is looked at: we have no business with the signals of our process.
const LOOK: Duration = Duration::from_millis(250);

/// Runs to the end.
pub(super) fn run(native: &Native, order: &Order<'_>, bounds: &Bounds<'_>) -> Result<Running, RunError> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    if isatty(&stdin) && isatty(&stdout) {
        let size = tcgetwinsize(&stdin).map_err(|error| start("ask for the size of the terminal")(error.into()))?;
        let mut running = native.spawn([Descriptor::null(), Descriptor::null()])?;
        running.send(order, Input::Terminal { rows: size.ws_row, columns: size.ws_col }, None)?;
        Relay::new(stdin.as_fd(), stdout.as_fd())?.run(&mut running, bounds)?;
        return Ok(running);
    }
    let mut running = native.spawn([Descriptor::inherit(), Descriptor::inherit()])?;
    running.send(order, Input::Descriptor, Some(stdin.as_fd()))?;
    while watch(&mut running, bounds)? {}
    Ok(running)
}

/// Waits for the sandbox to say something. False when it has said all.
fn watch(running: &mut Running, bounds: &Bounds<'_>) -> Result<bool, RunError> {
    let stopping = running.stopped.is_some();
    let mut fds = vec![PollFd::new(&running.socket, PollFlags::IN)];
    if !stopping {
        fds.push(PollFd::from_borrowed_fd(bounds.cancel.as_fd(), PollFlags::IN));
    }
    let timeout = if stopping { None } else { pause(bounds.remaining()) };
    wait(&mut fds, timeout.as_ref())?;
    let heard = !fds[0].revents().is_empty();
    if let Some(why) = bounds.reached() {
        running.stop(why)?;
    }
    if heard { running.hear() } else { Ok(true) }
}

fn wait(fds: &mut [PollFd<'_>], timeout: Option<&rustix::event::Timespec>) -> Result<(), RunError> {
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(start("wait for the command")(error.into())),
    }
}

/// Carries bytes between our terminal and the command's. Ours is raw meanwhile, and as it was afterwards.
struct Relay<'a> {
    stdin: BorrowedFd<'a>,
    stdout: BorrowedFd<'a>,
    before: Termios,
    typed: Vec<u8>,
    input_open: bool,
    /// Nobody has the command's terminal open at the moment.
    hung_up: bool,
}

impl<'a> Relay<'a> {
    fn new(stdin: BorrowedFd<'a>, stdout: BorrowedFd<'a>) -> Result<Self, RunError> {
        let prepare = || {
            let before = tcgetattr(stdin)?;
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(stdin, OptionalActions::Now, &raw)?;
            Ok(before)
        };
        let before = prepare().map_err(|error: Errno| start("prepare the terminal")(error.into()))?;
        Ok(Self { stdin, stdout, before, typed: vec![], input_open: true, hung_up: false })
    }

    fn run(&mut self, running: &mut Running, bounds: &Bounds<'_>) -> Result<(), RunError> {
        let mut alive = true;
        while alive {
            alive = self.turn(running, bounds)?;
        }
        // What the command wrote last is still in its terminal.
        if let Some(terminal) = &running.heard.terminal {
            let now = pause(Some(Duration::ZERO));
            let drained = |fds: &mut [PollFd<'_>]| retry_on_intr(|| poll(fds, now.as_ref())).unwrap_or(0) == 0;
            while !drained(&mut [PollFd::new(terminal, PollFlags::IN)]) && self.show(terminal)? {}
        }
        Ok(())
    }

    /// One round. False when the sandbox has said all.
    fn turn(&mut self, running: &mut Running, bounds: &Bounds<'_>) -> Result<bool, RunError> {
        let mut fds = vec![PollFd::new(&running.socket, PollFlags::IN)];
        fds.push(PollFd::from_borrowed_fd(bounds.cancel.as_fd(), PollFlags::IN));
        if running.stopped.is_some() {
            fds.truncate(1);
        }
        let first = fds.len();
        let terminal = running.heard.terminal.as_ref().filter(|_| !self.hung_up);
        if let Some(terminal) = terminal {
            let mut interest = PollFlags::IN;
            interest.set(PollFlags::OUT, !self.typed.is_empty());
            fds.push(PollFd::new(terminal, interest));
            // What is typed waits in our terminal until the command has taken what was typed before.
            if self.input_open && self.typed.is_empty() {
                fds.push(PollFd::from_borrowed_fd(self.stdin, PollFlags::IN));
            }
        }
        let timeout = bounds.remaining().map_or(LOOK, |remaining| remaining.min(LOOK));
        wait(&mut fds, pause(Some(timeout)).as_ref())?;
        let fired: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        // A terminal that nobody has open reports just that, without end: look again when the pause is over.
        self.hung_up = fired.get(first) == Some(&PollFlags::HUP);
        if let (None, Some(why)) = (running.stopped, bounds.reached()) {
            running.stop(why)?;
        }
        if let Some(terminal) = &running.heard.terminal {
            self.follow_size(terminal);
            let of_terminal = fired.get(first).copied().unwrap_or(PollFlags::empty());
            if of_terminal.contains(PollFlags::OUT) {
                self.pass_on(terminal)?;
            }
            if of_terminal.intersects(PollFlags::IN) {
                self.show(terminal)?;
            }
            if fired.get(first + 1).is_some_and(|flags| !flags.is_empty()) {
                self.take()?;
            }
        }
        if fired[0].is_empty() { Ok(true) } else { running.hear() }
    }

    /// Gives the command's terminal the size of ours.
    fn follow_size(&self, terminal: &OwnedFd) {
        if let (Ok(ours), Ok(theirs)) = (tcgetwinsize(self.stdin), tcgetwinsize(terminal))
            && (ours.ws_row, ours.ws_col) != (theirs.ws_row, theirs.ws_col)
        {
            // A terminal of the wrong size is a nuisance, not a failure.
            let _ = tcsetwinsize(terminal, ours);
        }
    }

    /// Takes what was typed at our terminal.
    fn take(&mut self) -> Result<(), RunError> {
        let mut buffer = [0; 4096];
        match rustix::io::read(self.stdin, &mut buffer) {
            Ok(0) => self.input_open = false,
            Ok(length) => self.typed.extend(&buffer[..length]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(start("read from the terminal")(error.into())),
        }
        Ok(())
    }

    /// Types it at the command's.
    fn pass_on(&mut self, terminal: &OwnedFd) -> Result<(), RunError> {
        match rustix::io::write(terminal, &self.typed) {
            Ok(written) => drop(self.typed.drain(..written)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // Nobody is there any more.
            Err(Errno::IO) => self.typed.clear(),
            Err(error) => return Err(start("write to the command's terminal")(error.into())),
        }
        Ok(())
    }

    /// Shows what the command wrote. False when there was nothing.
    fn show(&self, terminal: &OwnedFd) -> Result<bool, RunError> {
        let mut buffer = [0; 16 * 1024];
        let length = match retry_on_intr(|| rustix::io::read(terminal, &mut buffer)) {
            Ok(length) => length,
            // The last one who had it open is gone.
            Err(Errno::IO | Errno::AGAIN) => 0,
            Err(error) => return Err(start("read from the command's terminal")(error.into())),
        };
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            match rustix::io::write(self.stdout, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(start("write to the terminal")(error.into())),
            }
        }
        Ok(length > 0)
    }
}

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        // If our terminal is gone there is nothing to restore.
        let _ = tcsetattr(self.stdin, OptionalActions::Flush, &self.before);
    }
}
