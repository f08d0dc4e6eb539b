// SPDX-License-Identifier: Apache-2.0
//! pip's installation report, version 1.

use serde::Deserialize;
use wythe_python::{CONTEXT, Dist, Options, Origin, project_name};
use wythe_sdk::{Failure, Problem};

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    install: Vec<Item>,
    #[serde(default)]
    refused: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Item {
    download_info: Download,
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

/// A direct URL reference (PEP 610).
#[derive(Debug, Deserialize)]
struct Download {
    url: String,
    #[serde(default)]
    archive_info: Option<Archive>,
    #[serde(default)]
    vcs_info: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
struct Archive {
    #[serde(default)]
    hashes: Hashes,
}

#[derive(Debug, Default, Deserialize)]
struct Hashes {
    #[serde(default)]
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    vcs: String,
    commit_id: String,
}

/// Reads what the driver printed.
pub(crate) fn read(answer: &[u8], options: &Options) -> Result<Vec<Dist>, Failure> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| Failure::failed(format!("pip's report is not one of version 1: {error}")))?;
    if let Some(words) = answer.refused {
        return Err(refusal(&words, options));
    }
    let mut dists = answer.install.into_iter().map(dist).collect::<Result<Vec<_>, _>>()?;
    dists.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(dists)
}

fn dist(item: Item) -> Result<Dist, Failure> {
    let Metadata { name, version } = item.metadata;
    let name = project_name(&name).unwrap_or(name);
    let Download { url, archive_info, vcs_info } = item.download_info;
    if let Some(Repository { vcs, commit_id }) = vcs_info {
        return Ok(Dist { name, version, origin: Origin::Commit { url: format!("{vcs}+{url}@{commit_id}") } });
    }
    let hashes = archive_info.unwrap_or_default().hashes;
    let sha256 = hashes.sha256.ok_or_else(|| {
        Failure::failed(format!("the index gives no SHA-256 for `{name}` {version}, so it cannot be locked ({url})"))
    })?;
    let inside = url.strip_prefix("file://").and_then(|path| path.strip_prefix(CONTEXT));
    let origin = match inside.and_then(|path| path.strip_prefix('/')) {
        Some(path) => Origin::Context { path: path.to_owned(), sha256 },
        None => Origin::File { url, sha256, size: None },
    };
    Ok(Dist { name, version, origin })
}

/// pip's words, at the package that they speak of, where there is one.
fn refusal(words: &str, options: &Options) -> Failure {
    let said: Vec<&str> =
        words.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("WARNING")).collect();
    let errors: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("ERROR: ")).collect();
    let last = errors.last().or(said.last()).copied().unwrap_or("no reason was given");
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
    let all = if errors.len() > 1 { errors.join("; ") } else { last.to_owned() };
    Failure::Options(vec![Problem::error(path, format!("{what}: {all}"))])
}
