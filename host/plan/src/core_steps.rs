// SPDX-License-Identifier: Apache-2.0
//! The core kinds: the vocabulary of operations itself, spelled as steps. They need no plugin.

use std::sync::LazyLock;

use crate::{Fragment, Kind, PlanError, StepCall, World};

/// All core kinds, sorted by name. Their `plugin` is `core`.
pub static CORE_KINDS: LazyLock<Vec<Kind>> = LazyLock::new(Vec::new);

/// Plans a step of a core kind.
///
/// # Errors
///
/// [`PlanError::Declined`] where the options cannot be honoured; what `world` fails with.
///
/// # Panics
///
/// Panics where the kind is no core kind.
pub fn plan_core_step(call: StepCall<'_>, world: &dyn World) -> Result<Fragment, PlanError> {
    let _ = (call, world);
    Ok(Fragment::new())
}
