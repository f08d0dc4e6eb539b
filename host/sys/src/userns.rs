// SPDX-License-Identifier: Apache-2.0
//! User namespaces: where this process stands, and how an ordinary user gets to stand as root of one.
//!
//! Inside such a namespace the user is root over what is the user's: files of the user's own ids, mounts of its own
//! namespace. With subordinate ids (`/etc/subuid`) there are 65,536 other users inside, as images expect; without them
//! there is root and nobody else.

use std::sync::LazyLock;

use rustix::thread::CapabilitySet;

mod enter;
mod ids;
mod probe;

pub use enter::{EnterError, enter};
pub use ids::{Range, SubordinateIds, mapping_tools};
pub use probe::{Obstacle, obstacle};

/// The map of the initial user namespace: every id is itself.
const IDENTITY: [&str; 3] = ["0", "0", "4294967295"];

/// What this process may do with ids and mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Root of the machine.
    Root,
    /// Root of a user namespace with this many ids.
    Mapped {
        /// How many, root among them.
        ids: u32,
    },
    /// Root of a user namespace in which there is nobody else: files belong to root, and to become another user fails.
    SingleId,
    /// No root at all; [`enter`] may change that.
    Ordinary,
}

/// Where this process stands.
#[must_use]
pub fn standing() -> Standing {
    let may_mount = rustix::thread::capabilities(None)
        .is_ok_and(|capabilities| capabilities.effective.contains(CapabilitySet::SYS_ADMIN));
    if !rustix::process::geteuid().is_root() || !may_mount {
        return Standing::Ordinary;
    }
    if is_initial() {
        return Standing::Root;
    }
    match uid_map().lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u32>().ok()).sum() {
        0 | 1 => Standing::SingleId,
        ids => Standing::Mapped { ids },
    }
}

/// Whether this process is in the initial user namespace.
#[must_use]
pub fn is_initial() -> bool {
    // A process cannot leave its namespace while it has threads, so one look is enough.
    static INITIAL: LazyLock<bool> = LazyLock::new(|| uid_map().split_whitespace().eq(IDENTITY));
    *INITIAL
}

/// Whether this process may not set its groups, because its namespace maps a single id.
#[must_use]
pub fn groups_are_fixed() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|policy| policy.trim() == "deny")
}

fn uid_map() -> String {
    std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default()
}
