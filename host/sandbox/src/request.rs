// SPDX-License-Identifier: Apache-2.0
//! What to run, as a value.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wythe_sys::overlay::Overlay;

use crate::cdi::Hook;
use crate::{Limits, NetworkStack, Rlimit, Secret};

/// One run. What can change its result is apart from what can only change how it gets there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// What can change the result.
    pub inputs: RunInputs,
    /// What cannot.
    pub tuning: RunTuning,
}

/// Everything of a run that can change its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInputs {
    /// The root file system. `/proc`, `/sys` and `/dev` must be directories in it, and not links.
    pub root: Overlay,
    /// The program and its arguments. A program without a slash is looked for on the `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment; nothing is added.
    pub env: BTreeMap<String, String>,
    /// Variables whose values nobody else is to see; they win over those of `env`.
    #[serde(default)]
    pub secret_env: BTreeMap<String, Secret>,
    /// Where it starts, inside the root. It must exist; empty means `/`.
    pub workdir: String,
    /// Who it is: empty for root, or `name`, `uid`, `name:group`, `uid:gid` and the mixtures, resolved in the root.
    pub user: String,
    /// Further groups that it belongs to, by number: those of devices.
    #[serde(default)]
    pub groups: Vec<u32>,
    /// What it reads; empty means that it reads nothing.
    pub stdin: Vec<u8>,
    /// What is mounted into the root. Outer targets come first, whatever the order here.
    pub mounts: Vec<Mount>,
    /// Which network it has.
    pub network: Network,
    /// The name of the machine it sees; empty means `localhost`.
    pub hostname: String,
    /// Whether set-id programs such as `sudo` gain what their bits say. Off, nothing gains anything, which is
    /// stricter than Docker's default.
    #[serde(default)]
    pub set_id_programs: bool,
    /// Whether it is to have whatever its user namespace can give: all capabilities, all system calls, nothing hidden or read-only
    /// in `/proc` and `/sys`. Files, descriptors and the end of its processes are as ever.
    #[serde(default)]
    pub insecure: bool,
    /// Bytes that `/dev/shm` holds; 64 MiB if `None`, which is Docker's default.
    #[serde(default)]
    pub shared_memory: Option<u64>,
    /// What each process may use by itself; where nothing is said it is what the caller may.
    #[serde(default)]
    pub rlimits: Vec<Rlimit>,
    /// Programs of the machine that an OCI runtime runs with its own rights at points of the command's life. Nothing else can.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// Directories of the machine among those that are mounted in which what a command with secrets has changed is removed if
    /// nobody is left to look at it.
    #[serde(default)]
    pub caches: Vec<PathBuf>,
}

impl RunInputs {
    /// Returns the name of the machine that it sees.
    pub(crate) fn machine_name(&self) -> &str {
        if self.hostname.is_empty() { "localhost" } else { &self.hostname }
    }

    /// Whether programs can give it more than it has.
    pub(crate) fn may_gain(&self) -> bool {
        self.set_id_programs || self.insecure
    }

    /// Returns the variables that it gets, those that are secret in place of plain ones of the same name.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let open = self.env.iter().filter(|(name, _)| !self.secret_env.contains_key(*name));
        let open = open.map(|(name, value)| (name.as_str(), value.as_bytes()));
        open.chain(self.secret_env.iter().map(|(name, value)| (name.as_str(), value.bytes())))
    }
}

/// Everything of a run that cannot change its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTuning {
    /// How long it may take; `None` means as long as it wants.
    pub timeout: Option<Duration>,
    /// How much of the machine its processes may use together.
    pub limits: Limits,
}

/// Which network a run has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A loopback interface of its own, and no way out.
    #[default]
    None,
    /// That of the machine.
    Host,
    /// That of a namespace which somebody else has made and keeps.
    Namespace {
        /// What leads to it, as `/proc/PID/fd/N` does.
        path: PathBuf,
    },
    /// One of its own, from which a user-mode network stack leads to what the machine reaches, but not to its loopback.
    Stack(NetworkStack),
}

/// A file or directory that appears in the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, as an absolute path inside the root. It must exist, but in another mount that may be written to, where it is made;
    /// and lie neither in `/proc` nor in `/sys`, nor in `/dev` but for `/dev/shm` (a device makes its own place).
    pub target: String,
    /// What.
    pub source: MountSource,
}

/// What a mount shows. Device nodes and set-id bits in it mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A file or directory of the machine.
    Bind {
        /// Where it is.
        path: PathBuf,
        /// What below `path`, as if `path` were `/`: links cannot lead out. Empty for `path` itself.
        subpath: String,
        /// Whether it can be changed.
        read_only: bool,
    },
    /// A part of another file system.
    Overlay {
        /// The file system.
        overlay: Overlay,
        /// What of it; empty for all.
        subpath: String,
        /// Whether it can be changed.
        read_only: bool,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// How many bytes it holds at most; half of the machine's memory if `None`.
        size: Option<u64>,
        /// The permissions of its root.
        mode: u32,
    },
    /// A file in memory that cannot be changed. Its target must be a file.
    Secret {
        /// What is in it.
        content: Secret,
        /// Its permissions.
        mode: u32,
        /// Its owner and group.
        owner: (u32, u32),
    },
    /// A device node of the machine, which works as one. Its target lies in `/dev` and need not exist.
    Device {
        /// Where the node is.
        path: PathBuf,
        /// Which device it has to be, where that was looked at before: between then and now it may become another.
        #[serde(default)]
        number: Option<DeviceNumber>,
    },
}

/// What the kernel calls a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNumber {
    /// Whether it is of a disk's kind.
    pub is_block: bool,
    /// The number of its driver.
    pub major: u32,
    /// Its own number.
    pub minor: u32,
}
