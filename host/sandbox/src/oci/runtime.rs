// SPDX-License-Identifier: Apache-2.0
//! Which runtimes there are, and which of them have known holes.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// The names of the runtimes that are looked for.
pub const RUNTIMES: [&str; 3] = ["crun", "runc", "runsc"];

/// A runtime that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Where it is.
    pub path: PathBuf,
    /// Which it is.
    pub flavor: Flavor,
    /// What it calls its version, with that of the package where it says so.
    pub version: String,
}

/// Runtimes whose options differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavor {
    /// <https://github.com/containers/crun>
    Crun,
    /// <https://github.com/opencontainers/runc>
    Runc,
    /// <https://github.com/google/gvisor>
    Runsc,
    /// One that takes runc's options.
    Other,
}

/// Why a runtime cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It is not there.
    #[error("there is no runtime `{0}`")]
    Absent(String),
    /// It does not say what it is.
    #[error("`{}` does not say its version", .0.display())]
    Mute(PathBuf),
}

impl Runtime {
    /// Finds a runtime by its name in `directories`, or by its path, and asks it for its version.
    ///
    /// # Errors
    ///
    /// Fails where it is not there, or cannot be run.
    pub fn find(name: &str, directories: &[PathBuf]) -> Result<Self, RuntimeError> {
        let places = match name.contains('/') {
            true => vec![PathBuf::from(name)],
            false => directories.iter().map(|directory| directory.join(name)).collect(),
        };
        let path = places.into_iter().find(|path| path.is_file());
        let path = path.ok_or_else(|| RuntimeError::Absent(name.to_owned()))?;
        let said = Command::new(&path).arg("--version").env_clear().stdin(Stdio::null()).output();
        let said = said.ok().filter(|said| said.status.success()).ok_or_else(|| RuntimeError::Mute(path.clone()))?;
        Ok(Self::describe(path, &String::from_utf8_lossy(&said.stdout)))
    }

    /// Reads what a runtime says of itself.
    fn describe(path: PathBuf, said: &str) -> Self {
        let first = said.lines().next().unwrap_or_default();
        let (name, version) = first.split_once(" version ").unwrap_or(("", first));
        let flavor = match name.trim() {
            "crun" => Flavor::Crun,
            "runc" => Flavor::Runc,
            "runsc" => Flavor::Runsc,
            _ => Flavor::Other,
        };
        // Debian's runc has the revision of the package in place of the commit.
        let commit = said.lines().find_map(|line| line.strip_prefix("commit: ")).unwrap_or_default().trim();
        let version = if commit.contains("deb") { commit } else { version.trim() };
        Self { path, flavor, version: version.to_owned() }
    }

    /// The holes that are known of this version, by their names; empty if there are none, or none are known to us.
    ///
    /// A distribution may have closed one without another version: where the revision of its package is known to, it is
    /// not named.
    #[must_use]
    pub fn holes(&self) -> Vec<&'static str> {
        let table = match self.flavor {
            Flavor::Crun => CRUN,
            Flavor::Runc => RUNC,
            Flavor::Runsc | Flavor::Other => return Vec::new(),
        };
        let version = numbers(&self.version);
        table
            .iter()
            .filter(|hole| !hole.is_closed_in(version) && !self.is_patched(hole))
            .map(|hole| hole.name)
            .collect()
    }

    fn is_patched(&self, hole: &Hole) -> bool {
        hole.patched.iter().any(|(upstream, revision)| {
            let debian = self.version.strip_prefix(upstream).and_then(|rest| rest.split_once("deb"));
            debian.and_then(|(_, rest)| rest.split_once('u')?.1.parse::<u32>().ok()).is_some_and(|it| it >= *revision)
        })
    }
}

/// A hole, the first versions of each line that do not have it, and packages of Debian that do not either: the version
/// they are made from and the first revision.
struct Hole {
    name: &'static str,
    closed_in: &'static [[u32; 3]],
    patched: &'static [(&'static str, u32)],
}

impl Hole {
    /// Whether a version is as late as the first of its line that is closed, or of a later line than all of these.
    fn is_closed_in(&self, version: [u32; 3]) -> bool {
        let line = |version: &[u32; 3]| [version[0], version[1]];
        let of_line = self.closed_in.iter().find(|closed| line(closed) == line(&version));
        of_line.map_or_else(|| self.closed_in.iter().all(|closed| line(closed) < line(&version)), |it| version >= *it)
    }
}

/// <https://github.com/opencontainers/runc/security/advisories>
const RUNC: &[Hole] = &[
    Hole { name: "CVE-2024-21626", closed_in: &[[1, 1, 12]], patched: &[("1.1.5+ds1-1", 1)] },
    Hole { name: "CVE-2024-45310", closed_in: &[[1, 1, 14], [1, 2, 0]], patched: &[] },
    Hole { name: "CVE-2025-31133", closed_in: &[[1, 2, 8], [1, 3, 3], [1, 4, 0]], patched: &[] },
    Hole { name: "CVE-2025-52565", closed_in: &[[1, 2, 8], [1, 3, 3], [1, 4, 0]], patched: &[] },
    Hole { name: "CVE-2025-52881", closed_in: &[[1, 2, 8], [1, 3, 3], [1, 4, 0]], patched: &[] },
    Hole { name: "CVE-2026-41579", closed_in: &[[1, 3, 6], [1, 4, 3], [1, 5, 0]], patched: &[] },
];

/// <https://github.com/containers/crun/security/advisories>
const CRUN: &[Hole] = &[
    Hole { name: "CVE-2026-30892", closed_in: &[[1, 27, 0]], patched: &[] },
    Hole { name: "CVE-2026-47766", closed_in: &[[1, 28, 0]], patched: &[] },
];

/// The numbers that a version begins with.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split(|char: char| !char.is_ascii_digit()).map_while(|part| part.parse().ok());
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// The options that stand before the command of a runtime.
pub(crate) fn options(flavor: Flavor, state: &Path) -> Vec<Cow<'_, str>> {
    let state = state.to_string_lossy();
    let mut options: Vec<Cow<'_, str>> = vec!["--root".into(), state];
    match flavor {
        // Groups are made here.
        Flavor::Crun => options.push("--cgroup-manager=disabled".into()),
        Flavor::Runsc => options.extend(["--ignore-cgroups".into(), "--network=host".into()]),
        // It does without where it may make none (`init/groups.rs`), root's as an ordinary user's.
        Flavor::Runc | Flavor::Other => options.push("--rootless=true".into()),
    }
    options
}

#[cfg(test)]
mod tests {
    use super::{Flavor, Runtime};

    fn runc(said: &str) -> Runtime {
        Runtime::describe("/usr/sbin/runc".into(), said)
    }

    #[test]
    fn runtimes_say_what_they_are() {
        let debian = runc("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\n");
        assert_eq!((debian.flavor, debian.version.as_str()), (Flavor::Runc, "1.1.5+ds1-1+deb12u1"));
        let upstream = runc("runc version 1.3.3\ncommit: v1.3.3-0-gd842d771\n");
        assert_eq!((upstream.flavor, upstream.version.as_str()), (Flavor::Runc, "1.3.3"));
        let crun = runc("crun version 1.8.1\ncommit: f8a096be\n");
        assert_eq!((crun.flavor, crun.version.as_str()), (Flavor::Crun, "1.8.1"));
        assert_eq!(runc("kata-runtime  : 3.2\n").flavor, Flavor::Other);
    }

    #[test]
    fn old_versions_have_holes_and_new_ones_have_not() {
        let holes = |said: &str| runc(said).holes();
        let of_2025 = ["CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881", "CVE-2026-41579"];
        assert_eq!(holes("runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1")[0], "CVE-2024-45310");
        assert_eq!(holes("runc version 1.1.5\ncommit: x")[0], "CVE-2024-21626");
        assert_eq!(holes("runc version 1.1.14"), of_2025);
        assert_eq!(holes("runc version 1.2.7"), of_2025);
        for version in ["1.2.9", "1.3.5", "1.4.2"] {
            assert_eq!(holes(&format!("runc version {version}")), ["CVE-2026-41579"], "{version}");
        }
        for fixed in ["1.3.6", "1.4.3", "1.5.0", "1.6.1", "2.0.0"] {
            assert!(holes(&format!("runc version {fixed}")).is_empty(), "{fixed}");
        }
        assert_eq!(holes("crun version 1.8.1"), ["CVE-2026-30892", "CVE-2026-47766"]);
        assert!(holes("crun version 1.28").is_empty());
        assert!(holes("runsc version release-20251110.0").is_empty());
    }
}
