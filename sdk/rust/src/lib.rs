// SPDX-License-Identifier: Apache-2.0
//! Write step plugins for wythe, the container image builder.
//!
//! A plugin turns the options of one step into a plan. It runs nothing, opens nothing and sees no clock: it asks for
//! facts, builds states through handles, and returns the last one. This crate knows nothing of the host beyond the
//! interface in `wit/step.wit`.
//!
//! One trait ([`Step`], or [`ResolvingStep`] for steps that pin what floats; [`Inventory`] beside it for plugins that can
//! tell what is installed in an image, [`Recogniser`] for those that know commands which do what their step does, [`Importer`]
//! for those that turn files which they claim into definitions), one macro ([`export!`]), and the handles of a plan:
//! [`State`], [`Files`], [`Command`], [`Artifact`], [`Checkout`]. On Wasm the handles are the host's. On a native target the
//! same handles record into memory, so that `cargo test` of a plugin needs neither the host nor Wasm; see [`testing`].
//!
//! ```
//! use serde::Deserialize;
//! use wythe_sdk::{Command, Failure, State, Step};
//!
//! struct Greeting;
//!
//! #[derive(Debug, Deserialize)]
//! struct Options {
//!     name: String,
//! }
//!
//! impl Step for Greeting {
//!     type Options = Options;
//!
//!     fn plan(base: &State, options: Options) -> Result<State, Failure> {
//!         if options.name.is_empty() {
//!             return Err(Failure::option("/name", "`name` is empty"));
//!         }
//!         Ok(Command::new(base, ["/bin/echo", "hello", &options.name]).describe("say hello").run())
//!     }
//! }
//! // In a plugin's own crate: wythe_sdk::export!(Greeting: Step, "plugin.json");
//! # #[cfg(not(target_family = "wasm"))] {
//! let plan = wythe_sdk::testing::Build::new()
//!     .plan(wythe_sdk::testing::step::<Greeting>(), &serde_json::json!({ "name": "you" }), None)
//!     .unwrap();
//! assert_eq!(plan.head, 1);
//! # }
//! ```

mod artifact;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
pub mod build;
mod checkout;
mod command;
mod entry;
mod export;
mod failure;
pub mod fetch;
mod files;
mod import;
mod inventory;
#[cfg(not(target_family = "wasm"))]
mod native;
mod nearest;
pub mod recognise;
pub mod report;
mod step;
pub mod steps;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use artifact::{Artifact, Format};
pub use checkout::Checkout;
pub use command::{Command, Sharing};
pub use failure::{Failure, Problem, Severity};
pub use files::Files;
pub use host::graph::State;
pub use import::{Importer, Translated, Translation, Wish};
pub use inventory::{Inventory, Package};
pub use nearest::nearest;
pub use recognise::{Commanded, Program, Recogniser, Verdict};
pub use step::{ResolvingStep, Step};

/// The other side of the interface: the host on Wasm, the recorder elsewhere. Both have the same functions.
#[cfg(target_family = "wasm")]
use bindings::wythe::step as host;
#[cfg(not(target_family = "wasm"))]
use native as host;

#[cfg(target_family = "wasm")]
use bindings::resolving::wythe::step::probe;
#[cfg(not(target_family = "wasm"))]
use native::probe;
