// SPDX-License-Identifier: Apache-2.0
//! `image`: a base by reference.

use serde::Deserialize;
use wythe_image::Platform;

use super::problem;
use crate::{Fact, Fragment, Label, PlanError, Vertex, World};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    reference: String,
}

/// What a tag stands for is a fact, so that the lock holds it still.
pub(super) fn plan(options: &Options, world: &dyn World) -> Result<Fragment, PlanError> {
    let written = &options.reference;
    // A digest stands still; whether it is one for the platform is asked all the same.
    let answer = world.fact(&Fact::Image(written.clone()))?;
    let bytes = answer.map_err(|reason| PlanError::Declined(vec![problem("/reference", reason)]))?;
    let (name, _) = Platform::split_from(written);
    let is_pinned = name.contains("@sha256:");
    let reference = if is_pinned { name.to_owned() } else { format!("{name}@{}", String::from_utf8_lossy(&bytes)) };
    let mut fragment = Fragment::new();
    let head = fragment.add(Vertex::Image { reference }, Label::new(format!("image {written}")));
    fragment.set_head(head);
    Ok(fragment)
}
