// SPDX-License-Identifier: Apache-2.0
//! What the plugins that install Python packages share: their options, what they read of the build context, the form of
//! their lock entries, and the plan that follows from one.
//!
//! It knows nothing of how a tool resolves. Each plugin asks its tool and fills a [`Lock`]; from there on a step is the
//! same for all: wheels are fetched by the host and installed without a network, what must be built is built with one,
//! and [`Install`] leaves nothing behind that differs from one build to the next.

mod artifacts;
mod inputs;
mod install;
mod installed;
mod lock;
mod options;
mod requirement;

pub use artifacts::{RUN_PIP, UV_PATH, uv_for};
pub use inputs::{CONTEXT, Inputs};
pub use install::{Install, equip, find_python, probe};
pub use installed::distributions;
pub use lock::{Dist, Lock, Origin, filename};
pub use options::Options;
pub use requirement::{host_of, project_name};
