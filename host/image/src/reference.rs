// SPDX-License-Identifier: Apache-2.0
//! The name of an image: registry, repository, tag, digest.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// The registry of names that name none.
const DEFAULT_REGISTRY: &str = "docker.io";

/// The part of the default registry that names without a path are in.
const OFFICIAL: &str = "library";

/// Most characters of a repository name (OCI distribution-spec, "Pulling manifests", leaves 255 for host and name).
const LONGEST_NAME: usize = 255;

/// Most characters of a tag (OCI distribution-spec, "Pulling manifests").
const LONGEST_TAG: usize = 128;

/// A name, with all defaults filled in: `app` is `docker.io/library/app:latest`.
///
/// It is printed in the short form that people write, so that `app`, `library/app:latest` and
/// `docker.io/library/app` are one name, `app:latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseReferenceError {
    /// The repository has characters that it may not have.
    #[error("a repository is made of lower-case letters and digits, with `.`, `_`, `-` and `/` between them")]
    Repository,
    /// The name is too long.
    #[error("a name has at most {LONGEST_NAME} characters")]
    Long,
    /// The tag is malformed.
    #[error(
        "a tag is made of letters, digits, `_`, `.` and `-`, at most {LONGEST_TAG} of them, and does not begin with `.` or `-`"
    )]
    Tag,
    /// The digest is malformed.
    #[error("a digest is `sha256:` and 64 lower-case hexadecimal digits")]
    Digest,
    /// The registry is malformed.
    #[error("a registry is a host name, with a port where it has one")]
    Registry,
}

impl Reference {
    /// Returns the registry's host, with its port where it has one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository in that registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag; none where only a digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest, where one was given.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| ParseReferenceError::Digest)?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to a port.
        let tag_at = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        let (name, tag) = tag_at.map_or((name, None), |at| (&name[..at], Some(&name[at + 1..])));
        if name.len() > LONGEST_NAME {
            return Err(ParseReferenceError::Long);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ParseReferenceError::Tag);
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        if !is_registry(registry) {
            return Err(ParseReferenceError::Registry);
        }
        if !path.split('/').all(is_path_part) {
            return Err(ParseReferenceError::Repository);
        }
        let is_official = registry == DEFAULT_REGISTRY && !path.contains('/');
        let repository = if is_official { format!("{OFFICIAL}/{path}") } else { path.to_owned() };
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.registry == DEFAULT_REGISTRY {
            let official = self.repository.strip_prefix(OFFICIAL).and_then(|rest| rest.strip_prefix('/'));
            f.write_str(official.filter(|rest| !rest.contains('/')).unwrap_or(&self.repository))?;
        } else {
            write!(f, "{}/{}", self.registry, self.repository)?;
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= LONGEST_TAG
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, OCI distribution-spec, "Pulling manifests".
fn is_path_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    if !ends_well(bytes.first()) || !ends_well(bytes.last()) {
        return false;
    }
    part.split(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit())
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn defaults_are_filled_in_and_left_out_again() {
        for (text, registry, repository, short) in [
            ("app", "docker.io", "library/app", "app:latest"),
            ("library/app", "docker.io", "library/app", "app:latest"),
            ("docker.io/library/debian:bookworm-slim", "docker.io", "library/debian", "debian:bookworm-slim"),
            ("ada/app:1.4", "docker.io", "ada/app", "ada/app:1.4"),
            ("ghcr.io/ada/app", "ghcr.io", "ada/app", "ghcr.io/ada/app:latest"),
            ("localhost:5000/app:x", "localhost:5000", "app", "localhost:5000/app:x"),
            ("localhost/app", "localhost", "app", "localhost/app:latest"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!((reference.registry(), reference.repository()), (registry, repository), "{text}");
            assert_eq!(reference.to_string(), short, "{text}");
            assert_eq!(short.parse::<Reference>().unwrap(), reference);
        }
    }

    #[test]
    fn a_digest_needs_no_tag() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let reference: Reference = format!("app@{digest}").parse().unwrap();
        assert_eq!(reference.tag(), None);
        assert_eq!(reference.to_string(), format!("app@{digest}"));
    }

    #[test]
    fn what_no_registry_takes_is_refused() {
        for text in [
            "",
            ":",
            "App",
            "app:",
            "app:-x",
            "a//b",
            "/app",
            "app/",
            "a b",
            "app@sha256:12",
            "../x",
            "a..b",
            "-a",
            "a-",
            "reg.io:port/app",
            "reg.io:99999/app",
            "-bad.io/app",
            "a___b",
            &"a".repeat(256),
            &format!("a:{}", "t".repeat(129)),
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?} was accepted");
        }
    }
}
