// SPDX-License-Identifier: Apache-2.0
//! The command line: names, options, help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wythe_export::Compression;
use wythe_plan::{HostEntry, Network};

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
    Build(Build),
    /// Print what a build would do, without running anything
    Plan(Plan),
    /// Say what is wrong with a definition or a claimed file, or could be better, without building it
    Check(Check),
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

/// Where a definition is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Definition {
    /// A directory with a wythe.toml, or with a file that a plugin claims; or such a file
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub(crate) path: PathBuf,
    /// Build this file, which a plugin claims by its name, with DIR as its context; `-` reads standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Build this stage of a claimed file, in place of the last one
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Build arguments that plugins may ask for; without a value, that of the variable of this name where it is set
    #[arg(long = "arg", visible_alias = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) args: Vec<String>,
    /// What takes the place of a name in a claimed file: a directory, or `docker-image://REFERENCE`
    #[arg(long = "build-context", value_name = "NAME=DIR|docker-image://REFERENCE")]
    pub(crate) build_contexts: Vec<String>,
    /// The platform of the image; that of this machine is the only one so far
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// Labels that are added to the image of a claimed file
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// The network of every command of a claimed file: `host`, `none`, or hosts between commas
    #[arg(long, value_name = "MODE|HOSTS", value_parser = network_mode)]
    pub(crate) network: Option<Network>,
    /// Only these images of a definition with several
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) images: Vec<String>,
    /// Use no network, neither for downloads nor in steps: what is needed is in the store, or is named as missing
    #[arg(long)]
    pub(crate) offline: bool,
}

/// Arguments of `wythe build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Standard output holds the digest of the image and nothing else (one line an image: NAME DIGEST, where
the definition has several). Progress goes to standard error.

Examples:
  wythe build -t app:1.4
  wythe build . --locked --progress plain
  wythe build -f FILE --target test --build-arg VERSION=3 .
  wythe build --secret id=hf,env=HF_TOKEN --secret 'id=index,command=pass show index'
  wythe build --ssh default          steps that ask for it may use the keys of the ssh agent
  wythe build --locked --offline     from what is in the store, without any network
  wythe build --rebuild run          run that step again even where its result is known
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
    /// and `-` is a `tar` on standard output
    #[arg(short, long = "output", value_name = "TYPE")]
    pub(crate) outputs: Vec<String>,
    /// Do something else with it than building
    #[arg(long, value_name = "WHAT", default_value = "build")]
    pub(crate) call: Call,
    /// The same as --call check
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
    /// How progress is shown
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: Progress,
    /// Print a JSON object with names, digests and sizes instead of the digest
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the digest of the image's configuration, which other builders call its id, to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what `--json` prints to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
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

/// What the person who builds grants to steps.
#[derive(Debug, Args)]
pub(crate) struct Grants {
    #[command(flatten)]
    pub(crate) secrets: Secrets,
    /// A directory of this machine in place of the volume NAME
    #[arg(long = "volume", value_name = "NAME=DIR")]
    pub(crate) volumes: Vec<String>,
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
    Json,
    /// Nothing but errors.
    Quiet,
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

/// Arguments of `wythe run`.
#[derive(Debug, Args)]
#[command(after_help = "\
What the program writes into the image's files is thrown away when it ends. The exit status is the program's.

Examples:
  wythe run app
  wythe run app -- python -V
  wythe run --env DEBUG=1 --network none app -- env
  wythe run --network example.org,deb.debian.org:80 app -- curl https://example.org/
  wythe run --memory 2GB --pids 500 --timeout 10m app
  wythe run --secret id=hf,env=HF_TOKEN --secret-env HF_TOKEN=hf app
  wythe run --volume hf-cache:/root/.cache/huggingface --volume ./data:/data:ro app")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) inside: Inside,
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// The command, in place of the image's own
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

/// How a program is run in an image.
#[derive(Debug, Args)]
pub(crate) struct Inside {
    /// Environment variables
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Working directory, in place of the image's own
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// User, in place of the image's own
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// The network: `host` for all of the machine's, `none`, or the hosts that can be reached, between commas
    #[arg(long, value_name = "MODE|HOSTS", default_value = "host", value_parser = network_mode)]
    pub(crate) network: Network,
    /// A named volume, or with a `/` or `.` in front a directory of this machine, at a path of the image; `:ro` at the end
    /// for one that cannot be changed
    #[arg(short, long = "volume", value_name = "NAME|DIR:PATH")]
    pub(crate) volumes: Vec<String>,
    /// Run this program in place of the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Secrets are files `/run/secrets/ID`, and the socket of the agent `default` is that of SSH_AUTH_SOCK
    #[command(flatten)]
    pub(crate) secrets: Secrets,
    /// A variable that has the value of a secret
    #[arg(long, value_name = "NAME=ID")]
    pub(crate) secret_env: Vec<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// How much of the machine a program may use.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Processors, as in 2 or 0.5
    #[arg(long, value_name = "NUMBER")]
    cpu: Option<String>,
    /// Memory of all its processes together, as in 512MiB; if they want more, all of them end
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Processes and threads at once; if they want to be more, all of them end
    #[arg(long, value_name = "NUMBER")]
    pids: Option<String>,
    /// What may be written into the image's files, as in 2GB
    #[arg(long, value_name = "SIZE")]
    disk: Option<String>,
    /// How long it may run, as in 90s or 1h30m
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
}

impl Limits {
    /// Returns what was given, by the names that definitions use.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("cpu", &self.cpu),
            ("memory", &self.memory),
            ("pids", &self.pids),
            ("disk", &self.disk),
            ("timeout", &self.timeout),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// Reads a network as it is written on a command line.
fn network_mode(text: &str) -> Result<Network, String> {
    match text {
        "host" => Ok(Network::Host),
        "none" => Ok(Network::None),
        hosts => {
            let one =
                |host: &str| host.parse::<HostEntry>().map(|_| host.to_owned()).map_err(|error| error.to_string());
            hosts.split(',').map(|host| one(host.trim())).collect::<Result<_, _>>().map(Network::Hosts)
        }
    }
}

/// Arguments of `wythe shell`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --step the shell is in the place of a command of that step, with everything that the command has: files, mounts,
variables, secrets, network, user and limits (but time). It is that of the first command whose result is not known, or
of the first if all are; what is below it is built before. The command is in the shell's history.

Examples:
  wythe shell app
  wythe shell --step deps                    in the place of a step of ./wythe.toml, by name
  wythe shell --step 3 --secret id=hf app/   of the third step of app/wythe.toml
  echo 'ls -l /src' | wythe shell --step 3   without a terminal")]
pub(crate) struct Shell {
    #[command(flatten)]
    pub(crate) inside: Inside,
    /// The image: a name, a digest, or the beginning of a digest; with --step, where the definition is [default: .]
    #[arg(required_unless_present = "step", value_name = "IMAGE|DIR|FILE")]
    pub(crate) image: Option<String>,
    /// Be in the place of this step of a definition (name, or number from 1 on)
    #[arg(long, conflicts_with_all = ["env", "workdir", "user", "network", "entrypoint", "secret_env", "cpu", "memory", "pids", "disk", "timeout"])]
    pub(crate) step: Option<String>,
    /// Build arguments, with --step
    #[arg(long = "arg", visible_alias = "build-arg", value_name = "NAME=VALUE", requires = "step")]
    pub(crate) args: Vec<String>,
    /// The image of the step, of a definition with several
    #[arg(long = "image", value_name = "NAME", requires = "step")]
    pub(crate) images: Vec<String>,
}

/// Arguments of `wythe images`.
#[derive(Debug, Args)]
pub(crate) struct Images {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print digests only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// An image.
#[derive(Debug, Args)]
pub(crate) struct OneImage {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
}

/// Arguments of `wythe history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wythe history app              layer by layer
  wythe history app --logs       with all output of the commands that made it
  wythe history app --logs deps  the output of that step's commands")]
pub(crate) struct History {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Print the output of the commands that made the image, or of these steps' (name)
    #[arg(long, value_name = "STEP", num_args = 0..)]
    pub(crate) logs: Option<Vec<String>>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe packages`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is installed is read from the image's files by the plugins of the tools that installed it; nothing in the image is
run. Which types of packages are known: `wythe plugin list --inventory`.

Examples:
  wythe packages app
  wythe packages app --type pypi
  wythe packages app --json | jq -r '.[].purl'       package URLs, for other tools")]
pub(crate) struct Packages {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Only packages of this type, such as deb or pypi
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Configuration, packages and files are compared; of files their type, content, mode, owner, link target, extended
attributes and time. Layers that the two have in common are not read. Which names are links to one file is not compared.

Examples:
  wythe diff app:1 app:2
  wythe diff app:1 app:2 --full              each file, however many
  wythe diff app:1 app:2 --patch             with the lines in which text files differ
  wythe diff app:1 app:2 --json | jq -r '.packages[].name'
  wythe diff --exit-code app:1 app:2 || echo \"not the same image\"")]
pub(crate) struct Diff {
    /// What was: a name, a digest, or the beginning of a digest
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// What is
    #[arg(value_name = "AFTER")]
    pub(crate) after: String,
    /// List each file instead of grouping many by directory
    #[arg(long)]
    pub(crate) full: bool,
    /// Print the lines in which text files of at most 256 KiB differ
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) patch: bool,
    /// End with status 6 where the images differ
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe tag`.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Its new name
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

/// Arguments of `wythe rm`.
#[derive(Debug, Args)]
#[command(after_help = "What no name keeps any more is freed by `wythe store gc`.")]
pub(crate) struct Remove {
    /// Names of images, or digests (which remove all their names)
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
}

/// Arguments of `wythe save`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wythe save app -o app.oci.tar                   an OCI archive
  wythe save app --format oci-dir -o layout       an OCI layout directory
  wythe save app --format docker -o app.tar       for docker load
  wythe save app --compression zstd -o app.oci.tar")]
pub(crate) struct Save {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Where to
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: PathBuf,
    /// What to write
    #[arg(long, default_value = "oci")]
    pub(crate) format: Format,
    /// How layers are compressed: none, gzip[:LEVEL] or zstd[:LEVEL]; `none` keeps the image's own digest
    #[arg(long, value_name = "HOW", default_value = "none")]
    pub(crate) compression: Compression,
    /// Names under which the image is written [default: its names in the store]
    #[arg(short, long = "tag", value_name = "NAME")]
    pub(crate) tags: Vec<String>,
}

/// What an image is saved as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An OCI image layout in a tar archive.
    Oci,
    /// An OCI image layout in a directory.
    OciDir,
    /// An archive for `docker load`.
    Docker,
}

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
    /// Also results of steps that are this many days old or older; 0 means all
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    pub(crate) older_than: u32,
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
