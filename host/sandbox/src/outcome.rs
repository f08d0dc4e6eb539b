// SPDX-License-Identifier: Apache-2.0
//! The port, and what comes out of it.

use std::fmt;
use std::time::Duration;

use wythe_sys::cancel::Cancel;

use crate::{Limits, Resource, RunError, RunRequest, SetupError};

/// Something that runs requests.
pub trait Sandbox: Send + Sync {
    /// Runs `request` to its end.
    ///
    /// Whatever happens, no process of the run is alive when this returns. An error says that the command did not
    /// run, or that how it ended is unknown; that a command failed is not an error.
    fn run(&self, request: &RunRequest, stdio: Stdio<'_>, cancel: &Cancel) -> Result<RunOutcome, RunError>;

    /// Says whether runs with these limits are possible here, without running anything.
    ///
    /// # Errors
    ///
    /// Returns the limit that cannot be kept, and why.
    fn check(&self, limits: &Limits) -> Result<(), SetupError>;
}

/// Where the output of a run goes.
pub enum Stdio<'a> {
    /// To a function, in pieces as they come. The order within a stream is kept, that between the two is not. The
    /// command has no terminal.
    Captured(&'a mut dyn FnMut(Stream, &[u8])),
    /// To where the output of this process goes, and input comes from where its input comes from; what the request
    /// has for input is ignored. If both are a terminal, the command gets a terminal of its own that is connected to it.
    Inherited,
}

impl fmt::Debug for Stdio<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Captured(_) => "Captured",
            Self::Inherited => "Inherited",
        })
    }
}

/// An output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// How the command ended.
    pub ending: Ending,
    /// What it used.
    pub usage: Usage,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By a signal that was not ours.
    Signaled(i32),
    /// Killed because its time was up.
    TimedOut,
    /// Killed because the caller asked for it, or not started for that reason.
    Cancelled,
    /// Killed, with all its processes, because they wanted more of something than they may have together.
    Exceeded(Exceeded),
}

/// A limit that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Of what.
    pub resource: Resource,
    /// How much it is: bytes, or processes.
    pub limit: u64,
}

/// What a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time of the command and of the processes it waited for, in their own code.
    pub user: Duration,
    /// The same, in the kernel.
    pub system: Duration,
    /// The most memory that one of them had resident, in bytes.
    pub max_rss: u64,
    /// Time from the call to its return.
    pub wall: Duration,
}
