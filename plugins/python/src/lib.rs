// SPDX-License-Identifier: Apache-2.0
//! What the plugins that install Python packages share: their options, what they read of the build context, the form of
//! their lock entries, and the plan that follows from one.
//!
//! It knows nothing of how a tool resolves. Each plugin asks its tool and fills a [`Lock`]; from there on a step is the
//! same for all: files are fetched by the host and installed or built without a network, with what the lock names; and
//! [`Install`] leaves nothing behind that differs from one build to the next.

mod artifacts;
mod building;
mod inputs;
mod install;
mod installed;
mod lock;
mod options;
mod recognise;
mod report;
mod requirement;

pub use artifacts::{RUN_PIP, UV_PATH, uv_for};
pub use building::pin_building;
pub use inputs::{CONTEXT, Inputs};
pub use install::{Install, equip, find_python, place_of, probe};
pub use installed::distributions;
pub use lock::{Dist, Lock, Origin, filename};
pub use options::Options;
pub use recognise::Words;
pub use report::{Item, dists, reason};
pub use requirement::{host_of, needs_more_than_the_web, project_name};
