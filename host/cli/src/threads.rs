// SPDX-License-Identifier: Apache-2.0
//! A machine that has no thread to give is a failure of the machine, told like every other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

use crate::diagnostic::Report;
use crate::exit::Exit;

/// How the panic begins by which the async runtime says so: it has no other way.
const NO_THREAD: &str = "OS can't spawn worker thread";

/// Does something, and returns it as a report where the machine had no thread for it. Any other panic goes on.
pub(crate) fn told<T>(work: impl FnOnce() -> Result<T, Report>) -> Result<T, Report> {
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_none_or(|text| !text.starts_with(NO_THREAD)) {
            hook(panic);
        }
    }));
    let ended = catch_unwind(AssertUnwindSafe(work));
    ended.unwrap_or_else(|panic| match text_of(&*panic).filter(|text| text.starts_with(NO_THREAD)) {
        Some(text) => Err(Report::new(Exit::World, "this machine has no thread to give").note(text)),
        None => resume_unwind(panic),
    })
}

fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied())
}
