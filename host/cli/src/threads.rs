// SPDX-License-Identifier: Apache-2.0
//! A machine that has no thread or descriptor to give is a failure of the machine, told like every other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

use crate::diagnostic::Report;
use crate::exit::Exit;

const NO_THREAD: &str = "this machine has no thread to give";
const NO_DESCRIPTOR: &str = "this machine has no descriptor to give";

/// How the panics begin by which libraries say so, which have no other way: the async runtime (threads, its wake-up for signals),
/// the standard library, and the pool for hashing.
const WANTS: [(&str, &str); 4] = [
    ("OS can't spawn worker thread", NO_THREAD),
    ("failed to create UnixStream", NO_DESCRIPTOR),
    ("failed to spawn thread", NO_THREAD),
    ("The global thread pool has not been initialized", NO_THREAD),
];

/// Does something, and returns it as a report where the machine lacked something for it. Any other panic goes on.
pub(crate) fn told<T>(work: impl FnOnce() -> Result<T, Report>) -> Result<T, Report> {
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        if panic.payload_as_str().and_then(wanted).is_none() {
            hook(panic);
        }
    }));
    let ended = catch_unwind(AssertUnwindSafe(work));
    ended.unwrap_or_else(|panic| match text_of(&*panic).and_then(|text| Some((wanted(text)?, text))) {
        Some((what, text)) => Err(Report::new(Exit::World, what).note(text)),
        None => resume_unwind(panic),
    })
}

/// Returns what a panic says that the machine lacks.
fn wanted(text: &str) -> Option<&'static str> {
    WANTS.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, what)| *what)
}

fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied())
}
