// SPDX-License-Identifier: Apache-2.0
//! The options of an `apt` step.

use serde::{Deserialize, Deserializer};

/// What is installed, and from where besides the image's own sources.
#[derive(Debug, Clone, Deserialize)]
pub struct Options {
    /// Names, with a version (`git=1:2.39.5-0+deb12u3`) or a suite (`git/bookworm-backports`) where one is wanted.
    pub packages: Vec<String>,
    /// Whether what the packages recommend is installed too.
    #[serde(default)]
    pub recommends: bool,
    /// Further archives. They stay in the image.
    #[serde(default)]
    pub sources: Vec<Source>,
}

/// An archive.
#[derive(Debug, Clone, Deserialize)]
pub struct Source {
    /// Names its files below `/etc/apt`.
    pub name: String,
    /// Where it is.
    #[serde(alias = "uri", deserialize_with = "one_or_many")]
    pub uris: Vec<String>,
    /// Its suites. One that ends in `/` is a directory, and has no components.
    #[serde(alias = "suite", deserialize_with = "one_or_many")]
    pub suites: Vec<String>,
    /// The components that are used of each suite.
    #[serde(default, deserialize_with = "one_or_many")]
    pub components: Vec<String>,
    /// The architectures that are used; none for the image's.
    #[serde(default, deserialize_with = "one_or_many")]
    pub architectures: Vec<String>,
    /// The key that signs it: an address, a file of the build context, an absolute path in the image, or the armored
    /// key itself. None where the image trusts the archive already.
    #[serde(default)]
    pub key: Option<String>,
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
