// SPDX-License-Identifier: Apache-2.0
//! Runs one process in one root file system, with nothing else of the machine.
//!
//! This crate refuses to know what a step, a layer or an image is, and it has no opinion about the result: an exit
//! status is an outcome, not an error.
//!
//! A [`RunRequest`] is a value. The [`Native`] driver carries it out with three processes:
//!
//! ```text
//! caller ──spawn──► keeper ──fork──► command        process 1 of its own process id namespace
//!   │                 │ waits, kills      │ unshares, mounts, pivots, drops, filters, executes
//!   └──── socket ─────┴───────────────────┘ request down; readiness, failure and end up
//! ```
//!
//! What holds while a command runs, as root and as an ordinary user alike:
//!
//! - It sees the file systems of its request and a minimal `/proc`, `/sys` and `/dev`. Nothing in them is a device
//!   but those six that everybody has, even if the command makes nodes.
//! - It sees no process but its own. When it ends, when it is cancelled, when its time is up, and when the caller dies,
//!   all processes it left behind die before the outcome is reported.
//! - It cannot gain privileges: the capabilities are at most those of Docker's default, none is inheritable or ambient, set-id
//!   bits do nothing unless the request asks for them, and the system calls are those of Docker's default.
//! - It has three descriptors, no controlling terminal but one of its own, and no network unless it was given the host's, or one
//!   that was made for it.
//! - Its processes together use no more memory and are no more than the request allows; if they want to, all of them
//!   end, and the outcome says so.
//! - What the driver puts up is outside of the root's upper directory.
//! - Secrets are in the memory of the run's processes and of a file system of its own, never on a disk, in a swap space or a
//!   core dump, and gone with the run.
//!
//! ```no_run
//! use wythe_sandbox::{Ending, Native, RunInputs, RunRequest, Sandbox, Stdio};
//! use wythe_sys::{cancel::Cancel, overlay::Overlay};
//!
//! let root = Overlay { lowers: vec!["/images/debian".into()], upper: None, work: None };
//! let inputs = RunInputs { root, argv: vec!["/bin/true".into()], workdir: "/".into(), ..RunInputs::default() };
//! let sandbox = Native::new("/proc/self/exe".into());
//! let request = RunRequest { inputs, ..RunRequest::default() };
//! let outcome = sandbox.run(&request, Stdio::Captured(&mut |_, _| ()), &Cancel::new()?)?;
//! assert_eq!(outcome.ending, Ending::Exited(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod cdi;
mod cgroup;
mod error;
pub mod foreign;
mod init;
mod limits;
mod native;
mod oci;
mod outcome;
mod request;
mod rlimit;
mod secret;
mod stack;
mod user;
mod wire;

pub use error::{RunError, SetupError, SystemError};
pub use init::{INIT_ARGUMENT, init_main};
pub use limits::{Limits, Resource, Unlimited};
pub use native::Native;
pub use oci::{Flavor, Oci, RUNTIMES, Runtime, RuntimeError};
pub use outcome::{Ending, Exceeded, RunOutcome, Sandbox, Stdio, Stream, Usage};
pub use request::{DeviceNumber, Mount, MountSource, Network, RunInputs, RunRequest, RunTuning};
pub use rlimit::Rlimit;
pub use secret::Secret;
pub use stack::{NetworkStack, StackDialect};
pub use user::{User, UserError};
