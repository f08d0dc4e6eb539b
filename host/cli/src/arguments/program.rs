// SPDX-License-Identifier: Apache-2.0
//! Arguments of what runs a program in an image.

use clap::Args;
use wythe_plan::{Gpu, HostEntry, Network};

use super::Secrets;

/// Arguments of `wythe run`.
#[derive(Debug, Args)]
#[command(after_help = "\
What the program writes into the image's files is thrown away when it ends. The exit status is the program's.

Examples:
  wythe run app
  wythe run app python -V
  wythe run --env DEBUG=1 --network none app env
  wythe run --network example.org,deb.debian.org:80 app curl https://example.org/
  wythe run --gpu any app nvidia-smi
  wythe run --memory 2GB --pids 500 --timeout 10m app
  wythe run --secret id=hf,env=HF_TOKEN --secret-env HF_TOKEN=hf app
  wythe run --volume hf-cache:/root/.cache/huggingface --volume ./data:/data:ro app")]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) inside: Inside,
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// The command, in place of the image's own: all that follows its first word is part of it
    #[arg(trailing_var_arg = true)]
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
    /// The GPUs it is given: `any`, a model, or a model and how many, as in `H100:2`
    #[arg(long, value_name = "GPU")]
    pub(crate) gpu: Option<Gpu>,
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
pub(super) fn network_mode(text: &str) -> Result<Network, String> {
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
    #[arg(long, conflicts_with_all = ["env", "workdir", "user", "network", "gpu", "entrypoint", "secret_env", "cpu", "memory", "pids", "disk", "timeout"])]
    pub(crate) step: Option<String>,
    /// Build arguments, with --step
    #[arg(long = "arg", visible_alias = "build-arg", value_name = "NAME=VALUE", requires = "step")]
    pub(crate) args: Vec<String>,
    /// What the step may do that asks for trust, as with `wythe build`
    #[arg(long, value_name = "GRANT", requires = "step", value_delimiter = ',')]
    pub(crate) allow: Vec<String>,
    /// The image of the step, of a definition with several
    #[arg(long = "image", value_name = "NAME", requires = "step")]
    pub(crate) images: Vec<String>,
}
