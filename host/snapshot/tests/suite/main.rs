// SPDX-License-Identifier: Apache-2.0
//! What snapshots promise, tried from outside. One program, because linking is what tests spend their time on.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says why it is passed over")]

mod archives;
mod changes;
mod choosing;
mod comparing;
mod editing;
mod layer;
mod parts;
mod races;
mod support;
