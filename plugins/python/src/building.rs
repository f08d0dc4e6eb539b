// SPDX-License-Identifier: Apache-2.0
//! What builds source archives: pinned as what is installed is.

use serde::Deserialize;
use serde_json::json;
use wythe_sdk::{Failure, Problem, Sharing, State};

use crate::install::mount;
use crate::report::{Item, dists, reason};
use crate::{Dist, Inputs, Lock, Options, RUN_PIP, place_of, probe};

/// Asks pip and the build backends.
const DRIVER: &str = include_str!("building.py");

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    install: Vec<Item>,
    /// The project whose build has requirements that cannot be met.
    #[serde(default)]
    project: String,
    #[serde(default)]
    refused: Option<String>,
}

/// Returns the wheels that the source archives among some packages need to be built, whatever tool chose the packages.
///
/// None where there is no such archive, and where the tool downloads in the sandbox, as it finds the index then.
///
/// # Errors
///
/// Where something that a build needs has no wheel, and where a build backend fails.
pub fn pin_building(
    base: &State,
    options: &Options,
    inputs: &Inputs,
    python: &str,
    packages: &[Dist],
    previous: Option<&Lock>,
) -> Result<Option<Vec<Dist>>, Failure> {
    let archives: Vec<&Dist> = packages.iter().filter(|dist| dist.is_archive()).collect();
    if archives.is_empty() || options.download_in_sandbox {
        return Ok(None);
    }
    let kept = previous.and_then(|lock| lock.build.as_deref()).unwrap_or_default();
    let mut arguments = options.index_arguments();
    arguments.extend(inputs.find_links.iter().cloned());
    let input = json!({
        "pip": RUN_PIP,
        "arguments": arguments,
        "archives": archives.iter().map(|dist| (&dist.name, place_of(dist))).collect::<Vec<_>>(),
        "kept": kept.iter().map(|dist| format!("{}=={}", dist.name, dist.version)).collect::<Vec<_>>(),
    });
    let command = inputs
        .bind(probe(base, options, python, DRIVER, &input))
        .env("PIP_CACHE_DIR", "/run/wythe/cache/pip")
        .cache("pip", "/run/wythe/cache/pip", Sharing::Shared)
        .describe("find what builds the source archives");
    let command = archives.iter().fold(command, |command, dist| mount(command, dist));
    let answer = command
        .output()
        .map_err(|error| Failure::failed(format!("what builds {} could not be found: {error}", names(&archives))))?;
    read(&answer).map(Some)
}

fn names(archives: &[&Dist]) -> String {
    archives.iter().map(|dist| format!("`{}` {}", dist.name, dist.version)).collect::<Vec<_>>().join(", ")
}

fn read(answer: &[u8]) -> Result<Vec<Dist>, Failure> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| Failure::failed(format!("pip's report is not one of version 1: {error}")))?;
    let Some(words) = answer.refused else { return dists(answer.install) };
    let Answer { project, .. } = answer;
    let problem =
        Problem::error("", format!("what `{project}` needs to be built cannot be pinned: {}", reason(&words)));
    Err(Failure::Options(vec![problem.hint(
        "only wheels are taken to build with; `download-in-sandbox = true` builds with whatever the index has at that time",
    )]))
}
