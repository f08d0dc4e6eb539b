// SPDX-License-Identifier: Apache-2.0
//! Why a plugin ended, told from what wasmtime and the host know. No decision here looks at a text.

use wasmtime::{FrameInfo, Trap, WasmBacktrace};
use wythe_plan::PlanError;

use crate::guest::Guest;
use crate::untrusted;

/// Most frames that are shown: the place of a fault is near the top.
const MOST_FRAMES: usize = 16;

/// Crates whose functions stand in every backtrace and are never the place of a fault.
const NOT_THE_PLUGIN: [&str; 8] =
    ["std::", "core::", "alloc::", "wit_bindgen::", "<alloc::", "<core::", "<std::", "__"];

/// Turns the end of a guest into the planner's error.
pub(crate) fn explain(guest: &mut Guest, error: &wasmtime::Error) -> PlanError {
    let frames = frames(error);
    match guest.verdict() {
        Some(PlanError::Broken { plugin, what, .. }) => PlanError::Broken { plugin, what, frames },
        Some(other) => other,
        None => PlanError::Broken { plugin: guest.plugin.to_string(), what: cause(guest, error), frames },
    }
}

fn cause(guest: &Guest, error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "called itself too deeply (limit `stack`)".to_owned(),
        Some(Trap::UnreachableCodeReached) => match guest.said() {
            Some(said) => said,
            None => "stopped itself without saying why".to_owned(),
        },
        // The stack of a compiled language lies at the low end of its memory, so that it runs out of it when full.
        Some(Trap::MemoryOutOfBounds) => "touched memory that it does not have, as a full stack does".to_owned(),
        Some(trap) => format!("trapped: {}", trap.to_string().trim_start_matches("wasm trap: ")),
        None => format!("broke the rules of the interface: {}", untrusted::line(&error.root_cause().to_string())),
    }
}

/// The plugin's own frames, innermost first; only where the component carries names or line tables.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    backtrace.frames().iter().flat_map(lines_of).take(MOST_FRAMES).collect()
}

/// A frame may stand for several functions: those that were inlined into one.
fn lines_of(frame: &FrameInfo) -> Vec<String> {
    let inlined = frame.symbols().iter().filter_map(|symbol| {
        let file = symbol.file()?;
        let name = symbol.name().unwrap_or_default();
        let place = format!("{file}:{}", symbol.line().unwrap_or_default());
        is_of_plugin(name, Some(file)).then(|| untrusted::line(&format!("{name} at {place}")))
    });
    let lines: Vec<String> = inlined.collect();
    if !lines.is_empty() || !frame.symbols().is_empty() {
        return lines;
    }
    let name = frame.func_name().unwrap_or_default();
    if is_of_plugin(name, None) { vec![untrusted::line(name)] } else { Vec::new() }
}

fn is_of_plugin(name: &str, file: Option<&str>) -> bool {
    let is_library = file.is_some_and(|file| {
        file.contains("/rustc/")
            || file.contains("/library/")
            || file.starts_with("registry/")
            || file.contains("/registry/src/")
    });
    // Names with a colon that is no path are glue of the component model.
    let is_glue = name.is_empty() || name.contains('#') || name.starts_with("wit-component:");
    !is_library && !is_glue && !NOT_THE_PLUGIN.iter().any(|prefix| name.starts_with(prefix))
}
