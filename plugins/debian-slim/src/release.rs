// SPDX-License-Identifier: Apache-2.0
//! The releases of Debian that can be bootstrapped.

/// A release.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// Its name.
    pub(crate) codename: &'static str,
    /// Its number; none for the one that is never released.
    pub(crate) number: Option<&'static str>,
    /// The series of its Python; none where that moves.
    pub(crate) python: Option<&'static str>,
}

/// All of them, the oldest first.
pub(crate) const RELEASES: [Release; 4] = [
    Release { codename: "bullseye", number: Some("11"), python: Some("3.9") },
    Release { codename: "bookworm", number: Some("12"), python: Some("3.11") },
    Release { codename: "trixie", number: Some("13"), python: Some("3.13") },
    Release { codename: "sid", number: None, python: None },
];

/// The release of builder versions from this one on, until the next line. Versions compare as texts.
const DEFAULTS: [(&str, &str); 1] = [("", "bookworm")];

impl Release {
    /// Finds a release by its name or number.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        RELEASES.iter().find(|release| release.codename == name || release.number == Some(name))
    }

    /// Returns the release that a builder version uses where none is asked for.
    pub(crate) fn default_of(builder_version: &str) -> &'static Self {
        let (_, name) = DEFAULTS.iter().rev().find(|(since, _)| *since <= builder_version).unwrap_or(&DEFAULTS[0]);
        Self::find(name).expect("a default release is in the table")
    }

    /// Returns whether it has suites for updates and for security. The one that moves all the time has neither.
    pub(crate) fn has_updates(&self) -> bool {
        self.number.is_some()
    }

    /// Says which Python each release has, for a person who asked for another.
    pub(crate) fn python_versions() -> String {
        let fixed = RELEASES.iter().filter_map(|release| Some(format!("{} has {}", release.codename, release.python?)));
        fixed.collect::<Vec<_>>().join(", ")
    }
}

/// Returns Debian's name of an architecture from a platform, as `linux/arm/v7`.
pub(crate) fn architecture(platform: &str) -> Option<&'static str> {
    Some(match platform.strip_prefix("linux/")? {
        "amd64" => "amd64",
        "arm64" | "arm64/v8" => "arm64",
        "arm/v7" | "arm" => "armhf",
        "arm/v5" | "arm/v6" => "armel",
        "386" => "i386",
        "ppc64le" => "ppc64el",
        "riscv64" => "riscv64",
        "s390x" => "s390x",
        "loong64" => "loong64",
        _ => return None,
    })
}

/// Returns the directories in the root that stand for one of the same name in `/usr`.
pub(crate) fn usr_links(architecture: &str) -> &'static [&'static str] {
    match architecture {
        // The dynamic linker of these is named by a path in /lib64.
        "amd64" | "ppc64el" | "loong64" => &["bin", "lib", "lib64", "sbin"],
        _ => &["bin", "lib", "sbin"],
    }
}
