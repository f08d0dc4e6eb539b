// SPDX-License-Identifier: Apache-2.0
//! Saving an image, and reading it back: what is written, what is left when it fails, and what other programs say of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, outside its function, too")]

mod judges;
mod layouts;
mod media;
mod sample;
