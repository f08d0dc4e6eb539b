// SPDX-License-Identifier: Apache-2.0
//! Arguments of what looks after plugins, the store and the machine.

use clap::{Args, Subcommand};

/// `wythe plugin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// List the step kinds
    List {
        /// List the types of packages that plugins find in images instead
        #[arg(long)]
        inventory: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what a kind takes and what its plugin may do
    Show {
        /// The kind
        kind: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `wythe store`.
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Say what takes how much room
    Du {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Free what no image needs
    Gc(Collect),
    /// Show or set the most that the store may take on its disk
    #[command(after_help = "\
What the store may take is its own setting: all who build in it keep to it. Before a step writes, what no image needs and
nobody uses is collected, the least recently used first; where that is not enough the build fails. A step that writes more
than is left is stopped.

Examples:
  wythe store quota              the quota, and what is in use
  wythe store quota 20GB         at most 20 GB from now on
  wythe store quota none         no limit")]
    Quota {
        /// Bytes, with a unit if wanted (kB, MB, GB, TB; KiB, MiB, GiB, TiB), or `none`
        #[arg(value_name = "SIZE")]
        size: Option<crate::size::Limit>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check every byte
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// `wythe volume`.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A volume is made when a step or program first uses it, and is never collected.

Examples:
  wythe volume ls
  wythe volume inspect hf-cache      where it is, how much room it takes
  wythe volume rm hf-cache")]
pub(crate) enum Volume {
    /// List the volumes
    Ls {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print where a volume is and how much room it takes, as JSON
    Inspect {
        /// The volume
        volume: String,
    },
    /// Remove volumes with all that is in them
    Rm {
        /// The volumes
        #[arg(required = true)]
        volumes: Vec<String>,
    },
}

/// Arguments of `wythe store gc`.
#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// Also results of steps that are this many days old or older; 0 means all [default: 14]
    #[arg(long, value_name = "DAYS")]
    pub(crate) older_than: Option<u32>,
    /// Also everything that steps share between builds (downloads, cache mounts)
    #[arg(long)]
    pub(crate) caches: bool,
    /// Say what would be freed and free nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
