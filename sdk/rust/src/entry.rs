// SPDX-License-Identifier: Apache-2.0
//! From the interface's JSON texts to a plugin's types and back. The Wasm exports and the test kit both go through here.

use serde::de::DeserializeOwned;

use crate::{Failure, Importer, ResolvingStep, State, Step, Translation, Wish};

pub(crate) fn plan_step<T: Step>(base: &State, options: &str) -> Result<State, Failure> {
    T::plan(base, parse_options(options)?)
}

pub(crate) fn plan_resolving<T: ResolvingStep>(
    base: &State,
    options: &str,
    lock: Option<&str>,
) -> Result<State, Failure> {
    let lock = lock.ok_or_else(|| Failure::failed("the lock has no entry for this step; run `wythe lock`"))?;
    let lock = serde_json::from_str(lock).map_err(|error| {
        Failure::failed(format!(
            "the step's lock entry is not one of this plugin ({error}); renew it with `wythe lock`"
        ))
    })?;
    T::plan(base, parse_options(options)?, lock)
}

pub(crate) fn resolve<T: ResolvingStep>(
    base: &State,
    options: &str,
    previous: Option<&str>,
) -> Result<String, Failure> {
    // An entry that an older plugin wrote is as good as none: resolving makes a new one.
    let previous = previous.and_then(|text| serde_json::from_str(text).ok());
    let lock = T::resolve(base, parse_options(options)?, previous)?;
    serde_json::to_string(&lock).map_err(|error| Failure::failed(format!("the lock entry has no JSON form: {error}")))
}

pub(crate) fn translate<T: Importer>(options: &str, wish: &Wish) -> Result<Translation, Failure> {
    T::translate(parse_options(options)?, wish)
}

/// The schema is checked before, so this fails only where the schema and the type disagree, or a rule is too fine for one.
fn parse_options<T: DeserializeOwned>(options: &str) -> Result<T, Failure> {
    serde_json::from_str(options).map_err(|error| Failure::option("", error.to_string()))
}
