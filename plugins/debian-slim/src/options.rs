// SPDX-License-Identifier: Apache-2.0
//! What a person can say of the base.

use serde::Deserialize;
use wythe_sdk::{Failure, Problem, build};

use crate::relation;
use crate::release::Release;
use crate::suite::date;

const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY_MIRROR: &str = "http://deb.debian.org/debian-security";
const SNAPSHOTS: &str = "http://snapshot.debian.org/archive";

/// The options, as `plugin.json` describes them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    release: Option<String>,
    /// The series of Python to install, as `3.11`.
    pub python: Option<String>,
    mirror: Option<String>,
    security_mirror: Option<String>,
    /// The time of the archive that is used, as `20261101T000000Z`.
    pub snapshot: Option<String>,
    components: Option<Vec<String>>,
    /// Packages beside the minimal set.
    pub packages: Vec<String>,
    /// Whether manuals, translations and other documentation are kept.
    pub docs: bool,
    /// A keyring of the build context that is trusted in place of the archive's own.
    pub keyring: Option<String>,
    /// Whether a suite may be used after its `Valid-Until`.
    pub accept_expired: bool,
}

/// Where the suites of a release are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// The archive's root, without a final slash.
    pub(crate) archive: String,
    /// The suite.
    pub(crate) suite: String,
}

impl Options {
    /// Checks what the schema cannot say. Returns the release.
    pub(crate) fn check(&self) -> Result<&'static Release, Failure> {
        let mut problems = Vec::new();
        let release = match &self.release {
            None => Some(Release::default_of(&build::builder_version())),
            Some(name) => Release::find(name),
        };
        let Some(release) = release else {
            return Err(Failure::option("/release", "there is no such release"));
        };
        if let (Some(asked), Some(python)) = (&self.python, release.python)
            && asked != python
        {
            let message = format!("{} has Python {python}, not {asked}", release.codename);
            problems.push(Problem::error("/python", message).hint(Release::python_versions()));
        }
        if let Some(stamp) = &self.snapshot {
            if date::parse_stamp(stamp).is_none() {
                let problem =
                    Problem::error("/snapshot", format!("`{}` is no time of a snapshot", stamp.escape_debug()));
                problems.push(problem.hint("write it as 20261101T000000Z"));
            }
            for (path, mirror) in [("/mirror", &self.mirror), ("/security-mirror", &self.security_mirror)] {
                if mirror.is_some() {
                    problems.push(
                        Problem::error(path, "a snapshot has addresses of its own").hint("leave out one of the two"),
                    );
                }
            }
        }
        for (path, mirror) in [("/mirror", &self.mirror), ("/security-mirror", &self.security_mirror)] {
            if let Some(mirror) = mirror
                && !is_archive_url(mirror)
            {
                problems.push(Problem::error(
                    path,
                    "the address of a mirror is `http://` or `https://`, a host, and a path",
                ));
            }
        }
        for (index, name) in self.packages.iter().enumerate() {
            if !relation::is_package_name(name) {
                let message = format!("`{}` is no package name", name.escape_debug());
                problems.push(Problem::error(format!("/packages/{index}"), message));
            }
        }
        Failure::unless_empty(problems)?;
        Ok(release)
    }

    /// Returns the suites that make up the release.
    pub(crate) fn locations(&self, release: &Release) -> Vec<Location> {
        let (archive, security) = self.archives();
        let mut locations = vec![Location { archive: archive.clone(), suite: release.codename.to_owned() }];
        if release.has_updates() {
            locations.push(Location { archive, suite: format!("{}-updates", release.codename) });
            locations.push(Location { archive: security, suite: format!("{}-security", release.codename) });
        }
        locations
    }

    /// Returns the parts of the archive that are used.
    pub(crate) fn components(&self) -> Vec<&str> {
        match &self.components {
            Some(components) => components.iter().map(String::as_str).collect(),
            None => vec!["main"],
        }
    }

    fn archives(&self) -> (String, String) {
        if let Some(stamp) = &self.snapshot {
            return (format!("{SNAPSHOTS}/debian/{stamp}"), format!("{SNAPSHOTS}/debian-security/{stamp}"));
        }
        let trim =
            |url: &Option<String>, default: &str| url.as_deref().unwrap_or(default).trim_end_matches('/').to_owned();
        (trim(&self.mirror, MIRROR), trim(&self.security_mirror, SECURITY_MIRROR))
    }
}

/// Returns whether the text is an address that can also stand in `sources.list` as it is.
fn is_archive_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]%+@".contains(&byte))
    })
}
