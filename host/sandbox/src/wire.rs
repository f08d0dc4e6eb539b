// SPDX-License-Identifier: Apache-2.0
//! What the processes of a run say to each other: JSON behind its length, with descriptors where needed.

use std::borrow::Cow;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wythe_sys::process::Ended;

use crate::oci::Runtime;
use crate::{Limits, Resource, RunInputs, SetupError};

/// What the caller says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start<'a> {
    pub(crate) inputs: Cow<'a, RunInputs>,
    pub(crate) input: Input,
    pub(crate) limits: Limits,
    /// The runtime that is to run the command; without one, the keeper does.
    pub(crate) runtime: Option<Cow<'a, Runtime>>,
}

/// Where the command's descriptors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Input {
    /// Input from the request, output to the pipes the keeper was started with.
    Request,
    /// Input from the descriptor that comes along, output as the keeper's.
    Descriptor,
    /// All three from a new terminal of this size, whose other end is sent back.
    Terminal { rows: u16, columns: u16 },
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The other end of the terminal comes along.
    Terminal,
    /// The command was not executed.
    Failed(SetupError),
    /// The process has ended, and all that it left behind. This is the last word.
    Ended {
        /// Whether it had become the command, or was about to.
        ready: bool,
        /// The limit that it met.
        exceeded: Option<Resource>,
        code: Option<i32>,
        signal: Option<i32>,
        user: Duration,
        system: Duration,
        max_rss: u64,
    },
}

impl Report {
    pub(crate) fn ended(ended: Ended, ready: bool, exceeded: Option<Resource>) -> Self {
        let Ended { code, signal, user, system, max_rss } = ended;
        Self::Ended { ready, exceeded, code, signal, user, system, max_rss }
    }
}

/// Writes how a command ended that another process waited for.
pub(crate) fn write_ended(ended: &Ended) -> Vec<u8> {
    let Ended { code, signal, user, system, max_rss } = ended;
    serde_json::to_vec(&(code, signal, user, system, max_rss)).expect("numbers are JSON")
}

/// Reads what [`write_ended`] wrote.
pub(crate) fn read_ended(bytes: &[u8]) -> io::Result<Ended> {
    let (code, signal, user, system, max_rss) = serde_json::from_slice(bytes).map_err(io::Error::other)?;
    Ok(Ended { code, signal, user, system, max_rss })
}

/// The length that stands before a message.
const PREFIX: usize = size_of::<u32>();

/// Sends one message, and a descriptor with it.
pub(crate) fn send<T: Serialize>(socket: impl AsFd, message: &T, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let body = serde_json::to_vec(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(body);
    let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        // The descriptor goes with the first piece.
        if rest.len() == bytes.len() && !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        match sendmsg(&socket, &[IoSlice::new(rest)], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(sent) => rest = &rest[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Puts messages together from what a socket delivers.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// What a socket had to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Something,
    NothingYet,
    End,
}

impl Receiver {
    /// Takes what is there. Blocks if nothing is there and the socket blocks.
    pub(crate) fn hear(&mut self, socket: impl AsFd) -> io::Result<Heard> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = vec![0; 64 * 1024];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = match recvmsg(&socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, flags) {
            Ok(message) => message.bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Heard::NothingYet),
            // That the other side left without reading all is an end like any other.
            Err(rustix::io::Errno::CONNRESET) => return Ok(Heard::End),
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        self.bytes.extend(&buffer[..received]);
        Ok(if received == 0 { Heard::End } else { Heard::Something })
    }

    /// The next message, if it is complete.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some((prefix, rest)) = self.bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_ne_bytes(*prefix) as usize;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(body).map_err(io::Error::other)?;
        self.bytes.drain(..PREFIX + length);
        Ok(Some(message))
    }

    /// A descriptor that came along.
    pub(crate) fn take_fd(&mut self) -> Option<OwnedFd> {
        self.fds.pop()
    }
}
