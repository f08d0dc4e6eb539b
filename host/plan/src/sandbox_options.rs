// SPDX-License-Identifier: Apache-2.0
//! What a command's sandbox is like beyond its files and its network: as a command can see it, it is part of its key.

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod extra_host;
mod ulimit;

pub use extra_host::{ExtraHost, ExtraHostError};
pub use ulimit::{NamedUlimit, ULIMITS, Ulimit, UlimitError};

/// How much shared memory a command has where nobody says: Docker's default.
pub const USUAL_SHM_SIZE: u64 = 64 << 20;

/// What is usual is left out, so that who writes it down has the same keys as who does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SandboxOptions {
    /// Lines of `/etc/hosts` before all others: name → addresses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Bytes that `/dev/shm` holds; none for [`USUAL_SHM_SIZE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<u64>,
    /// Limits of each process, by the names of [`ULIMITS`]; what is not here is as wythe itself has it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
}

impl SandboxOptions {
    /// Whether everything is as usual.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Adds an address of a name.
    pub fn add_host(&mut self, host: ExtraHost) {
        let addresses = self.extra_hosts.entry(host.name).or_default();
        if !addresses.contains(&host.address) {
            addresses.push(host.address);
        }
    }

    /// Sets how much shared memory there is.
    pub fn set_shm_size(&mut self, bytes: u64) {
        self.shm_size = Some(bytes).filter(|bytes| *bytes != USUAL_SHM_SIZE);
    }

    /// Sets a limit. Dumps of memory are off in every sandbox: that they are to be changes nothing.
    pub fn set_ulimit(&mut self, ulimit: NamedUlimit) {
        if ulimit.name != ulimit::CORE {
            self.ulimits.insert(ulimit.name, ulimit.limit);
        }
    }

    /// Lays these over others: what is said here wins, name by name.
    pub(crate) fn lay_over(&self, below: &mut Self) {
        below.extra_hosts.extend(self.extra_hosts.clone());
        below.shm_size = self.shm_size.or(below.shm_size);
        below.ulimits.extend(self.ulimits.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::SandboxOptions;

    #[test]
    fn what_is_usual_is_not_there() {
        let mut options = SandboxOptions::default();
        options.set_shm_size(64 << 20);
        options.set_ulimit("core=0".parse().unwrap());
        assert!(options.is_usual(), "{options:?}");
    }

    #[test]
    fn a_name_has_several_addresses_and_a_limit_the_last_value() {
        let mut options = SandboxOptions::default();
        for host in ["db=10.0.0.5", "db=::1", "db:10.0.0.5", "a:10.0.0.6"] {
            options.add_host(host.parse().unwrap());
        }
        for ulimit in ["nofile=10", "nofile=20:30"] {
            options.set_ulimit(ulimit.parse().unwrap());
        }
        options.set_shm_size(1 << 20);
        let written = serde_json::to_value(&options).unwrap();
        let expected = serde_json::json!({
            "extra-hosts": {"a": ["10.0.0.6"], "db": ["10.0.0.5", "::1"]},
            "shm-size": 1 << 20,
            "ulimits": {"nofile": {"soft": 20, "hard": 30}},
        });
        assert_eq!(written, expected);
    }
}
