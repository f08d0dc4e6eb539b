// SPDX-License-Identifier: Apache-2.0
//! A run whose output goes to a function.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::{Bounds, Native, Order, Running, pause, start};
use crate::wire::Input;
use crate::{RunError, Stream};

type Sink<'a> = &'a mut dyn FnMut(Stream, &[u8]);

/// How much is read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// A keeper that waits for a request, and what the command will write to.
#[derive(Debug)]
pub(super) struct Ready {
    running: Running,
    outputs: [Output; 2],
}

/// An output that may have more to say.
#[derive(Debug)]
struct Output {
    stream: Stream,
    pipe: Option<OwnedFd>,
}

/// Runs to the end.
pub(super) fn run(
    native: &Native,
    order: &Order<'_>,
    sink: Sink<'_>,
    bounds: &Bounds<'_>,
) -> Result<Running, RunError> {
    let Ready { mut running, outputs } = match native.spare.take() {
        Some(ready) => ready,
        None => Ready::start(native)?,
    };
    running.send(order, Input::Request, None)?;
    // While this one is at work.
    native.spare.prepare(|| Ready::start(native));
    pump(&mut running, outputs, sink, bounds)?;
    Ok(running)
}

impl Ready {
    fn start(native: &Native) -> Result<Self, RunError> {
        let (stdout, stdout_writer) = output(Stream::Stdout)?;
        let (stderr, stderr_writer) = output(Stream::Stderr)?;
        let running = native.spawn([stdout_writer.into(), stderr_writer.into()])?;
        Ok(Self { running, outputs: [stdout, stderr] })
    }

    /// Whether it is still there: it has asked for nothing, so nobody has an eye on it.
    pub(super) fn is_alive(&mut self) -> bool {
        self.running.keeper.as_mut().is_some_and(|keeper| matches!(keeper.try_wait(), Ok(None)))
    }
}

fn output(stream: Stream) -> Result<(Output, OwnedFd), RunError> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| start("create a pipe")(error.into()))?;
    // Ours alone: the other end must block, or programs would meet errors they do not expect.
    rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK).map_err(|error| start("create a pipe")(error.into()))?;
    Ok((Output { stream, pipe: Some(reader) }, writer))
}

/// Passes output on until the sandbox has said all. By then no process of it is alive, so what the pipes hold is the
/// rest; that somebody elsewhere could hold on to one is no reason to wait.
fn pump(running: &mut Running, mut outputs: [Output; 2], sink: Sink<'_>, bounds: &Bounds<'_>) -> Result<(), RunError> {
    let mut buffer = vec![0; CHUNK];
    let mut alive = true;
    while alive {
        let ready = wait(running, &outputs, bounds)?;
        if let Some(why) = bounds.reached() {
            running.stop(why)?;
        }
        for (output, ready) in outputs.iter_mut().zip(ready.outputs) {
            if ready {
                output.take(&mut buffer, sink)?;
            }
        }
        if ready.socket {
            alive = running.hear()?;
        }
    }
    for output in &mut outputs {
        while output.take(&mut buffer, sink)? {}
    }
    Ok(())
}

/// What there is to be read.
#[derive(Default)]
struct Fired {
    socket: bool,
    outputs: [bool; 2],
}

fn wait(running: &Running, outputs: &[Output; 2], bounds: &Bounds<'_>) -> Result<Fired, RunError> {
    let mut fds = vec![PollFd::new(&running.socket, PollFlags::IN)];
    let open = outputs.each_ref().map(|output| output.pipe.as_ref());
    fds.extend(open.iter().flatten().map(|pipe| PollFd::new(*pipe, PollFlags::IN)));
    let mut timeout = None;
    // Once it is being stopped there is nothing left that could stop it.
    if running.stopped.is_none() {
        fds.push(PollFd::from_borrowed_fd(bounds.cancel.as_fd(), PollFlags::IN));
        timeout = pause(bounds.remaining());
    }
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(start("wait for output")(error.into())),
    }
    let mut fired = fds.iter().map(|fd| !fd.revents().is_empty());
    let mut ready = Fired { socket: fired.next().unwrap_or_default(), ..Fired::default() };
    for (slot, pipe) in ready.outputs.iter_mut().zip(open) {
        *slot = pipe.is_some() && fired.next().unwrap_or_default();
    }
    Ok(ready)
}

impl Output {
    /// Passes one piece on. False when there is none.
    fn take(&mut self, buffer: &mut [u8], sink: &mut dyn FnMut(Stream, &[u8])) -> Result<bool, RunError> {
        let Some(pipe) = &self.pipe else { return Ok(false) };
        match rustix::io::read(pipe, &mut *buffer) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                sink(self.stream, &buffer[..length]);
                return Ok(true);
            }
            Err(Errno::AGAIN) => {}
            Err(Errno::INTR) => return Ok(true),
            Err(error) => return Err(start("read the output")(error.into())),
        }
        Ok(false)
    }
}
