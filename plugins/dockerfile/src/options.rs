// SPDX-License-Identifier: Apache-2.0
//! The options of a `dockerfile` step.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Which file, and with what it is built.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// The file, relative to the build context.
    pub path: Option<String>,
    /// The file's text, in place of a file.
    pub text: Option<String>,
    /// Instructions on top of the image so far, in place of a file.
    pub commands: Option<Vec<String>>,
    /// The directory of the build context that sources are relative to.
    pub context: Option<String>,
    /// The stage that is built: a name or a number; none for the last one.
    pub target: Option<String>,
    /// Values of `ARG`s.
    pub args: BTreeMap<String, String>,
    /// Images and git repositories that take the place of names in `FROM` and `--from`.
    pub contexts: BTreeMap<String, String>,
    /// Labels that are added to the image.
    pub labels: BTreeMap<String, String>,
    /// Whether a warning is an error.
    pub strict: bool,
}
