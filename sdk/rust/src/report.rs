// SPDX-License-Identifier: Apache-2.0
//! Messages to the person who waits. Never part of a cache key.

use crate::host::report as host;

/// Writes a line that only those who look for it see.
pub fn trace(message: &str) {
    host::log(host::Level::Trace, message);
}

/// Writes a line.
pub fn note(message: &str) {
    host::log(host::Level::Info, message);
}

/// Writes a line about something that should be looked at.
pub fn warn(message: &str) {
    host::log(host::Level::Warning, message);
}

/// Says how far long work has come; a `total` of 0 means unknown.
pub fn progress(label: &str, done: u64, total: u64) {
    host::progress(label, done, total);
}
