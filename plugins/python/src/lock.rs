// SPDX-License-Identifier: Apache-2.0
//! What exactly is installed.

use serde::{Deserialize, Serialize};

/// The lock entry of a Python step: what the step adds to the image below it, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The version of Python that it was made for, `major.minor`. It chooses the tool, and people want to see it.
    pub python: String,
    /// The distributions.
    pub packages: Vec<Dist>,
    /// The wheels that build the source archives among them. None where there are no archives, or where they are built with
    /// what the index has at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Vec<Dist>>,
}

/// One distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dist {
    /// Its normalised name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
}

/// Where a distribution comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A wheel or a source archive of an index.
    File {
        /// Its address.
        url: String,
        /// SHA-256 of its bytes, in hexadecimal.
        sha256: String,
        /// Its length, where the index says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A wheel or a source archive of the build context.
    Context {
        /// Its path.
        path: String,
        /// SHA-256 of its bytes, in hexadecimal.
        sha256: String,
    },
    /// A commit of a repository.
    Commit {
        /// The address in pip's form, as `git+https://…@<commit>`.
        url: String,
    },
}

impl Dist {
    /// Returns whether it is installed as it is. Everything else is built first.
    #[must_use]
    pub fn is_wheel(&self) -> bool {
        match &self.origin {
            Origin::File { url, .. } => filename(url).ends_with(".whl"),
            Origin::Context { path, .. } => path.ends_with(".whl"),
            Origin::Commit { .. } => false,
        }
    }

    /// Returns whether it is a source archive: a file that is built, not a repository.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        !self.is_wheel() && !matches!(self.origin, Origin::Commit { .. })
    }

    /// Returns the line of a requirement file that stands for exactly this.
    #[must_use]
    pub fn requirement(&self) -> String {
        let Self { name, version, origin } = self;
        match origin {
            Origin::File { sha256, .. } | Origin::Context { sha256, .. } => {
                format!("{name}=={version} --hash=sha256:{sha256}")
            }
            Origin::Commit { url } => format!("{name} @ {url}"),
        }
    }
}

/// Returns the file name of an address, decoded.
#[must_use]
pub fn filename(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
    let mut decoded = Vec::with_capacity(name.len());
    let mut at = 0;
    while at < name.len() {
        let code = name.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            // A name with a slash in it would leave its directory.
            Some(byte) if name[at] == b'%' && byte != b'/' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(name[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Dist, Origin, filename};

    #[test]
    fn file_names_are_decoded_but_stay_names() {
        assert_eq!(
            filename("https://x.org/whl/torch-2.8.0%2Bcpu-cp311-linux_x86_64.whl#sha256=a"),
            "torch-2.8.0+cpu-cp311-linux_x86_64.whl"
        );
        assert_eq!(filename("https://x.org/a/b%2Fc.whl?x=1/2"), "b%2Fc.whl");
    }

    #[test]
    fn an_entry_reads_as_people_would_write_it() {
        let dist = Dist {
            name: "six".into(),
            version: "1.17.0".into(),
            origin: Origin::File {
                url: "https://x.org/six-1.17.0-py2.py3-none-any.whl".into(),
                sha256: "ab".into(),
                size: None,
            },
        };
        let text = serde_json::to_string(&dist).unwrap();
        let expected = r#"{"name":"six","version":"1.17.0","file":{"url":"https://x.org/six-1.17.0-py2.py3-none-any.whl","sha256":"ab"}}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Dist>(&text).unwrap(), dist);
        assert!(dist.is_wheel());
    }
}
