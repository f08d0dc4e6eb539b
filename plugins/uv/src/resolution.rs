// SPDX-License-Identifier: Apache-2.0
//! uv's choice, as the driver prints it.

use serde::Deserialize;
use wythe_python::{CONTEXT, Dist, Options, Origin, project_name};
use wythe_sdk::{Failure, Problem};

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    packages: Vec<Package>,
    #[serde(default)]
    refused: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    file: Option<File>,
    #[serde(default)]
    vcs: Option<Repository>,
}

#[derive(Debug, Deserialize)]
struct File {
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Repository {
    r#type: String,
    url: Option<String>,
    commit_id: String,
    subdirectory: Option<String>,
}

/// Reads what the driver printed.
pub(crate) fn read(answer: &[u8], options: &Options) -> Result<Vec<Dist>, Failure> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| Failure::failed(format!("uv's answer is not of the form of pylock.toml 1.0: {error}")))?;
    if let Some(words) = answer.refused {
        return Err(refusal(&words, options));
    }
    let mut dists = answer.packages.into_iter().map(dist).collect::<Result<Vec<_>, _>>()?;
    dists.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(dists)
}

fn dist(package: Package) -> Result<Dist, Failure> {
    let Package { name, version, file, vcs } = package;
    if let Some(Repository { r#type, url: Some(url), commit_id, subdirectory }) = vcs {
        let part = subdirectory.map(|directory| format!("#subdirectory={directory}")).unwrap_or_default();
        return Ok(Dist { name, version, origin: Origin::Commit { url: format!("{type}+{url}@{commit_id}{part}") } });
    }
    let Some(file) = file else {
        return Err(Failure::failed(format!("`{name}` {version} has no file for this Python and platform")));
    };
    let Some(sha256) = file.sha256 else {
        return Err(Failure::failed(format!(
            "the index gives no SHA-256 for `{name}` {version}, so it cannot be locked"
        )));
    };
    let place = file.url.or(file.path).unwrap_or_default();
    let local = place.strip_prefix("file://").unwrap_or(&place);
    let origin = match local.split_once(&format!("{CONTEXT}/")) {
        Some((_, path)) => Origin::Context { path: path.to_owned(), sha256 },
        // A relative path leads from where the lock was written to the build context.
        None if !place.contains("://") => match local.split_once("context/") {
            Some((_, path)) => Origin::Context { path: path.to_owned(), sha256 },
            None => {
                return Err(Failure::failed(format!(
                    "`{name}` {version} lies at `{place}`, outside the build context"
                )));
            }
        },
        None => Origin::File { url: place, sha256, size: file.size },
    };
    Ok(Dist { name, version, origin })
}

/// uv's words, at the package that they speak of, where there is exactly one.
fn refusal(words: &str, options: &Options) -> Failure {
    let text = words.replace(['╰', '─', '▶', '×', '│'], " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let named = |package: &String| {
        let name = project_name(package);
        text.split([' ', ',', '`']).any(|word| name.is_some() && project_name(word) == name)
    };
    let at: Vec<_> = (0..).zip(&options.packages).filter(|(_, package)| named(package)).collect();
    let (path, what) = match at.as_slice() {
        [(index, package)] => (format!("/packages/{index}"), format!("uv cannot install `{package}`")),
        _ if options.packages.is_empty() => ("/requirements".into(), "uv cannot install these requirements".into()),
        _ => ("/packages".into(), "uv cannot install these packages".to_owned()),
    };
    Failure::Options(vec![Problem::error(path, format!("{what}: {text}"))])
}
