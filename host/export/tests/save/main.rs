// SPDX-License-Identifier: Apache-2.0
//! Saving an image: what is written, what is left when it fails, and what other programs say of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, outside its function, too")]

mod judges;
mod media;
mod sample;
