// SPDX-License-Identifier: Apache-2.0
//! The step's entry in the lock: where the release was read, and every package of the set.

use serde::{Deserialize, Serialize};
use wythe_sdk::Failure;

use crate::relation;
use crate::suite;

/// What exactly is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Lock {
    /// The release's name.
    pub release: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// The series of Python, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// The suites, in the order in which they were read.
    pub suites: Vec<LockedSuite>,
    /// The packages, by name.
    pub packages: Vec<LockedPackage>,
}

/// A suite as it was when the set was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedSuite {
    /// Address of its `InRelease`.
    pub url: String,
    /// When it was made.
    pub date: String,
    /// SHA-256 of the `InRelease`.
    pub sha256: String,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Whether it can be installed for several architectures at once: dpkg then has the architecture in its names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub multi_arch_same: bool,
    /// Address of the `.deb`.
    pub url: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

impl LockedPackage {
    /// Returns the name that dpkg uses in its database.
    pub(crate) fn instance(&self) -> String {
        if self.multi_arch_same { format!("{}:{}", self.name, self.architecture) } else { self.name.clone() }
    }
}

impl Lock {
    /// Checks what a plan relies on: a lock is a file that people may edit.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let is_architecture = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        for package in &self.packages {
            let wrong = if !relation::is_package_name(&package.name) {
                "name"
            } else if !is_architecture(&package.architecture) {
                "architecture"
            } else if !suite::is_sha256(&package.sha256) {
                "sha256"
            } else {
                continue;
            };
            let name = package.name.escape_debug();
            return Err(Failure::failed(format!(
                "the lock's entry of package `{name}` has a `{wrong}` that makes no sense"
            )));
        }
        Ok(())
    }
}
