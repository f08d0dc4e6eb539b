// SPDX-License-Identifier: Apache-2.0
//! Arguments of `wythe build`, and what it has in common with others.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Definition, Habits};

/// Arguments of `wythe build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Standard output holds the digest of the image and nothing else (one line an image: NAME DIGEST, where
the definition has several). Progress goes to standard error.

Examples:
  wythe build -t app:1.4
  wythe build . --locked --progress plain
  wythe build -f FILE --target test --build-arg VERSION=3 .
  wythe build - < FILE               a file that needs no context; tar -c . | wythe build - for an archive
  wythe build https://example.com/app.git#v1:dir
  wythe build --add-host db=10.0.0.5 --shm-size 1g --ulimit nofile=4096 .
  wythe build --build-context base=oci-layout://layout:1.4 .
  wythe build --secret id=hf,env=HF_TOKEN --secret 'id=index,command=pass show index'
  wythe build --ssh default          steps that ask for it may use the keys of the ssh agent
  wythe build --locked --offline     from what is in the store, without any network
  wythe build --rebuild run          run that step again even where its result is known
  wythe build --verify               where the disk is not to be trusted
  wythe build --on-failure=shell     look around where a step failed
  wythe build -o type=local,dest=out the files of the image, in a directory
  wythe build --call outline         what a claimed file lets you choose")]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) definition: Definition,
    #[command(flatten)]
    pub(crate) grants: Grants,
    /// Names for the image; with several images, the part before `/` or `:` is not added: one image only
    #[arg(short, long = "tag", value_name = "NAME")]
    pub(crate) tags: Vec<String>,
    /// Fail instead of resolving what wythe.lock does not have
    #[arg(long)]
    pub(crate) locked: bool,
    /// Run this step again even where its result is known (name or kind)
    #[arg(long, value_name = "STEP")]
    pub(crate) rebuild: Vec<String>,
    /// Run every step again; as does WYTHE_FORCE_BUILD=1
    #[arg(long, visible_alias = "no-cache")]
    pub(crate) rebuild_all: bool,
    /// Read every layer of the store that this build uses before it is used, and make again what has changed on the disk. Takes
    /// as long as reading takes
    #[arg(long)]
    pub(crate) verify: bool,
    /// Do without the limits of processors, memory and processes that steps have, where they cannot be kept
    #[arg(long)]
    pub(crate) no_limits: bool,
    /// Open a shell in the place of the command that failed, with the files as it left them
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_failure: Option<OnFailure>,
    /// Run what belongs to these parts of a claimed file again (stages), even where results are known
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,
    /// Look for newer images under the names that a claimed file builds on. They are looked up by every build that no lock
    /// holds, so this asks for nothing more
    #[arg(long)]
    pub(crate) pull: bool,
    /// Also write the image: `type=oci|docker|tar|local,dest=PATH`; `tar` and `local` are its files; a PATH alone is `local`,
    /// and `-` is a `tar` on standard output. `type=image,name=NAME` gives it a name, as `--tag` does
    #[arg(short, long = "output", value_name = "TYPE")]
    pub(crate) outputs: Vec<String>,
    /// Do something else with it than building
    #[arg(long, value_name = "build|check|outline|targets", default_value = "build", value_parser = called)]
    pub(crate) call: (Call, bool),
    /// The same as --call check
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
    /// How progress is shown
    #[arg(long, value_name = "HOW", default_value = "auto")]
    progress: Progress,
    /// The same as --progress quiet
    #[arg(short, long, conflicts_with = "progress")]
    quiet: bool,
    /// Print a JSON object with names, digests and sizes instead of the digest
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the digest of the image's configuration, which other builders call its id, to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what `--json` prints to a file: of one image that is an object, which also has the names that other builders give
    /// to digests
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) habits: Habits,
}

impl Build {
    /// How progress is shown.
    pub(crate) fn progress(&self) -> Progress {
        if self.quiet { Progress::Quiet } else { self.progress }
    }
}

/// Reads what is done, and whether JSON is asked for as other builders have it: `outline,format=json`.
fn called(text: &str) -> Result<(Call, bool), String> {
    let (what, format) = text.split_once(",format=").unwrap_or((text, "text"));
    let known =
        || Call::value_variants().iter().filter_map(|call| Some(call.to_possible_value()?.get_name().to_owned()));
    let call = Call::from_str(what, true);
    let call = call.map_err(|_| format!("there is {}", known().collect::<Vec<_>>().join(", ")))?;
    match format {
        "json" => Ok((call, true)),
        "text" => Ok((call, false)),
        other => Err(format!("there is no format `{other}`: there are text and json")),
    }
}

/// What is done with a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Call {
    /// It is built.
    Build,
    /// It is looked through, as by `wythe check`.
    Check,
    /// What it lets a person choose is listed: arguments, secrets, agents.
    Outline,
    /// What can be built of it is listed.
    Targets,
}

/// What the person who builds grants to steps.
#[derive(Debug, Args)]
pub(crate) struct Grants {
    #[command(flatten)]
    pub(crate) secrets: Secrets,
    /// A directory of this machine in place of the volume NAME
    #[arg(long = "volume", value_name = "NAME=DIR")]
    pub(crate) volumes: Vec<String>,
    /// What steps may do that asks for trust: `security.insecure` is to run without what confines a command, for those that ask
    /// for it; `network.host` and `device` are accepted
    #[arg(long, value_name = "GRANT", value_delimiter = ',')]
    pub(crate) allow: Vec<String>,
}

/// What nobody but the steps that ask for it is to have.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Secrets {
    /// A secret, by id: `id=ID` and one of `env=NAME`, `src=FILE`, `dotenv=FILE` (its variable ID, or `key=NAME`) or, at
    /// the end, `command=COMMAND`; with none of them, the variable or else the file called ID
    #[arg(long = "secret", value_name = "id=ID,…")]
    pub(crate) secrets: Vec<String>,
    /// An ssh agent: `default` for that of SSH_AUTH_SOCK, or ID=SOCKET
    #[arg(long, value_name = "ID[=SOCKET]")]
    pub(crate) ssh: Vec<String>,
}

/// What is done when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// Opens a shell in the place of the command that failed, when everything else has ended.
    Shell,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A live tree on a terminal, plain lines elsewhere.
    Auto,
    /// A live tree.
    Tty,
    /// A line an event.
    Plain,
    /// A JSON object an event.
    #[value(alias = "rawjson")]
    Json,
    /// Nothing but errors.
    #[value(alias = "none")]
    Quiet,
}
