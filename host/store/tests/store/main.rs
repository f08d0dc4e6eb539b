// SPDX-License-Identifier: Apache-2.0
//! The store's promises, from outside.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests")]

mod active;
mod blobs;
mod durability;
mod format;
mod gc;
mod heal;
mod images;
mod locks;
mod open;
mod parts;
mod power;
mod processes;
mod properties;
mod quota;
mod results;
mod stats;
mod support;
mod verify;
