// SPDX-License-Identifier: Apache-2.0
//! What the user wrote, parsed: images, their bases and steps, and the place of every word in the text.
//!
//! [`Spec::parse`] accepts a definition as a whole or says everything that is wrong with it ([`SpecErrors`]). What it
//! returns is checked against the schemas of the kinds, so that a planner sees only options of the right shape.
//!
//! ```
//! use wythe_plan::spec::{Code, Spec};
//!
//! let text = "builder = \"2026.11\"\nbase = \"scratch\"\nsteps = [{ kind = \"run\", commands = [\"true\"] }]\n";
//! let spec = Spec::parse("wythe.toml", text, &[])?;
//! assert_eq!(spec.images[0].steps[0].id, "run");
//!
//! let errors = Spec::parse("wythe.toml", &text.replace("run", "ruin"), &[]).unwrap_err();
//! assert_eq!(errors.diagnostics[0].code, Code::Unknown);
//! assert_eq!(errors.source.line_column(errors.diagnostics[0].span.clone().unwrap().start), (3, 19));
//! # Ok::<(), wythe_plan::spec::SpecErrors>(())
//! ```

mod ambient;
mod builder_version;
mod check;
mod diagnostic;
mod nearest;
mod parse;
mod size;
mod step;
mod toml_value;

pub use ambient::{Ambient, Limits, SSH_SOCKET, SecretPlace, SecretUse, Security};
pub use builder_version::{BuilderVersion, UnknownBuilderVersion};
pub use diagnostic::{Code, Diagnostic, SourceText, SpecErrors};
pub use nearest::known_hint;
pub use size::parse_size;
pub use step::{BASE_STEP, ImageSpec, Spec, Step};
pub(crate) use toml_value::child;
pub use toml_value::{Place, Places};
