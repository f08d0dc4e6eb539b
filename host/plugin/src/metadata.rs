// SPDX-License-Identifier: Apache-2.0
//! What a plugin says of itself (`docs/formats/plugin-metadata.md`).

use serde::Deserialize;
use serde_json::Value;

/// Version of the document. A plugin with another one is refused.
const FORMAT: u32 = 1;

/// A name longer than this is a mistake or an attack on messages.
const NAME_BYTES: usize = 64;

/// A plugin's document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Metadata {
    /// Its version.
    pub format: u32,
    /// The plugin's name.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// One line about it.
    #[serde(default)]
    pub summary: String,
    /// The step kinds it provides.
    pub kinds: Vec<KindMetadata>,
    /// Hosts it may fetch from.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Types of package URLs that it can list in an image.
    #[serde(default)]
    pub inventory: Vec<String>,
}

/// One step kind.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct KindMetadata {
    /// The word in definitions.
    pub name: String,
    /// One line about it.
    #[serde(default)]
    pub summary: String,
    /// Whether it may stand as `base`.
    #[serde(default)]
    pub base: bool,
    /// Whether it may stand as a step; where it is not said, a base may not and everything else may.
    #[serde(default)]
    pub step: Option<bool>,
    /// Names of files that a directory is built by where it has no definition.
    #[serde(default)]
    pub files: Vec<String>,
    /// Whether it has a lock entry.
    #[serde(default)]
    pub resolves: bool,
    /// Whether it turns the files that it claims into definitions.
    #[serde(default)]
    pub translates: bool,
    /// Whether it knows commands that do what its steps do.
    #[serde(default)]
    pub recognises: bool,
    /// JSON Schema 2020-12 of its options.
    pub schema: Value,
}

/// Why metadata is refused.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not JSON of the right shape.
    #[error("its metadata cannot be read")]
    Parse(#[from] serde_json::Error),
    /// Of another format.
    #[error("its metadata has format {0}, and this wythe reads format {FORMAT}")]
    Format(u32),
    /// A name that would not do in a definition or a message.
    #[error("`{0}` is not a name: lower-case letters, digits and `-`, at most {NAME_BYTES}, none of `-` at the start")]
    Name(String),
    /// No kind, or one kind twice.
    #[error("its metadata names no kind, or one twice")]
    Kinds,
    /// A schema that is neither object nor bool.
    #[error("the schema of kind `{0}` is neither an object nor a bool")]
    Schema(String),
    /// A host pattern that is none.
    #[error("`{0}` is not a host, `*.` and a host, or `*`")]
    Host(String),
    /// A type of package URL that is none.
    #[error("`{0}` is not a type of packages: lower-case letters, digits, `.` and `-`, a letter first")]
    PackageType(String),
}

impl Metadata {
    /// Parses and checks the document.
    pub(crate) fn parse(text: &str) -> Result<Self, MetadataError> {
        let metadata: Self = serde_json::from_str(text)?;
        if metadata.format != FORMAT {
            return Err(MetadataError::Format(metadata.format));
        }
        let mut names: Vec<&str> = metadata.kinds.iter().map(|kind| kind.name.as_str()).collect();
        for name in names.iter().copied().chain([metadata.name.as_str()]) {
            if !is_name(name) {
                return Err(MetadataError::Name(name.to_owned()));
            }
        }
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || names.len() != metadata.kinds.len() {
            return Err(MetadataError::Kinds);
        }
        if let Some(kind) = metadata.kinds.iter().find(|kind| !(kind.schema.is_object() || kind.schema.is_boolean())) {
            return Err(MetadataError::Schema(kind.name.clone()));
        }
        if let Some(host) = metadata.hosts.iter().find(|host| !is_host_pattern(host)) {
            return Err(MetadataError::Host(host.clone()));
        }
        if let Some(kind) = metadata.inventory.iter().find(|kind| !is_package_type(kind)) {
            return Err(MetadataError::PackageType(kind.clone()));
        }
        Ok(metadata)
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES
        && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_package_type(text: &str) -> bool {
    text.len() <= NAME_BYTES
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

fn is_host_pattern(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    text == "*" || (!host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)))
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    fn refusal(text: &str) -> String {
        Metadata::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn defaults_are_filled_in_and_later_members_passed_over() {
        let text = r#"{"format":1,"name":"a","version":"1","kinds":[{"name":"b","schema":{}}],"colour":"red"}"#;
        let metadata = Metadata::parse(text).expect("metadata");
        assert_eq!((metadata.hosts.len(), metadata.summary.as_str(), metadata.kinds[0].resolves), (0, "", false));
    }

    #[test]
    fn what_could_mislead_is_refused() {
        let with = |name: &str, kinds: &str, hosts: &str| {
            format!(r#"{{"format":1,"name":"{name}","version":"1","kinds":{kinds},"hosts":{hosts}}}"#)
        };
        let kind = r#"[{"name":"b","schema":true}]"#;
        assert_eq!(
            refusal(r#"{"format":2,"name":"a","version":"1","kinds":[]}"#),
            "its metadata has format 2, and this wythe reads format 1"
        );
        assert!(refusal(&with("../etc", kind, "[]")).starts_with("`../etc` is not a name"));
        assert!(refusal(&with("", kind, "[]")).starts_with("`` is not a name"));
        assert_eq!(refusal(&with("a", "[]", "[]")), "its metadata names no kind, or one twice");
        let twice = r#"[{"name":"b","schema":true},{"name":"b","schema":true}]"#;
        assert_eq!(refusal(&with("a", twice, "[]")), "its metadata names no kind, or one twice");
        assert_eq!(
            refusal(&with("a", r#"[{"name":"b","schema":3}]"#, "[]")),
            "the schema of kind `b` is neither an object nor a bool"
        );
        assert_eq!(refusal(&with("a", kind, r#"["a.b/c"]"#)), "`a.b/c` is not a host, `*.` and a host, or `*`");
        assert_eq!(
            refusal(r#"{"format":1,"name":"a","version":"1","kinds":[{"name":"b","schema":{}}],"inventory":["De b"]}"#),
            "`De b` is not a type of packages: lower-case letters, digits, `.` and `-`, a letter first"
        );
        assert_eq!(refusal("nonsense"), "its metadata cannot be read");
    }
}
