// SPDX-License-Identifier: Apache-2.0
//! Tar archives: one way to write them, and a strict way to read them.

pub(crate) mod pax;
pub(crate) mod read;

pub(crate) mod stream;
pub(crate) mod write;
