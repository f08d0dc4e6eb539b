// SPDX-License-Identifier: Apache-2.0
//! pip's installation report, version 1.

use serde::Deserialize;
use wythe_python::{Dist, Item, Options, dists, project_name, reason};
use wythe_sdk::{Failure, Problem};

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    install: Vec<Item>,
    #[serde(default)]
    refused: Option<String>,
}

/// Reads what the driver printed.
pub(crate) fn read(answer: &[u8], options: &Options) -> Result<Vec<Dist>, Failure> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| Failure::failed(format!("pip's report is not one of version 1: {error}")))?;
    if let Some(words) = answer.refused {
        return Err(refusal(&words, options));
    }
    dists(answer.install)
}

/// pip's words, at the package that they speak of, where there is one.
fn refusal(words: &str, options: &Options) -> Failure {
    let words = reason(words);
    let last = words.rsplit("; ").next().unwrap_or_default();
    let at = (0..).zip(&options.packages).find(|(_, package)| {
        let package: &str = package;
        last.split(' ')
            .any(|word| word == package || project_name(word).is_some_and(|name| Some(name) == project_name(package)))
    });
    let (path, what) = match at {
        Some((index, package)) => (format!("/packages/{index}"), format!("pip cannot install `{package}`")),
        None if options.packages.is_empty() => ("/requirements".into(), "pip cannot install these requirements".into()),
        None => ("/packages".into(), "pip cannot install these packages".to_owned()),
    };
    Failure::Options(vec![Problem::error(path, format!("{what}: {words}"))])
}
