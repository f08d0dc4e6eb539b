// SPDX-License-Identifier: Apache-2.0
//! What the engine is told of the machine it works on. Only the command line looks; here it is a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wythe_image::Platform;
use wythe_sandbox::NetworkStack;
use wythe_sandbox::cdi::Places;

/// The machine's plumbing: what a step with a network needs to reach it, and nothing that is kept.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The platform whose programs it runs by itself, and that an image is for where nobody says another one.
    pub platform: Platform,
    /// Where the kernel shows which other programs it runs, and by what.
    pub binary_formats: PathBuf,
    /// PEM file with the certificate authorities that this machine trusts.
    pub ca_bundle: Option<PathBuf>,
    /// Further variables that name that bundle on this machine, and are to name it in a step too.
    pub ca_variables: Vec<String>,
    /// Proxy variables, in both cases.
    pub proxies: BTreeMap<String, String>,
    /// The resolver's configuration, `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// The table of hosts, `/etc/hosts`.
    pub hosts: PathBuf,
    /// Where it tells of its devices.
    pub devices: Places,
    /// Whether programs that belong to a device are run for a step that is given it, with the rights of the runtime.
    pub device_hooks: bool,
    /// Directories in which programs of this machine are looked for.
    pub programs: Vec<PathBuf>,
    /// Files of the ssh hosts that are known here.
    pub known_hosts: Vec<PathBuf>,
    /// How many operations run at once.
    pub parallel: usize,
    /// How steps that may reach what the machine reaches get there.
    pub way_out: WayOut,
}

/// How a command reaches what the machine reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayOut {
    /// It shares the machine's network, its loopback included.
    Shared {
        /// Why that is so although nobody asked for it: for whoever builds to read.
        for_want_of: Option<String>,
    },
    /// It has a network of its own, which is connected by this.
    Own(NetworkStack),
}

/// What a build pretends, so that its result does not depend on when it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pretence {
    /// Seconds since 1970 to which time stamps are clamped.
    pub source_date_epoch: u64,
    /// The same as RFC 3339.
    pub created: String,
    /// The builder version that the definition names.
    pub builder: String,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
}
