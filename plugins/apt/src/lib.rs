// SPDX-License-Identifier: Apache-2.0
//! The step kind `apt`: packages of a Debian-like distribution, chosen and installed by apt.
//!
//! apt of the image below chooses, in a throw-away sandbox with a network. The lock names each `.deb`, the builder fetches
//! them, and apt installs exactly these without lists and without a network: no mirror is asked twice, and none of what
//! apt and dpkg write about the installation itself enters the layer.

mod answer;
mod installed;
mod lock;
mod options;
mod recognise;
mod sources;

pub use lock::{Key, Lock, Package};
pub use options::{Options, Source};
use wythe_sdk::{Artifact, Command, Failure, ResolvingStep, Sharing, State, build};

const RESOLVE: &str = include_str!("resolve.sh");
const INSTALL: &str = include_str!("install.sh");
/// Where the scripts keep what does not outlive them.
const SCRATCH: &str = "/run/wythe/tmp";
const DEBS: &str = "/run/wythe/debs";

/// The step.
#[derive(Debug)]
pub struct Apt;

impl ResolvingStep for Apt {
    type Options = Options;
    type Lock = Lock;

    fn resolve(base: &State, options: Options, previous: Option<Lock>) -> Result<Lock, Failure> {
        // Asked so that it is written down: what apt chooses depends on what is installed.
        if base.read("/var/lib/dpkg/status").is_err() || base.which("apt-get") == Ok(None) {
            let problem = Failure::option("", "the image below has no apt, or no database of packages");
            return Err(problem.hint("use a Debian or Ubuntu base, such as `debian-slim`"));
        }
        let keys = sources::fetch_keys(&options.sources)?;
        let prepared = sources::add(base, &options.sources, &keys)?;
        let recommends = if options.recommends { "--install-recommends" } else { "--no-install-recommends" };
        let argv = ["/bin/sh", "-euc", RESOLVE, "sh", recommends].into_iter();
        let answer = quiet(Command::new(&prepared, argv.chain(options.packages.iter().map(String::as_str))))
            .stdin(previous.map(|lock| lock.pins()).unwrap_or_default())
            .cache("apt-lists", "/run/wythe/cache/apt", Sharing::Locked)
            .network_host()
            .describe("let apt choose versions")
            .output_text()
            .map_err(|error| Failure::failed(format!("apt could not read the package lists: {error}")))?;
        answer::read(&answer, &options.packages, keys)
    }

    fn plan(base: &State, options: Options, lock: Lock) -> Result<State, Failure> {
        let prepared = sources::add(base, &options.sources, &lock.keys)?;
        let native = native_architecture(&build::platform());
        let command = quiet(Command::new(&prepared, ["/bin/sh", "-euc", INSTALL, "sh"]))
            .stdin(lock.wanted(&native))
            .describe(&lock.describe());
        let command = lock.packages.iter().fold(command, |command, package| {
            let Package { name, arch, url, sha256, size, .. } = package;
            let artifact = Artifact::new(url, sha256, Some(*size));
            command.bind_artifact(&artifact, &format!("{DEBS}/{name}_{arch}.deb"))
        });
        Ok(command.run())
    }
}

/// Nobody answers a question of a package, and messages are the same everywhere.
fn quiet(command: Command) -> Command {
    command
        .workdir("/")
        .user("0:0")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBCONF_NONINTERACTIVE_SEEN", "true")
        .env("LC_ALL", "C")
        .env("TMPDIR", SCRATCH)
        .tmpfs(SCRATCH, None)
}

/// Returns Debian's word for a platform's architecture.
fn native_architecture(platform: &str) -> String {
    let architecture = platform.split('/').nth(1).unwrap_or(platform);
    let word = match architecture {
        "386" => "i386",
        "arm" if platform.ends_with("/v5") || platform.ends_with("/v6") => "armel",
        "arm" => "armhf",
        "ppc64le" => "ppc64el",
        "mips64le" => "mips64el",
        other => other,
    };
    word.to_owned()
}

wythe_sdk::export!(Apt: ResolvingStep + Inventory + Recogniser, "plugin.json");
