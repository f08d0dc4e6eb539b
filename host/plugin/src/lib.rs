// SPDX-License-Identifier: Apache-2.0
//! Plugins: WebAssembly components that turn the options of a step into a plan.
//!
//! This room refuses to know what a plan is for: it lets a component build one through handles, records what it built and what
//! it asked, and hands the plan to whoever asked for it. It is the only place that knows what WebAssembly is.
//!
//! ```text
//! component ──dissect──► metadata, imports ──check──► Plugin            no compiler so far: `kinds()` costs nothing
//!                                                        │ first plan
//!                                                        ▼
//! StepCall, World ──────────────────────────► fresh Store ──► Fragment  or an error that says whose fault it was
//! ```
//!
//! What a plugin gets: the imports of `wit/step.wit`, an inert rest of WASI for its standard library, and [`Limits`]. What it
//! does not get is refused by name before it runs. What it hands over is checked before it is recorded.
//!
//! Invariants: a call leaves nothing behind for the next; the result depends on the component, the options, the lock entry and the
//! world's answers alone; a plugin cannot bring the host down, only itself.
#![forbid(unsafe_code)]

mod anatomy;
mod bundled;
mod clock;
mod draft;
mod ending;
mod engine;
mod guest;
mod host;
mod inert;
mod inventory;
mod limits;
mod machine;
mod metadata;
mod meter;
mod offer;
mod plugin;
mod plugins;
mod surroundings;
mod translation;
mod untrusted;
mod v0_1;

pub use limits::{Limits, SetLimitError};
pub use metadata::MetadataError;
pub use offer::ImportError;
pub use plugin::ComponentError;
pub use plugins::{Code, ExtraPlugin, Granted, LoadError, PluginOptions, Plugins};
