// SPDX-License-Identifier: Apache-2.0
//! The driver that has an installed OCI runtime run the command.
//!
//! The keeper is that of [`Native`], and so is everything that a name of an untrusted tree has a say in: the root file
//! system, what is mounted in it, the user, the program. The runtime gets a tree in which nothing is left to look up, and a
//! [specification](spec) of what only it can do.

use std::borrow::Cow;

use wythe_sys::cancel::Cancel;

use crate::{Limits, Native, RunError, RunOutcome, RunRequest, Sandbox, SetupError, Stdio};

mod runtime;
mod spec;

pub(crate) use runtime::options;
pub use runtime::{Flavor, RUNTIMES, Runtime, RuntimeError};
pub(crate) use spec::{Surroundings, runtime_spec};

/// Runs commands by an OCI runtime.
#[derive(Debug)]
pub struct Oci {
    native: Native,
    runtime: Runtime,
}

impl Oci {
    /// A driver that uses `runtime`, with the keeper of `native`.
    #[must_use]
    pub const fn new(native: Native, runtime: Runtime) -> Self {
        Self { native, runtime }
    }
}

impl Sandbox for Oci {
    fn run(&self, request: &RunRequest, stdio: Stdio<'_>, cancel: &Cancel) -> Result<RunOutcome, RunError> {
        self.native.run_by(Some(Cow::Borrowed(&self.runtime)), request, stdio, cancel)
    }

    fn check(&self, limits: &Limits) -> Result<(), SetupError> {
        self.native.check(limits)
    }
}
