// SPDX-License-Identifier: Apache-2.0
//! What the user wrote, parsed: images, their bases and steps, and the place of every word in the text.
//!
//! [`Spec::parse`] accepts a definition as a whole or says everything that is wrong with it ([`SpecErrors`]). What it
//! returns is checked against the schemas of the kinds, so that a planner sees only options of the right shape.

mod ambient;
mod builder_version;
mod check;
mod diagnostic;
mod nearest;
mod parse;
mod step;
mod toml_value;

pub use ambient::Ambient;
pub use builder_version::{BuilderVersion, UnknownBuilderVersion};
pub use diagnostic::{Code, Diagnostic, SourceText, SpecErrors};
pub use step::{BASE_STEP, ImageSpec, Spec, Step};
pub(crate) use toml_value::child;
pub use toml_value::{Place, Places};
