// SPDX-License-Identifier: Apache-2.0
//! The options that the Python kinds have in common.

use serde::{Deserialize, Deserializer};

/// What is installed, from where, into which Python.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// Requirements, as on a requirement file's line.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Requirement files of the build context.
    #[serde(default, deserialize_with = "one_or_many")]
    pub requirements: Vec<String>,
    /// The index that takes the place of PyPI.
    #[serde(default)]
    pub index_url: Option<String>,
    /// Indexes beside it.
    #[serde(default, deserialize_with = "one_or_many")]
    pub extra_index_url: Vec<String>,
    /// Pages, or directories of the build context, that list files.
    #[serde(default, deserialize_with = "one_or_many")]
    pub find_links: Vec<String>,
    /// Whether pre-releases are taken.
    #[serde(default)]
    pub pre: bool,
    /// Further arguments of the tool.
    #[serde(default)]
    pub extra_options: Vec<String>,
    /// The Python that packages are installed for: a name on the `PATH`, or a path.
    #[serde(default = "python3")]
    pub python: String,
    /// Whether modules are compiled to bytecode.
    #[serde(default = "yes")]
    pub compile_bytecode: bool,
    /// Whether the tool downloads files in the sandbox, instead of the host.
    #[serde(default)]
    pub download_in_sandbox: bool,
}

impl Options {
    /// Returns the arguments that name indexes; pip and uv use the same words.
    #[must_use]
    pub fn index_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(url) = &self.index_url {
            arguments.push(format!("--index-url={url}"));
        }
        arguments.extend(self.extra_index_url.iter().map(|url| format!("--extra-index-url={url}")));
        arguments
    }
}

fn python3() -> String {
    "python3".to_owned()
}

fn yes() -> bool {
    true
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}
