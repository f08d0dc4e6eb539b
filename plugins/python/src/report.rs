// SPDX-License-Identifier: Apache-2.0
//! What pip says that it would install: the items of its report, version 1.

use serde::Deserialize;
use wythe_sdk::Failure;

use crate::{CONTEXT, Dist, Origin, project_name};

/// One item of pip's report.
#[derive(Debug, Deserialize)]
pub struct Item {
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

impl Item {
    /// Returns the distribution that it stands for.
    ///
    /// # Errors
    ///
    /// Where it has neither a SHA-256 nor a commit, so that nothing could hold it still.
    pub fn dist(self) -> Result<Dist, Failure> {
        let Metadata { name, version } = self.metadata;
        let name = project_name(&name).unwrap_or(name);
        let Download { url, archive_info, vcs_info } = self.download_info;
        if let Some(Repository { vcs, commit_id }) = vcs_info {
            return Ok(Dist { name, version, origin: Origin::Commit { url: format!("{vcs}+{url}@{commit_id}") } });
        }
        let hashes = archive_info.unwrap_or_default().hashes;
        let sha256 = hashes.sha256.ok_or_else(|| {
            Failure::failed(format!(
                "the index gives no SHA-256 for `{name}` {version}, so it cannot be locked ({url})"
            ))
        })?;
        let inside = url.strip_prefix("file://").and_then(|path| path.strip_prefix(CONTEXT));
        let origin = match inside.and_then(|path| path.strip_prefix('/')) {
            Some(path) => Origin::Context { path: path.to_owned(), sha256 },
            None => Origin::File { url, sha256, size: None },
        };
        Ok(Dist { name, version, origin })
    }
}

/// Returns the distributions of a report, sorted by name and version.
///
/// # Errors
///
/// As [`Item::dist`].
pub fn dists(items: Vec<Item>) -> Result<Vec<Dist>, Failure> {
    let mut dists = items.into_iter().map(Item::dist).collect::<Result<Vec<_>, _>>()?;
    dists.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(dists)
}

/// Returns what pip gives as its reason: its errors, or the last thing that it said.
#[must_use]
pub fn reason(words: &str) -> String {
    let said: Vec<&str> =
        words.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("WARNING")).collect();
    let errors: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("ERROR: ")).collect();
    if errors.is_empty() { said.last().copied().unwrap_or("no reason was given").to_owned() } else { errors.join("; ") }
}
