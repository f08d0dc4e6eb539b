// SPDX-License-Identifier: Apache-2.0
//! `image`: a base by reference.

use serde::Deserialize;

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
    let reference = if written.contains("@sha256:") {
        written.clone()
    } else {
        let answer = world.fact(&Fact::Image(written.clone()))?;
        let bytes = answer.map_err(|reason| PlanError::Declined(vec![problem("/reference", reason)]))?;
        format!("{written}@{}", String::from_utf8_lossy(&bytes))
    };
    let mut fragment = Fragment::new();
    let head = fragment.add(Vertex::Image { reference }, Label::new(format!("image {written}")));
    fragment.set_head(head);
    Ok(fragment)
}
