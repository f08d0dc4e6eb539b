// SPDX-License-Identifier: Apache-2.0
//! The kind `dockerfile`: what a Dockerfile says, as a plan.
//!
//! ```text
//! text ──text──► stages ──plan──► states
//! ```
//!
//! A stage is a chain of states; `FROM stage`, `COPY --from` and `RUN --mount=from` join the chains, and only stages that
//! the target needs are planned. Commands without `FROM` continue the image so far. What is pinned is what is behind the
//! addresses that `ADD` names without a checksum: resolving is planning with the right to fetch them.

pub mod fault;
mod options;
mod outline;
mod pins;
pub mod plan;
mod source;
pub mod text;

use fault::Fault;
pub use options::Options;
use pins::Downloads;
pub use pins::Pins;
use source::Source;
use text::stages::Dockerfile;
use wythe_sdk::{Failure, Importer, ResolvingStep, State, Translation, Wish};

/// The step.
#[derive(Debug)]
pub struct Docker;

impl ResolvingStep for Docker {
    type Options = Options;
    type Lock = Pins;

    fn resolve(base: &State, options: Options, previous: Option<Pins>) -> Result<Pins, Failure> {
        let source = Source::of(&options)?;
        let downloads = Downloads::to_be_found(previous.unwrap_or_default());
        let file = source.parse()?;
        let mut warnings = Vec::new();
        match plan::plan(&file, &source, base, &options, &downloads, &mut warnings) {
            Ok(_) => Ok(downloads.into_pins()),
            // It will not come to planning, where warnings are told.
            Err(fault) => {
                tell(&file, &source, &options, warnings)?;
                Err(source.failure(&fault))
            }
        }
    }

    fn plan(base: &State, options: Options, lock: Pins) -> Result<State, Failure> {
        let source = Source::of(&options)?;
        let file = source.parse()?;
        let mut warnings = Vec::new();
        outline::tell(&file, &source, &options);
        let planned = plan::plan(&file, &source, base, &options, &Downloads::pinned(lock), &mut warnings);
        let are_errors = tell(&file, &source, &options, warnings)?;
        match planned {
            Ok(_) if are_errors => Err(source.declined("a warning, where warnings are errors")),
            Ok(planned) => {
                planned.unread.iter().for_each(plan::Unread::tell);
                Ok(planned.state)
            }
            Err(fault) => Err(source.failure(&fault)),
        }
    }
}

impl Importer for Docker {
    type Options = Options;

    fn translate(options: Options, wish: &Wish) -> Result<Translation, Failure> {
        let source = Source::of(&options)?;
        let file = source.parse()?;
        plan::translate(&file, &source, &options, wish).map_err(|fault| source.failure(&fault))
    }
}

/// Tells of the warnings that count, and returns whether they are errors.
fn tell(file: &Dockerfile, source: &Source, options: &Options, mut warnings: Vec<Fault>) -> Result<bool, Failure> {
    let rules = plan::Rules::of(file, options).map_err(|fault| source.failure(&fault))?;
    rules.choose(&mut warnings);
    let are_errors = (options.strict || rules.are_errors) && !warnings.is_empty();
    for warning in &warnings {
        source.tell(warning, are_errors);
    }
    Ok(are_errors)
}

wythe_sdk::export!(Docker: ResolvingStep + Importer, "plugin.json");
