// SPDX-License-Identifier: Apache-2.0
//! The step kind `pip`: Python packages, resolved and installed by pip.
//!
//! pip itself is pinned, mounted for the time of a command, and not part of the image; the image's own pip, if it has one,
//! is not used. The lock names each file that pip chose, and the plan installs these files.

mod recognise;
mod report;

use serde_json::json;
use wythe_python::{Inputs, Install, Lock, Options, RUN_PIP, distributions, find_python, pin_building, probe};
use wythe_sdk::{Failure, Inventory, Package, ResolvingStep, Sharing, State};

/// Asks pip what it would install: prints its report, or its words where it cannot.
const RESOLVE: &str = include_str!("resolve.py");

/// The step.
#[derive(Debug)]
pub struct Pip;

impl ResolvingStep for Pip {
    type Options = Options;
    type Lock = Lock;

    fn resolve(base: &State, options: Options, previous: Option<Lock>) -> Result<Lock, Failure> {
        let inputs = Inputs::gather(&options)?;
        let python = find_python(base, &options)?;
        let kept = previous.as_ref().map(|lock| lock.packages.as_slice()).unwrap_or_default();
        let input = json!({
            "pip": RUN_PIP,
            "lines": inputs.lines,
            "arguments": arguments(&options, &inputs),
            // Commits are kept by what the options say, not by a version.
            "kept": kept.iter().map(|dist| format!("{}=={}", dist.name, dist.version)).collect::<Vec<_>>(),
        });
        let command = inputs
            .bind(probe(base, &options, &python, RESOLVE, &input))
            .env("PIP_CACHE_DIR", "/run/wythe/cache/pip")
            .cache("pip", "/run/wythe/cache/pip", Sharing::Shared)
            .describe("let pip choose versions");
        let answer = command.output().map_err(|error| Failure::failed(format!("pip could not be asked: {error}")))?;
        let packages = report::read(&answer, &options)?;
        let build = pin_building(base, &options, &inputs, &python, &packages, previous.as_ref())?;
        Ok(Lock { python, packages, build })
    }

    fn plan(base: &State, options: Options, lock: Lock) -> Result<State, Failure> {
        let mut offline = pip(&options);
        offline.push("--no-index".into());
        let mut online = pip(&options);
        online.extend(options.index_arguments());
        online.extend(options.extra_options.iter().cloned());
        Ok(Install { options: &options, offline, building: Vec::new(), online }.plan(base, &lock, |command| command))
    }
}

impl Inventory for Pip {
    fn packages(image: &State) -> Result<Vec<Package>, Failure> {
        distributions(image)
    }
}

fn arguments(options: &Options, inputs: &Inputs) -> Vec<String> {
    let mut arguments = options.index_arguments();
    arguments.extend(inputs.find_links.iter().cloned());
    if options.pre {
        arguments.push("--pre".into());
    }
    arguments.extend(inputs.files.iter().map(|file| format!("--requirement={file}")));
    arguments.extend(options.extra_options.iter().cloned());
    arguments
}

/// `--isolated`: what a configuration file or a variable of the image adds was seen while resolving, and is in the lock.
fn pip(options: &Options) -> Vec<String> {
    const ARGUMENTS: [&str; 11] = [
        "--isolated",
        "--no-input",
        "--disable-pip-version-check",
        "install",
        "--no-deps",
        "--no-compile",
        "--no-warn-script-location",
        "--root-user-action=ignore",
        "--break-system-packages",
        "--progress-bar=off",
        "--no-cache-dir",
    ];
    let mut argv: Vec<String> = [options.python.as_str(), "-c", RUN_PIP].map(str::to_owned).into();
    argv.extend(ARGUMENTS.map(str::to_owned));
    argv
}

wythe_sdk::export!(Pip: ResolvingStep + Inventory + Recogniser, "plugin.json");
