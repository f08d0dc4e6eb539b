// SPDX-License-Identifier: Apache-2.0
//! User namespaces: where this process stands, and how an ordinary user gets to stand as root of one.

use std::sync::LazyLock;

/// The map of the initial user namespace: every id is itself.
const IDENTITY: [&str; 3] = ["0", "0", "4294967295"];

/// Whether this process is in the initial user namespace.
pub fn is_initial() -> bool {
    // A process cannot leave its namespace while it has threads, so one look is enough.
    static INITIAL: LazyLock<bool> = LazyLock::new(|| {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        map.split_whitespace().eq(IDENTITY)
    });
    *INITIAL
}
