// SPDX-License-Identifier: Apache-2.0
//! Why a command did not run.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Resource, Rlimit, Unlimited, UserError};

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The sandbox could not be set up as requested; the command was not executed.
    #[error("cannot set up the sandbox")]
    Setup(#[from] SetupError),
    /// The process that sets the sandbox up could not be started or talked to.
    #[error("cannot start the sandbox: {what}")]
    Start {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The processes of the sandbox are gone and did not say how the command ended: they were killed from outside.
    #[error("the sandbox was killed from outside")]
    Lost,
    /// The process that keeps the sandbox ended by itself and did not get to say why. Its loader may have said so, as output.
    #[error("the sandbox ended without saying why (exit status {code})")]
    Silent {
        /// Its exit status.
        code: i32,
    },
}

/// Which part of a request could not be carried out. Found out by another process, hence a plain value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SetupError {
    /// There is nothing to run.
    #[error("the command is empty")]
    NoCommand,
    /// The kernel ends strings with a zero byte.
    #[error("a zero byte in {0}")]
    ZeroByte(String),
    /// No such file, or none on the search path.
    #[error("no such program `{program}`{}", on(.path))]
    NoProgram {
        /// As in the request.
        program: String,
        /// Where it was looked for, unless its name says where it is.
        path: Option<String>,
    },
    /// It is there, and the user may not execute it.
    #[error("permission to execute `{program}` is denied")]
    ProgramDenied {
        /// As in the request.
        program: String,
    },
    /// Neither a program of this machine nor a script that names its interpreter.
    #[error("`{program}` is not a program of this machine, nor a script that begins with `#!`")]
    NotAProgram {
        /// As in the request.
        program: String,
    },
    /// The program is there, and what it needs to be run is not.
    #[error("the interpreter or dynamic loader of `{program}` is missing")]
    NoInterpreter {
        /// As in the request.
        program: String,
    },
    /// The kernel did not execute the program for another reason.
    #[error("cannot execute `{program}`")]
    Execute {
        /// As in the request.
        program: String,
        /// What the kernel said.
        source: SystemError,
    },
    /// The working directory is missing, or not a directory.
    #[error("cannot enter the working directory `{path}`")]
    Workdir {
        /// As in the request.
        path: String,
        /// What the kernel said.
        source: SystemError,
    },
    /// The user is not known or not possible.
    #[error("cannot become the user of the command")]
    User(#[from] UserError),
    /// The root file system, or that of a mount, could not be mounted.
    #[error("{0}")]
    Overlay(String),
    /// What a mount should show is not there or not accessible.
    #[error("cannot mount `{path}` on `{target}`", path = path.display())]
    MountSource {
        /// As in the request.
        target: String,
        /// What should have appeared there.
        path: PathBuf,
        /// What the kernel said.
        source: SystemError,
    },
    /// Where a mount should appear is not there, or of the wrong type.
    #[error("cannot mount anything on `{target}`")]
    MountTarget {
        /// As in the request.
        target: String,
        /// What the kernel said.
        source: SystemError,
    },
    /// Where a mount should appear is a place that mounts must not change.
    #[error("nothing may be mounted on `{target}`: {reason}")]
    MountForbidden {
        /// As in the request.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no runtime that could run a hook.
    #[error("the hook `{}` of a device can only be run by an OCI runtime", path.display())]
    Hook {
        /// Its program.
        path: PathBuf,
    },
    /// A limit cannot be kept, so nothing runs as if it could.
    #[error("the limit of `{resource}` cannot be kept here")]
    Limit {
        /// The limit of what.
        resource: Resource,
        /// Why.
        #[source]
        why: Unlimited,
    },
    /// A limit of processes is beyond what may be set here.
    #[error("cannot set the limit `{limit}`{}", at_most(*.present))]
    Rlimit {
        /// As in the request.
        limit: Rlimit,
        /// What the caller's own processes may raise it to; none is no limit.
        present: Option<u64>,
        /// What the kernel said.
        source: SystemError,
    },
    /// The runtime did not run the command.
    #[error("`{}` did not run the command: {said}", runtime.display())]
    Runtime {
        /// Which.
        runtime: PathBuf,
        /// What it said.
        said: String,
    },
    /// The network that the command is to have has no way out.
    #[error("`{}` did not connect the network of the command: {said}", program.display())]
    NetworkStack {
        /// What was to connect it.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// The machine refused something that every run needs.
    #[error("cannot {what}")]
    System {
        /// What was being done.
        what: String,
        /// What the kernel said.
        source: SystemError,
    },
}

fn on(path: &Option<String>) -> String {
    path.as_ref().map(|path| format!(" on the path `{path}`")).unwrap_or_default()
}

fn at_most(present: Option<u64>) -> String {
    present.map(|present| format!(": the hard limit that this process has is {present}")).unwrap_or_default()
}

impl SetupError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source: source.into() }
    }
}

/// An error of the kernel as a value that can be sent to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemError {
    /// The kernel's number for it.
    pub errno: i32,
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.errno).fmt(f)
    }
}

impl std::error::Error for SystemError {}

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        // An error that is not the kernel's is one of our own about an argument.
        Self { errno: error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error()) }
    }
}

impl From<rustix::io::Errno> for SystemError {
    fn from(error: rustix::io::Errno) -> Self {
        Self { errno: error.raw_os_error() }
    }
}
