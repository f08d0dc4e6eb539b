// SPDX-License-Identifier: Apache-2.0
//! What a plugin implements.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, State};

/// A step whose plan follows from its options and the facts that it asks for.
pub trait Step {
    /// The step's options. The host has checked them against the schema in the plugin's metadata.
    type Options: DeserializeOwned;

    /// Plans the step on top of `base`. The same answers to the same questions must give the same plan.
    ///
    /// # Errors
    ///
    /// [`Failure::Options`] where the options cannot be honoured, [`Failure::Failed`] otherwise.
    fn plan(base: &State, options: Self::Options) -> Result<State, Failure>;
}

/// A step that pins what floats before it plans.
///
/// `resolve` may use [`crate::fetch`] and [`crate::Command::output`]; `plan` has neither and installs what the lock says.
pub trait ResolvingStep {
    /// The step's options. The host has checked them against the schema in the plugin's metadata.
    type Options: DeserializeOwned;

    /// The step's entry in the lock: what exactly is installed, and enough for `plan` to need nothing else.
    ///
    /// It is kept as JSON in a file that people read and review.
    type Lock: Serialize + DeserializeOwned;

    /// Finds out what exactly the options stand for. `previous` is the entry of an existing lock, which is kept to as
    /// far as the options allow; an entry that cannot be read any more is not passed.
    ///
    /// # Errors
    ///
    /// As [`Step::plan`].
    fn resolve(base: &State, options: Self::Options, previous: Option<Self::Lock>) -> Result<Self::Lock, Failure>;

    /// Plans the step on top of `base`, exactly as `lock` says.
    ///
    /// # Errors
    ///
    /// As [`Step::plan`].
    fn plan(base: &State, options: Self::Options, lock: Self::Lock) -> Result<State, Failure>;
}
