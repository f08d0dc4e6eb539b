// SPDX-License-Identifier: Apache-2.0
//! From a lock entry to a plan.

use std::collections::BTreeSet;

use wythe_sdk::{Artifact, Command, Failure, Format, Sharing, State};

use crate::artifacts::{PIP, pip_for};
use crate::requirement::{host_of, needs_more_than_the_web};
use crate::{Dist, Lock, Options, Origin, filename};

/// Where wheels and source archives are mounted.
const FILES: &str = "/run/wythe/wheels";
/// Where `finish.py` keeps what it has compiled.
const MODULES: &str = "/run/wythe/cache/modules";
/// A place for what a command leaves behind.
const SCRATCH: &str = "/run/wythe/tmp";
const FINISH: &str = include_str!("finish.py");

/// Runs the tool, then finishes what it installed. `$1` is Python, `$2` the finishing program, `$3` whether modules are
/// compiled; names follow, `--`, and the tool's command line. uv takes a bare name for a version, not for a program.
const SCRIPT: &str = r#"python=$(command -v "$1") finish=$2 compile=$3; shift 3
export UV_PYTHON="$python"
names=
while [ "$1" != -- ]; do names="$names $1"; shift; done
shift; "$@"
exec "$python" -W ignore -c "$finish" "$compile" $names"#;

/// How a tool installs, given a requirement file on its standard input.
#[derive(Debug)]
pub struct Install<'a> {
    /// The step's options.
    pub options: &'a Options,
    /// The tool's command line for files that are all there, without a network.
    pub offline: Vec<String>,
    /// What it is given beside that where such files are built.
    pub building: Vec<String>,
    /// The tool's command line for what is downloaded, or built, with a network.
    pub online: Vec<String>,
}

impl Install<'_> {
    /// Plans the installation: wheels first, then what is built, then what is built from a repository, which has a commit
    /// but no digest that a tool could check. `add` gives a command what the tool itself needs: its program, its cache.
    pub fn plan(&self, base: &State, lock: &Lock, add: impl Fn(Command) -> Command) -> State {
        let (wheels, sources): (Vec<&Dist>, Vec<&Dist>) = lock.packages.iter().partition(|dist| dist.is_wheel());
        let (archives, commits): (Vec<&Dist>, Vec<&Dist>) = sources.into_iter().partition(|dist| dist.is_archive());
        let unchanged = wythe_sdk::Files::on(base).apply();
        let ready = if self.options.download_in_sandbox { &self.online } else { &self.offline };
        let build = lock.build.as_deref().filter(|_| !self.options.download_in_sandbox);
        let pinned = [self.offline.as_slice(), &self.building].concat();
        let built = if build.is_some() { &pinned } else { &self.online };
        let batches = [
            (wheels, "install", ready, &[][..]),
            (archives, "build and install", built, build.unwrap_or_default()),
            (commits, "build and install", &self.online, &[]),
        ];
        let batches = batches.into_iter().filter(|(dists, ..)| !dists.is_empty());
        batches.fold(unchanged, |state, (dists, verb, tool, build)| {
            let command = self.command(&state, &dists, tool).describe(&describe(verb, &dists));
            let command = build.iter().fold(command, mount);
            let command = if *tool == self.online { self.reach(command, &dists) } else { command };
            add(equip(command, &lock.python)).run()
        })
    }

    fn command(&self, on: &State, dists: &[&Dist], tool: &[String]) -> Command {
        let compile = if self.options.compile_bytecode { "1" } else { "0" };
        let mut argv: Vec<String> =
            ["/bin/sh", "-euc", SCRIPT, "sh", &self.options.python, FINISH, compile].map(str::to_owned).into();
        argv.extend(dists.iter().map(|dist| dist.name.clone()));
        argv.push("--".into());
        argv.extend(tool.iter().cloned());
        let is_there =
            |dist: &&&Dist| !(self.options.download_in_sandbox && matches!(dist.origin, Origin::File { .. }));
        // A directory that is not there is an error for some tools.
        if dists.iter().any(|dist| is_there(&dist) && !matches!(dist.origin, Origin::Commit { .. })) {
            argv.push(format!("--find-links={FILES}"));
        }
        if dists.iter().all(|dist| !matches!(dist.origin, Origin::Commit { .. })) {
            argv.push("--require-hashes".into());
        }
        argv.extend(["-r".to_owned(), "/dev/stdin".to_owned()]);
        let requirements: String = dists.iter().map(|dist| dist.requirement() + "\n").collect();
        let mut command = Command::new(on, argv).stdin(requirements);
        if self.options.compile_bytecode {
            command = command.cache("python-modules", MODULES, Sharing::Shared);
        }
        dists.iter().filter(is_there).fold(command, |command, dist| mount(command, dist))
    }

    /// Opens the network to the indexes, and to where the files are.
    fn reach(&self, command: Command, dists: &[&Dist]) -> Command {
        let mut hosts: BTreeSet<&str> = BTreeSet::new();
        if self.options.index_url.is_none() {
            hosts.extend(["pypi.org", "files.pythonhosted.org"]);
        }
        let options = self.options;
        let places = options.index_url.iter().chain(&options.extra_index_url).chain(&options.find_links);
        let places = places.map(String::as_str).chain(dists.iter().filter_map(|dist| match &dist.origin {
            Origin::File { url, .. } | Origin::Commit { url } => Some(url.as_str()),
            Origin::Context { .. } => None,
        }));
        let places: Vec<&str> = places.collect();
        if places.iter().any(|place| needs_more_than_the_web(place)) {
            return command.network_host();
        }
        hosts.extend(places.into_iter().filter_map(host_of));
        hosts.into_iter().fold(command, |command, host| command.allow_host(host))
    }
}

/// Mounts a file among those that a tool finds. A repository has none.
pub(crate) fn mount(command: Command, dist: &Dist) -> Command {
    match &dist.origin {
        Origin::File { url, sha256, size } => {
            command.bind_artifact(&Artifact::new(url, sha256, *size), &place_of(dist))
        }
        Origin::Context { path, .. } => command.bind_context(path, &place_of(dist)),
        Origin::Commit { .. } => command,
    }
}

/// Returns where a distribution's file is mounted.
#[must_use]
pub fn place_of(dist: &Dist) -> String {
    let (Origin::File { url: name, .. } | Origin::Context { path: name, .. } | Origin::Commit { url: name }) =
        &dist.origin;
    format!("{FILES}/{}", filename(name))
}

/// Says what a command installs; long lists are cut.
fn describe(verb: &str, dists: &[&Dist]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = dists.iter().take(SHOWN).map(|dist| format!("{} {}", dist.name, dist.version)).collect();
    match dists.len().saturating_sub(SHOWN) {
        0 => format!("{verb} {}", shown.join(", ")),
        more => format!("{verb} {} and {more} more", shown.join(", ")),
    }
}

/// Returns the version of the Python that the step installs for, as `major.minor`.
///
/// # Errors
///
/// Where the image below has no such Python, or it does not start.
pub fn find_python(base: &State, options: &Options) -> Result<String, Failure> {
    let python = &options.python;
    let found = if python.contains('/') {
        base.exists(python).map(|exists| exists.then(|| python.clone()))
    } else {
        base.which(python)
    };
    // Where the state below cannot be looked at, the command tells.
    if let Ok(None) = found {
        let problem = Failure::option("/python", format!("the image below has no `{python}`"));
        return Err(problem.hint("use a base with Python, or install `python3` with an `apt` step before this one"));
    }
    let program = "import sys; print('%d.%d' % sys.version_info[:2])";
    let version = Command::new(base, [python, "-B", "-c", program])
        .describe(&format!("ask {python} for its version"))
        .output_text()
        .map_err(|error| Failure::option("/python", format!("`{python}` does not start: {error}")))?;
    Ok(version.trim().to_owned())
}

/// Returns a command that asks a tool, given a program for Python that drives it and the program's input.
///
/// pip is mounted whatever the tool is: it carries the libraries that the drivers need.
pub fn probe(base: &State, options: &Options, python: &str, driver: &str, input: &serde_json::Value) -> Command {
    equip(Command::new(base, [options.python.as_str(), "-c", driver]).stdin(input.to_string()), python).network_host()
}

/// Gives a command what every Python tool here needs.
///
/// What Python compiles of itself and of pip goes to a cache, since neither may enter the layer; the working directory
/// is one without modules that could be taken for those of the standard library.
pub fn equip(command: Command, python: &str) -> Command {
    command
        .workdir("/")
        .env("PYTHONPYCACHEPREFIX", "/run/wythe/cache/bytecode")
        .cache("python-bytecode", "/run/wythe/cache/bytecode", Sharing::Shared)
        .env("TMPDIR", SCRATCH)
        .tmpfs(SCRATCH, None)
        .bind_unpacked(&pip_for(python), Format::Zip, PIP)
}
