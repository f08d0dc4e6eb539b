// SPDX-License-Identifier: Apache-2.0
//! Walks a plan: each operation is found by its key, or run; what was run is kept.
//!
//! This room refuses to know what a plugin is and what a terminal is. It is given a planner, a sandbox, a store and
//! a client, and tells what happens through one [`EventSink`].
//!
//! ```text
//! Order ─► each image ─► each step: pin (lock) ─► plan (or its trace) ─► link ─► solve ─► state
//!                                                                          each vertex: key ─► hit
//!                                                                                          └─► make ─► layer
//! ```
//!
//! Steps of one image advance one after the other, since a plan may look at the image below it. Images of a
//! definition, and the inputs of an operation, advance side by side. Two who want the same result wait for one
//! answer: inside a process by the vertex, across processes by a lock on the key.
#![forbid(unsafe_code)]

mod adopt;
mod build;
mod chain;
mod context;
mod context_world;
mod device;
mod disk;
mod elsewhere;
mod engine;
mod error;
mod event;
mod fetch;
mod files;
mod foreign;
mod git;
mod granted;
mod inventory;
mod lookout;
mod machine;
mod mounts;
mod network;
mod operation;
mod output;
mod pin;
mod plumbing;
mod probe;
mod program;
mod ration;
mod recopy;
mod reference;
mod rootfs;
mod run;
mod scene;
mod secret;
mod snapshot;
mod state;
mod step;
mod trace;
mod views;
mod why;
mod words;
mod world;

pub use adopt::{AdoptError, Adopted, adopt_layer};
pub use build::{Built, Checked, Force, Order, Outcome, build, check, foresee, look, pin, scene};
pub use chain::describe_edit;
pub use context_world::ContextWorld;
pub use disk::DiskWatch;
pub use elsewhere::{Brought, Repository};
pub use engine::{Engine, Grants, Parts};
pub use error::{BuildError, Cause, describe_ending};
pub use event::{Event, EventSink, How, Silent, StepId, Stream};
pub use foreign::Foreign;
pub use git::REDIRECTED;
pub use granted::INSECURE;
pub use inventory::{Installed, installed};
pub use machine::{Machine, Pretence, WayOut};
pub use network::loopback_ports;
pub use operation::describe;
pub use program::{Program, ProgramVolume, ReadyProgram, VolumeSource, program_request};
pub use reference::image_for;
pub use rootfs::{write_files, write_files_tar};
pub use scene::{Scene, Visit};
pub use secret::{LONGEST_SECRET, Secrets};
pub use step::{LockUse, PlannedStep};
pub use why::{
    Account, Fate, FileChange, Forced, LockChange, OperationAccount, Reason, Root, StepAccount, account_of, redacted,
};
