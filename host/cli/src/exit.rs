// SPDX-License-Identifier: Apache-2.0
//! The exit codes, by whose fault it is. Documented in `docs/command-line.md`, never renumbered.

use std::process::ExitCode;

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// The definition or an argument is wrong.
    Spec = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// A command in a sandbox failed.
    Step = 3,
    /// A plugin trapped, ran out of a limit or broke its contract.
    Plugin = 4,
    /// The kernel, the disk, the network or another machine failed.
    World = 5,
    /// `wythe diff --exit-code` found a difference.
    Different = 6,
    /// wythe itself is wrong.
    Bug = 70,
    /// Somebody pressed Ctrl-C (128 + SIGINT).
    Interrupted = 130,
}

impl Exit {
    /// What stands before the message.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Bug => "internal error",
            _ => "error",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
