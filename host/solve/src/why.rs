// SPDX-License-Identifier: Apache-2.0
//! Why a step ran: what it was made from now, compared with what it was made from the last time.
//!
//! A build leaves two texts behind for each image of its definition (`docs/formats/explanations.md`): the *past*, what
//! each step was made from, and the *account*, how each step came to its result this time and why. Nothing is read
//! from the past while every step is a hit.
//!
//! A reason is a difference that changes a key, named where a person made it: the file, the option, the lock entry,
//! the step below. What a plan looks like inside is named only where nothing else is known.

mod account;
mod align;
mod chronicle;
mod compare;
mod json;
mod lines;
mod past;
mod reason;
mod redact;
mod roots;
mod sentence;
mod tree;

pub use account::{Account, Fate, OperationAccount, StepAccount, account_of};
pub use reason::{FileChange, Forced, LockChange, Reason, Root};
pub use redact::redacted;

pub(crate) use chronicle::Chronicle;
pub(crate) use past::{OpNow, OpPast, Planned, Said};
pub(crate) use tree::manifest;
