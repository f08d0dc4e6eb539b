// SPDX-License-Identifier: Apache-2.0
//! Builder versions: what a definition pins, so that a newer wythe goes on building the same image.

use std::fmt;
use std::str::FromStr;

/// The behaviour that a definition asks for, such as `2026.11`. Ordered by age, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BuilderVersion {
    source_date_epoch: u64,
    name: &'static str,
}

/// All versions this wythe knows, the oldest first. A released one is never changed: its time is in every digest.
const KNOWN: &[BuilderVersion] = &[BuilderVersion { source_date_epoch: 1_793_491_200, name: "2026.11" }];

/// A text that names no builder version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown builder version `{0}`")]
pub struct UnknownBuilderVersion(String);

impl BuilderVersion {
    /// Returns all versions, the oldest first.
    #[must_use]
    pub fn all() -> &'static [Self] {
        KNOWN
    }

    /// Returns the version that a definition gets which names none.
    #[must_use]
    pub fn newest() -> Self {
        *KNOWN.last().expect("there is at least one builder version")
    }

    /// Returns the name that definitions use.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.name
    }

    /// Returns the time that a build pretends it is, in seconds since 1970: the version's first day, at midnight UTC.
    #[must_use]
    pub fn source_date_epoch(&self) -> u64 {
        self.source_date_epoch
    }
}

impl fmt::Display for BuilderVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for BuilderVersion {
    type Err = UnknownBuilderVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        KNOWN.iter().find(|known| known.name == text).copied().ok_or_else(|| UnknownBuilderVersion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::BuilderVersion;

    #[test]
    fn the_first_version_pretends_to_be_its_first_day() {
        let version: BuilderVersion = "2026.11".parse().unwrap();
        assert_eq!(version.source_date_epoch(), 1_793_491_200);
        assert_eq!(version.to_string(), "2026.11");
    }

    #[test]
    fn versions_are_listed_by_age() {
        assert!(BuilderVersion::all().is_sorted());
        assert_eq!(BuilderVersion::newest(), *BuilderVersion::all().iter().max().unwrap());
    }
}
