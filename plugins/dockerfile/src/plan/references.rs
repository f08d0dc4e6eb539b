// SPDX-License-Identifier: Apache-2.0
//! Which stages a target is made of, as far as the text shows.

use super::scope::Globals;
use crate::Options;
use crate::fault::{Fault, Place};
use crate::text::expand::{self, Quotes};
use crate::text::instruction::{Action, Instruction};
use crate::text::mount;
use crate::text::stages::Dockerfile;

/// Returns the stages that the target is made of, in the order of the file. Nothing refers to a later stage, so that a
/// file has no cycle.
pub(super) fn needed(
    file: &Dockerfile,
    options: &Options,
    globals: &Globals,
    target: usize,
) -> Result<Vec<usize>, Fault> {
    let mut wanted = vec![false; target + 1];
    wanted[target] = true;
    for index in (0..=target).rev() {
        if wanted[index] {
            for earlier in references(file, options, globals, index)? {
                wanted[earlier] = true;
            }
        }
    }
    Ok((0..=target).filter(|index| wanted[*index]).collect())
}

/// Returns the earlier stages that a stage names.
fn references(file: &Dockerfile, options: &Options, globals: &Globals, index: usize) -> Result<Vec<usize>, Fault> {
    let stage = &file.stages[index];
    let mut found = Vec::new();
    if stage.from.is_some() {
        let name = base_name(file, globals, index)?;
        found.extend(stage_named(file, options, &name, index, false));
    }
    found.extend(stage.instructions.iter().flat_map(|one| taken_from(file, options, one, index)));
    Ok(found)
}

/// Returns the earlier stages that an instruction of a stage takes something from.
pub(super) fn taken_from(file: &Dockerfile, options: &Options, one: &Instruction, index: usize) -> Vec<usize> {
    let named = |name: &str| stage_named(file, options, name, index, true);
    match &one.action {
        Action::Copy { .. } => {
            let from = one.flag("from").and_then(|flag| flag.value.as_deref());
            from.and_then(named).into_iter().collect()
        }
        Action::Run { .. } => {
            let mounts = one.flags_of("mount").map(|flag| flag.value.as_deref().unwrap_or_default());
            mounts.filter_map(|value| named(&mount::field(value, "from")?)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the earlier stage of a name, unless a named context takes its place.
pub(super) fn stage_named(
    file: &Dockerfile,
    options: &Options,
    name: &str,
    before: usize,
    or_number: bool,
) -> Option<usize> {
    if options.contexts.contains_key(name) {
        return None;
    }
    match or_number {
        true => file.stage_or_number(name, before),
        false => file.stage(name, before),
    }
}

/// Returns the name behind `FROM`, its variables replaced.
pub(super) fn base_name(file: &Dockerfile, globals: &Globals, index: usize) -> Result<String, Fault> {
    let Some(from) = &file.stages[index].from else { return Ok(String::new()) };
    let name = global_value(file, globals, &from.text, from.place)?;
    if name.is_empty() {
        let fault = Fault::new(from.place, format!("`{}` is empty: `FROM` has no image", from.text));
        return Err(fault.hint("give its `ARG` a default before the first `FROM`, or a value"));
    }
    Ok(name)
}

/// Replaces variables by arguments of the file as a whole.
pub(super) fn global_value(file: &Dockerfile, globals: &Globals, text: &str, place: Place) -> Result<String, Fault> {
    expand::value(text, file.directives.escape, Quotes::Taken, globals).map_err(|what| Fault::new(place, what))
}
