// SPDX-License-Identifier: Apache-2.0
//! Planning other kinds of step from within one.

use serde::Serialize;

use crate::{Failure, State};

/// Plans a step of another kind on `on`.
///
/// # Errors
///
/// What the other plugin says, or that `options` have no JSON form.
pub fn call<T: Serialize>(kind: &str, options: &T, on: &State) -> Result<State, Failure> {
    let options = serde_json::to_string(options)
        .map_err(|error| Failure::failed(format!("the options of `{kind}` have no JSON form: {error}")))?;
    #[cfg(target_family = "wasm")]
    let answer = crate::bindings::composite::wythe::step::steps::call(kind, &options, on).map_err(Into::into);
    #[cfg(not(target_family = "wasm"))]
    let answer = crate::host::steps::call(kind, &options, on);
    answer
}
