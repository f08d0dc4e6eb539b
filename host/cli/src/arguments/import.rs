// SPDX-License-Identifier: Apache-2.0
//! Arguments of `wythe import`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `wythe import`.
#[derive(Debug, Args)]
#[command(after_help = "\
A file that a plugin claims becomes a definition that builds the same image. Commands that install
packages become steps of their own kinds where a plugin is certain that nothing else changes;
what has no kind of step stays as it is written, in a step of the file's kind, and is told with
its line. docs/import.md says what may differ. The file itself is not changed.

Images that the file builds on should be in the store: what depends on one that is not stays as
it is written.

Examples:
  wythe import                             writes ./wythe.toml
  wythe import services/web --target runtime --build-arg VERSION=3
  wythe import -f FILE .                   that file, with . as its context
  wythe import -o - | less                 only shows it
  wythe import --exact                     every command stays a command
  wythe import --force && wythe check")]
pub(crate) struct Import {
    /// A directory with a file that a plugin claims, or such a file
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub(crate) path: PathBuf,
    /// Import this file, with DIR as its context; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Import what this stage is made of, in place of the last one
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Values of build arguments; without a value, that of the variable of this name where it is set
    #[arg(long = "build-arg", visible_alias = "arg", value_name = "NAME[=VALUE]")]
    pub(crate) args: Vec<String>,
    /// Where the definition is written: a file in DIR, or `-` for standard output [default: wythe.toml in DIR]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a definition that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave every command as it is: no installation becomes a step of its own kind
    #[arg(long)]
    pub(crate) exact: bool,
    /// Print what became of each instruction as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
