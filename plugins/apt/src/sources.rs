// SPDX-License-Identifier: Apache-2.0
//! Further archives, and the keys that sign them.

use sha2::{Digest as _, Sha256};
use wythe_sdk::{Artifact, Failure, Files, Problem, State, build, fetch};

use crate::{Key, Source};

const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Fetches the keys that are given by address.
pub(crate) fn fetch_keys(sources: &[Source]) -> Result<Vec<Key>, Failure> {
    let mut keys = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let Some(url) = source.key.as_deref().filter(|key| key.starts_with("https://")) else { continue };
        let bytes = fetch::get(url).map_err(|error| {
            Failure::option(
                format!("/sources/{index}/key"),
                format!("the key of `{}` cannot be fetched: {error}", source.name),
            )
        })?;
        keys.push(Key {
            source: source.name.clone(),
            url: url.to_owned(),
            sha256: hex::encode(Sha256::digest(&bytes)),
            size: bytes.len() as u64,
            armored: is_armored(&bytes),
        });
    }
    Ok(keys)
}

/// Writes the sources and their keys; without sources, nothing.
pub(crate) fn add(base: &State, sources: &[Source], keys: &[Key]) -> Result<State, Failure> {
    let mut problems = Vec::new();
    let mut files = Files::on(base).mode(0o644);
    for (index, source) in sources.iter().enumerate() {
        problems.extend(
            check(source).map(|(option, message)| Problem::error(format!("/sources/{index}/{option}"), message)),
        );
        let mut signed_by = None;
        if let Some(key) = &source.key {
            let place =
                |armored: bool| format!("/etc/apt/keyrings/{}.{}", source.name, if armored { "asc" } else { "gpg" });
            if key.starts_with("https://") {
                let known = keys.iter().find(|known| known.source == source.name && known.url == *key);
                let known = known.ok_or_else(|| {
                    Failure::failed(format!("the lock has no key of `{}`; run `wythe lock`", source.name))
                })?;
                let path = place(known.armored);
                files = files.artifact(&Artifact::new(&known.url, &known.sha256, Some(known.size)), &path);
                signed_by = Some(path);
            } else if key.starts_with('/') {
                signed_by = Some(key.clone());
            } else {
                let bytes = if key.starts_with(ARMOR) { Ok(key.clone().into_bytes()) } else { build::read(key) };
                match bytes {
                    Ok(bytes) => {
                        let path = place(is_armored(&bytes));
                        files = files.put(&path, bytes);
                        signed_by = Some(path);
                    }
                    Err(reason) => problems.push(Problem::error(
                        format!("/sources/{index}/key"),
                        format!("cannot read the key of `{}`, `{key}`: {reason}", source.name),
                    )),
                }
            }
        }
        let path = format!("/etc/apt/sources.list.d/{}.sources", source.name);
        files = files.put(&path, stanza(source, signed_by.as_deref()));
    }
    Failure::unless_empty(problems)?;
    Ok(files.apply())
}

/// What a schema cannot say.
fn check(source: &Source) -> Option<(&'static str, String)> {
    let directories = source.suites.iter().filter(|suite| suite.ends_with('/')).count();
    let name = &source.name;
    match (directories, source.components.is_empty()) {
        (0, true) => Some(("components", format!("`{name}` names no component of its suites, such as `main`"))),
        (0, false) => None,
        (_, false) => {
            Some(("components", format!("`{name}` has a suite that is a directory, which has no components")))
        }
        (count, true) if count < source.suites.len() => {
            Some(("suites", format!("`{name}` mixes suites that are directories with some that are not: make it two")))
        }
        (_, true) => None,
    }
}

fn is_armored(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(ARMOR.as_bytes())
}

/// deb822, sources.list(5).
fn stanza(source: &Source, signed_by: Option<&str>) -> String {
    let mut lines = vec![
        "Types: deb".to_owned(),
        format!("URIs: {}", source.uris.join(" ")),
        format!("Suites: {}", source.suites.join(" ")),
    ];
    let mut add = |field: &str, words: &[String]| {
        if !words.is_empty() {
            lines.push(format!("{field}: {}", words.join(" ")));
        }
    };
    add("Components", &source.components);
    add("Architectures", &source.architectures);
    lines.extend(signed_by.map(|path| format!("Signed-By: {path}")));
    lines.join("\n") + "\n"
}
