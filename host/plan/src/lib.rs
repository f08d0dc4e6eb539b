// SPDX-License-Identifier: Apache-2.0
//! From text to plan: the spec a person wrote, the graph of operations it means, and the keys of their results.
//!
//! This room refuses to know what runs: it starts no process, opens no file, reads no clock. A [`Spec`] is parsed
//! from text that somebody else read; a [`Graph`] is built by planners behind the [`StepPlanner`] port; a
//! [`CacheKey`] is computed from a value. Every one of these values can be printed.
//!
//! ```text
//! text ──spec──► Spec ──StepPlanner──► Graph (vertices joined by edges) ──key──► CacheKey a vertex
//! ```
#![forbid(unsafe_code)]

mod core_steps;
mod git;
mod gpu;
mod graph;
mod host;
mod key;
mod lock;
mod op;
mod package;
mod planner;
mod sandbox_options;
pub mod spec;
mod translation;

pub use core_steps::{CORE_KINDS, plan_core_step};
pub use git::{Checkout, GitTransport, GitUrl, GitUrlError, check_git_reference, check_git_subdir, is_commit};
pub use gpu::{GPU_HINT, Gpu, GpuError};
pub use graph::{Fragment, Graph, Label, Vertex, VertexId};
pub use host::{HostEntry, HostEntryError, host_matches};
pub use key::{CacheKey, FORMAT_VERSION, KeyParts, Word};
pub use lock::{Lock, LockChange, LockedImage, LockedStep, Moved, ParseLockError, Resolved};
pub use op::{
    Action, Archive, Artifact, Brush, Command, ConfigEdit, Files, Mount, MountSource, Network, Run, Sharing, Source,
};
pub use package::{Inventory, Package};
pub use planner::{
    Fact, FactAnswer, Finding, Kind, Offer, Offering, PlanError, Problem, Severity, StepCall, StepPlanner, TextPlace,
    Trace, World,
};
pub use sandbox_options::{
    ExtraHost, ExtraHostError, NamedUlimit, SandboxOptions, ULIMITS, USUAL_SHM_SIZE, Ulimit, UlimitError,
};
pub use translation::{Translated, Translation};
