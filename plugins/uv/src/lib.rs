// SPDX-License-Identifier: Apache-2.0
//! The step kind `uv`: Python packages, resolved and installed by uv.
//!
//! uv is pinned, mounted for the time of a command, and not part of the image. The lock names each file that it chose, and
//! the plan installs these files. What uv unpacks is kept in a cache that all builds share.

mod recognise;
mod resolution;

use serde_json::json;
use wythe_python::{Inputs, Install, Lock, Options, UV_PATH, find_python, pin_building, probe, uv_for};
use wythe_sdk::{Artifact, Command, Failure, Format, ResolvingStep, Sharing, State, build};

/// Asks uv what it would install: prints its choice of files, or its words where it cannot.
const RESOLVE: &str = include_str!("resolve.py");

/// The step.
#[derive(Debug)]
pub struct Uv;

impl ResolvingStep for Uv {
    type Options = Options;
    type Lock = Lock;

    fn resolve(base: &State, options: Options, previous: Option<Lock>) -> Result<Lock, Failure> {
        let uv = uv_for(&build::platform())?;
        let inputs = Inputs::gather(&options)?;
        let python = find_python(base, &options)?;
        let kept = previous.as_ref().map(|lock| lock.packages.as_slice()).unwrap_or_default();
        let input = json!({
            "uv": UV_PATH,
            "lines": inputs.lines,
            "files": inputs.files,
            "arguments": arguments(&options, &inputs),
            "kept": kept.iter().map(|dist| [&dist.name, &dist.version]).collect::<Vec<_>>(),
        });
        let command = inputs.bind(equip(probe(base, &options, &python, RESOLVE, &input), &uv));
        let command = command.describe("let uv choose versions");
        let answer = command.output().map_err(|error| Failure::failed(format!("uv could not be asked: {error}")))?;
        let packages = resolution::read(&answer, &options)?;
        let build = pin_building(base, &options, &inputs, &python, &packages, previous.as_ref())?;
        Ok(Lock { python, packages, build })
    }

    fn plan(base: &State, options: Options, lock: Lock) -> Result<State, Failure> {
        let uv = uv_for(&build::platform())?;
        let install = [UV_PATH, "pip", "install", "--break-system-packages", "--no-deps", "--no-progress"];
        let mut offline: Vec<String> = install.map(str::to_owned).into();
        offline.extend(["--offline", "--no-config", "--no-index"].map(str::to_owned));
        let mut online: Vec<String> = install.map(str::to_owned).into();
        online.extend(options.index_arguments());
        online.extend(options.extra_options.iter().filter(|option| *option != "--no-deps").cloned());
        // What uv built of an archive before may have been built with other tools.
        let building = vec!["--no-cache".to_owned()];
        Ok(Install { options: &options, offline, building, online }.plan(base, &lock, |command| equip(command, &uv)))
    }
}

fn arguments(options: &Options, inputs: &Inputs) -> Vec<String> {
    let mut arguments = options.index_arguments();
    arguments.extend(inputs.find_links.iter().cloned());
    if options.pre {
        arguments.push("--prerelease=allow".into());
    }
    arguments.extend(options.extra_options.iter().cloned());
    arguments
}

/// Files are copied out of the cache: links to it would reach from the layer into a mount that is gone.
fn equip(command: Command, uv: &Artifact) -> Command {
    command
        .bind_unpacked(uv, Format::Zip, "/run/wythe/uv")
        .env("UV_CACHE_DIR", "/run/wythe/cache/uv")
        .env("UV_CREDENTIALS_DIR", "/run/wythe/tmp/credentials")
        .env("UV_LINK_MODE", "copy")
        .env("UV_PYTHON_DOWNLOADS", "never")
        .cache("uv", "/run/wythe/cache/uv", Sharing::Shared)
}

wythe_sdk::export!(Uv: ResolvingStep + Recogniser, "plugin.json");
