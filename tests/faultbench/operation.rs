// SPDX-License-Identifier: Apache-2.0
//! The operations of a scenario, in which a fault happens.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use crate::stage::Stage;

/// What is done while the fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Builds an image of which some steps are there.
    Build,
    /// Makes every step of an image again that is there.
    Rebuild,
    /// Writes an image to an archive, over another file.
    Save,
    /// Collects the parts of an image that lost its name.
    Collect,
}

impl Operation {
    pub(crate) const ALL: [Self; 4] = [Self::Build, Self::Rebuild, Self::Save, Self::Collect];

    /// Returns the command, on the store in `place`.
    pub(crate) fn command(self, stage: &Stage, place: &Path) -> Command {
        let dir = |name: &str| stage.dir.join("definitions").join(name).display().to_string();
        let args = match self {
            Self::Build => vec!["build".into(), "--progress=plain".into(), "-t".into(), "app".into(), dir("app")],
            Self::Rebuild => {
                vec![
                    "build".into(),
                    "--progress=plain".into(),
                    "--rebuild-all".into(),
                    "-t".into(),
                    "kept".into(),
                    dir("kept"),
                ]
            }
            Self::Save => vec!["save".into(), "kept".into(), "-o".into(), saved(place).display().to_string()],
            Self::Collect => vec!["store".into(), "gc".into(), "--older-than".into(), "0".into()],
        };
        stage.command(place, &args)
    }

    /// Returns the digest that it prints.
    pub(crate) fn expected(self, stage: &Stage) -> Option<&str> {
        match self {
            Self::Build => Some(&stage.app),
            Self::Rebuild | Self::Save => Some(&stage.kept),
            Self::Collect => None,
        }
    }
}

/// Where an image is saved to.
pub(crate) fn saved(place: &Path) -> std::path::PathBuf {
    place.join("saved.tar")
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Build => "build",
            Self::Rebuild => "rebuild",
            Self::Save => "save",
            Self::Collect => "collect",
        })
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|operation| operation.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no operation"))
    }
}
