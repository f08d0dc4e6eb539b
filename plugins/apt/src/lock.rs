// SPDX-License-Identifier: Apache-2.0
//! What exactly is installed.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The lock entry of an `apt` step: what the step adds to the image below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The packages, sorted by name and architecture.
    pub packages: Vec<Package>,
    /// Those that were asked for. The others came along, and go when nothing needs them any more.
    pub manual: Vec<String>,
    /// Packages of the image below that give way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Keys of sources that were fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
}

/// One binary package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, `all` included.
    pub arch: String,
    /// Where it was.
    pub url: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

/// The key of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The source that it signs.
    pub source: String,
    /// Where it was.
    pub url: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it is text. apt knows the two forms by the names of their files.
    pub armored: bool,
}

impl Lock {
    /// Returns apt preferences that keep to these versions.
    pub(crate) fn pins(&self) -> String {
        self.packages.iter().fold(String::new(), |mut text, Package { name, version, arch, .. }| {
            let name = if arch == "all" { name.clone() } else { format!("{name}:{arch}") };
            // Above 990, so that it beats a newer version of the release; below 1000, so that it never downgrades.
            let stanza = format!("Package: {name}\nPin: version {version}\nPin-Priority: 995\n\n");
            text.push_str(&stanza);
            text
        })
    }

    /// Returns what the installing script reads: how packages are marked, what gives way, what debconf is told.
    pub(crate) fn wanted(&self, native: &str) -> String {
        let mut text = String::new();
        let mut line = |word: &str, name: &str| writeln!(text, "{word} {name}").unwrap_or_default();
        for Package { name, arch, .. } in &self.packages {
            let foreign = format!("{name}:{arch}");
            let shown = if arch == "all" || arch == native { name } else { &foreign };
            if !self.manual.contains(name) && !self.manual.contains(&foreign) {
                line("auto", shown);
            }
            if name == "man-db" {
                line("select", "man-db man-db/auto-update boolean false");
            }
        }
        self.manual.iter().for_each(|name| line("manual", name));
        self.removed.iter().for_each(|name| line("remove", name));
        text
    }

    /// Says what is installed, for the person who waits.
    pub(crate) fn describe(&self) -> String {
        if self.packages.is_empty() {
            return format!("mark {} as wanted: it is there already", self.manual.join(", "));
        }
        let asked = self.packages.iter().filter(|package| self.manual.contains(&package.name));
        let asked: Vec<String> = asked.take(4).map(|package| format!("{} {}", package.name, package.version)).collect();
        match self.packages.len() - asked.len() {
            0 => format!("install {}", asked.join(", ")),
            more => format!("install {} and {more} more", asked.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lock, Package};

    fn package(name: &str, arch: &str) -> Package {
        Package {
            name: name.into(),
            version: "1:2-3".into(),
            arch: arch.into(),
            url: String::new(),
            sha256: String::new(),
            size: 0,
        }
    }

    fn lock() -> Lock {
        Lock {
            packages: vec![
                package("git", "amd64"),
                package("git-man", "all"),
                package("libc6", "i386"),
                package("man-db", "amd64"),
            ],
            manual: vec!["git".into(), "man-db".into()],
            removed: vec!["less".into()],
            keys: Vec::new(),
        }
    }

    #[test]
    fn what_came_along_is_marked_so() {
        let expected = "auto git-man\nauto libc6:i386\nselect man-db man-db/auto-update boolean false\n\
            manual git\nmanual man-db\nremove less\n";
        assert_eq!(lock().wanted("amd64"), expected);
    }

    #[test]
    fn versions_are_pinned_by_architecture() {
        let pins = lock().pins();
        assert!(
            pins.starts_with("Package: git:amd64\nPin: version 1:2-3\nPin-Priority: 995\n\nPackage: git-man\n"),
            "{pins}"
        );
    }
}
