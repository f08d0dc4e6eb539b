// SPDX-License-Identifier: Apache-2.0
//! The command line: names, options, help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod build;
mod definition;
mod habits;
mod images;
mod import;
mod program;
mod size;
mod upkeep;

pub(crate) use build::{Build, Call, Grants, Progress, Secrets};
pub(crate) use definition::{AllNetworks, Check, Definition, Explain, Lock, Logs, Plan, Remembered};
pub(crate) use habits::{Habits, PUSH};
pub(crate) use images::{Diff, Format, History, Images, OneImage, Packages, Remove, Save, Tag};
pub(crate) use import::Import;
pub(crate) use program::{Inside, Limits, Run, Shell};
pub(crate) use upkeep::{Collect, Doctor, Plugin, Store, Volume};

/// Build container images from a base and a chain of steps, each planned by a sandboxed plugin.
#[derive(Debug, Parser)]
#[command(
    name = "wythe",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Examples:
  wythe build                        build ./wythe.toml
  wythe build examples/quickstart -t app
  wythe run app                      run a program in it
  wythe plan --json                  print what a build would do

Exit codes: 0 done, 1 definition or argument, 2 usage, 3 a step's command, 4 a plugin,
5 kernel, disk or network, 70 a bug in wythe, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Where images, layers and caches are kept [default: $XDG_DATA_HOME/wythe or ~/.local/share/wythe]
    #[arg(long, global = true, env = "WYTHE_HOME", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// What runs commands: `native`, or an installed OCI runtime as `oci:NAME` or `oci:PATH`; results are the same
    #[arg(long, global = true, env = "WYTHE_DRIVER", value_name = "DRIVER", default_value = "native")]
    pub(crate) driver: Driver,
    /// Use an OCI runtime although holes of its version are known
    #[arg(long, global = true, env = "WYTHE_UNSAFE_DRIVER")]
    pub(crate) unsafe_driver: bool,
    /// Have the OCI runtime run the hooks of devices that steps are given: programs of this machine, outside of the sandbox
    #[arg(long, global = true, env = "WYTHE_ALLOW_DEVICE_HOOKS")]
    pub(crate) allow_device_hooks: bool,
    /// As an ordinary user, let steps with the network `host` share this machine's own, loopback included, and not have
    /// one of theirs that leads out; root's always share it
    #[arg(long, global = true, env = "WYTHE_SHARE_NETWORK")]
    pub(crate) share_network: bool,
}

/// What runs commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Driver {
    /// This program itself.
    Native,
    /// The OCI runtime of this name or path.
    Oci(String),
}

impl std::str::FromStr for Driver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "native" => Ok(Self::Native),
            Some(("oci", runtime)) if !runtime.is_empty() => Ok(Self::Oci(runtime.to_owned())),
            _ => Err("write `native`, or `oci:` and the name or path of a runtime, as in `oci:crun`".to_owned()),
        }
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the images of a definition
    Build(Box<Build>),
    /// Print what a build would do, without running anything
    Plan(Plan),
    /// Say what is wrong with a definition or a claimed file, or could be better, without building it
    Check(Check),
    /// Turn a file that a plugin claims into a definition that builds the same image
    Import(Import),
    /// Say why the steps of the last build ran, or what would run now
    Explain(Explain),
    /// Print all output of the steps of the last build, whether it ended well or not
    Logs(Logs),
    /// Pin what floats in a definition; images that steps are resolved on are built
    Lock(Lock),
    /// Run a program in an image
    Run(Run),
    /// Open a shell in an image
    Shell(Shell),
    /// List images
    Images(Images),
    /// Print everything that is known of an image, as JSON
    Inspect(OneImage),
    /// Print how an image came about, layer by layer
    History(History),
    /// Print what differs between two images
    Diff(Diff),
    /// List what package tools have installed in an image
    Packages(Packages),
    /// Give an image another name
    Tag(Tag),
    /// Remove names of images
    Rm(Remove),
    /// Write an image to an OCI layout or an archive
    Save(Save),
    /// Look at the plugins that provide step kinds
    #[command(subcommand)]
    Plugin(Plugin),
    /// Look after the store
    #[command(subcommand)]
    Store(Store),
    /// Look after named volumes
    #[command(subcommand)]
    Volume(Volume),
    /// Say what this machine can do, and what to do where it cannot
    Doctor(Doctor),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  wythe completions bash > /etc/bash_completion.d/wythe")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}
