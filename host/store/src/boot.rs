// SPDX-License-Identifier: Apache-2.0
//! Which run of the machine this is.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Returns the boot id of this machine.
///
/// Where the kernel does not tell it, the answer fits no other process: results that were not synced are then made
/// again rather than trusted.
pub(crate) fn boot_id() -> String {
    match std::fs::read_to_string(BOOT_ID) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => format!("unknown-{}-{:016x}", std::process::id(), RandomState::new().hash_one(BOOT_ID)),
    }
}
