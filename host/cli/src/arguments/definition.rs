// SPDX-License-Identifier: Apache-2.0
//! Arguments of what reads a definition without building it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use wythe_plan::{ExtraHost, NamedUlimit, Network};

use super::program::network_mode;
use super::size::docker_size;
use super::{Grants, Progress};
use crate::contexts::Elsewhere;

/// The network of all commands; none for that which each asks for, as it is where nothing is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllNetworks(pub(crate) Option<Network>);

fn all_networks(text: &str) -> Result<AllNetworks, String> {
    if text == "default" { Ok(AllNetworks(None)) } else { network_mode(text).map(|network| AllNetworks(Some(network))) }
}

/// Where a definition is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Definition {
    /// A directory with a wythe.toml, or with a file that a plugin claims; or such a file; `-` for what is on standard input, or
    /// the address of a git repository, an archive or a file
    #[arg(default_value = ".", value_name = "DIR|FILE|ADDRESS|-")]
    pub(crate) path: PathBuf,
    /// What was brought in the place of a directory
    #[arg(skip)]
    pub(crate) elsewhere: Option<Arc<Elsewhere>>,
    /// Build this file, which a plugin claims by its name, with DIR as its context; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Build this stage of a claimed file, in place of the last one
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Build arguments that plugins may ask for; without a value, that of the variable of this name where it is set
    #[arg(long = "arg", visible_alias = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) args: Vec<String>,
    /// What takes the place of a name in a claimed file: a directory, `docker-image://REFERENCE`, an image of a layout,
    /// `oci-layout://PATH[:TAG|@DIGEST]`, a git repository, `https://HOST/PATH.git#REF:DIR`, or the address of an archive
    #[arg(long = "build-context", value_name = "NAME=DIR|ADDRESS")]
    pub(crate) build_contexts: Vec<String>,
    /// The platform of the image, as linux/arm64, in place of this machine's or the definition's; commands of another machine's
    /// programs need an emulator: `wythe doctor`
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<String>,
    /// Labels that are added to the image of a claimed file
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// The network of every command of a claimed file: `host`, `none`, or hosts between commas; `default` for what each asks for
    #[arg(long, value_name = "MODE|HOSTS", value_parser = all_networks)]
    pub(crate) network: Option<AllNetworks>,
    /// A name that every command of a claimed file finds in /etc/hosts; also NAME:ADDRESS
    #[arg(long = "add-host", value_name = "NAME=ADDRESS")]
    pub(crate) extra_hosts: Vec<ExtraHost>,
    /// How much /dev/shm holds for every command of a claimed file, as in 1g; units are powers of 1024, 0 is the usual 64m
    #[arg(long, value_name = "SIZE", value_parser = docker_size)]
    pub(crate) shm_size: Option<u64>,
    /// A limit of each process of every command of a claimed file, as in nofile=1024:4096; -1 is no limit at all
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]")]
    pub(crate) ulimits: Vec<NamedUlimit>,
    /// How much memory the processes of one command of a claimed file may use together, as in 2g
    #[arg(short, long, value_name = "SIZE", value_parser = docker_size)]
    pub(crate) memory: Option<u64>,
    /// How long the processes of one command of a claimed file may use processors in each period, in microseconds
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) cpu_quota: Option<i64>,
    /// That period, in microseconds; 100000 where nothing is said
    #[arg(long, value_name = "TIME")]
    pub(crate) cpu_period: Option<u64>,
    /// Only these images of a definition with several
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) images: Vec<String>,
    /// Use no network, neither for downloads nor in steps: what is needed is in the store, or is named as missing
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Arguments of `wythe check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Steps are planned and nothing is run; a step that cannot be planned before the image below it is built is left out,
and said so. The exit status is 0 where nothing was found, 1 where something was.

Examples:
  wythe check                    ./wythe.toml, or the file that a plugin claims
  wythe check services/web --target runtime
  wythe check --json | jq -r '.[].rule'")]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) definition: Definition,
    /// Print JSON: an array of what was found
    #[arg(long)]
    pub(crate) json: bool,
}

/// A definition of which something is remembered.
#[derive(Debug, Args)]
pub(crate) struct Remembered {
    /// A directory with a wythe.toml, or the file itself
    #[arg(short, long = "file", default_value = ".", value_name = "DIR|FILE")]
    pub(crate) path: PathBuf,
    /// Only these images of a definition with several
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) images: Vec<String>,
}

/// Arguments of `wythe explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line a step: how it came to its result in the last build of the definition, and why it ran where
it did. docs/formats/explanations.md lists the causes that --json names.

Examples:
  wythe explain                  all steps that ran
  wythe explain deps             that step (name or kind), also where it was a hit
  wythe explain --now            what would run now, and why; nothing is run
  wythe explain --json -f app/   the definition in app/, for programs")]
pub(crate) struct Explain {
    /// Only these steps (name or kind)
    #[arg(value_name = "STEP")]
    pub(crate) steps: Vec<String>,
    #[command(flatten)]
    pub(crate) definition: Remembered,
    /// Explain the build that would happen now instead of the last one
    #[arg(long)]
    pub(crate) now: bool,
    /// Build arguments, with --now
    #[arg(long = "arg", value_name = "NAME=VALUE", requires = "now")]
    pub(crate) args: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
A step that was a hit has the log of the run that made its result. A log is kept as long as the
result; that of a failed build until `wythe store gc` removes it by its age.

Examples:
  wythe logs                     all steps of the last build, failed or not
  wythe logs deps                that step (name or kind)
  wythe history app --logs       the logs of an image")]
pub(crate) struct Logs {
    /// Only these steps (name or kind)
    #[arg(value_name = "STEP")]
    pub(crate) steps: Vec<String>,
    #[command(flatten)]
    pub(crate) definition: Remembered,
}

/// Arguments of `wythe plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) definition: Definition,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe lock`.
#[derive(Debug, Args)]
#[command(after_help = "\
A lock is made by the first build, too. What it has stays as it is until it is renewed here, whatever a mirror or
an index has meanwhile, and whatever image a tag stands for. Entries of steps that are gone are dropped.

Examples:
  wythe lock                 pin what is not pinned yet
  wythe lock --upgrade       pin everything anew, and print what moved
  wythe lock --upgrade deps  pin that step anew
  wythe lock --check         fail, and say why, where the lock would change")]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) definition: Definition,
    #[command(flatten)]
    pub(crate) grants: Grants,
    /// Pin these steps anew (name or kind); without a name, all of them
    #[arg(long, value_name = "STEP", num_args = 0..)]
    pub(crate) upgrade: Option<Vec<String>>,
    /// Fail if wythe.lock would change
    #[arg(long)]
    pub(crate) check: bool,
    /// Print what changed as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// How progress is shown
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: Progress,
}
