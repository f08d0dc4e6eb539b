// SPDX-License-Identifier: Apache-2.0
//! What snapshots promise, tried from outside. One program, because linking is what tests spend their time on.

mod archives;
mod changes;
mod choosing;
mod editing;
mod layer;
mod support;
