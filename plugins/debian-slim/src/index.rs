// SPDX-License-Identifier: Apache-2.0
//! Package indexes (`Packages` files), read as a stream and kept in the few fields that resolving needs.
//!
//! An index of a release is 50 MB of text. What is kept of it is about a third, so that an index fits into a
//! plugin's memory many times over, and fields are looked up in the kept text when they are asked for.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

use crate::relation;
use crate::version;

/// A field that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Package,
    Version,
    Architecture,
    MultiArch,
    Essential,
    Priority,
    Depends,
    PreDepends,
    Provides,
    Conflicts,
    Breaks,
    Filename,
    Size,
    Sha256,
}

impl Field {
    const COUNT: usize = Self::Sha256 as usize + 1;

    fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"Package" => Self::Package,
            b"Version" => Self::Version,
            b"Architecture" => Self::Architecture,
            b"Multi-Arch" => Self::MultiArch,
            b"Essential" => Self::Essential,
            b"Priority" => Self::Priority,
            b"Depends" => Self::Depends,
            b"Pre-Depends" => Self::PreDepends,
            b"Provides" => Self::Provides,
            b"Conflicts" => Self::Conflicts,
            b"Breaks" => Self::Breaks,
            b"Filename" => Self::Filename,
            b"Size" => Self::Size,
            b"SHA256" => Self::Sha256,
            _ => return None,
        })
    }
}

/// Length of the longest name of a field that is kept: further on no line is searched for the end of its name.
const LONGEST_NAME: usize = "Architecture".len();

/// Longest line that is read. The longest of a real index (a `Provides` of a Rust crate) has 40 kB.
const LONGEST_LINE: u64 = 1 << 20;

/// A package as an index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    stanza: Stanza<Box<str>>,
    /// Which of the suites it comes from.
    pub(crate) suite: usize,
}

/// The kept values of a stanza, one after the other, and where each begins and ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stanza<Text> {
    text: Text,
    places: [(u32, u32); Field::COUNT],
}

impl Stanza<String> {
    fn keep(&mut self, field: Field, value: &str) -> Option<()> {
        let begin = u32::try_from(self.text.len()).ok()?;
        self.text.push_str(value);
        self.places[field as usize] = (begin, u32::try_from(self.text.len()).ok()?);
        Some(())
    }

    /// Hands over what it has and begins anew.
    fn take(&mut self) -> Stanza<Box<str>> {
        let taken = Stanza { text: self.text.as_str().into(), places: self.places };
        self.text.clear();
        self.places = Default::default();
        taken
    }
}

impl Package {
    /// Returns the value of a field, empty where there is none.
    pub(crate) fn field(&self, field: Field) -> &str {
        let (begin, end) = self.stanza.places[field as usize];
        &self.stanza.text[begin as usize..end as usize]
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        self.field(Field::Package)
    }

    /// Returns its version.
    pub(crate) fn version(&self) -> &str {
        self.field(Field::Version)
    }

    /// Returns whether a system cannot do without it: `Essential`, or of priority `required`.
    pub(crate) fn is_required(&self) -> bool {
        self.field(Field::Essential) == "yes" || self.field(Field::Priority) == "required"
    }
}

/// All packages of the suites, by name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    packages: BTreeMap<Box<str>, Vec<Package>>,
    /// Names that packages provide → the packages that do, in the order in which they were read.
    providers: BTreeMap<Box<str>, Vec<Box<str>>>,
}

/// Why an index could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Its bytes could not be read or decompressed.
    Read(io::Error),
    /// A stanza makes no sense; the text names it.
    Stanza(String),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => write!(formatter, "cannot be read: {error}"),
            Self::Stanza(what) => formatter.write_str(what),
        }
    }
}

impl std::error::Error for ReadError {}

impl Index {
    /// Adds the packages of one `Packages` file that are for this architecture or for all.
    pub(crate) fn read(&mut self, mut text: impl BufRead, suite: usize, architecture: &str) -> Result<(), ReadError> {
        let mut stanza = Stanza::<String>::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = io::Read::take(&mut text, LONGEST_LINE).read_until(b'\n', &mut line).map_err(ReadError::Read)?;
            if read as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
                return Err(ReadError::Stanza(format!("has a line of more than {LONGEST_LINE} bytes")));
            }
            if matches!(&line[..], b"" | b"\n") {
                if !stanza.text.is_empty() {
                    self.add(Package { stanza: stanza.take(), suite }, architecture)?;
                }
                if read == 0 {
                    return Ok(());
                }
            } else {
                keep(&mut stanza, &line)?;
            }
        }
    }

    fn add(&mut self, package: Package, architecture: &str) -> Result<(), ReadError> {
        let (name, version) = (package.name(), package.version());
        if !relation::is_package_name(name) || version.is_empty() {
            return Err(ReadError::Stanza(format!(
                "has a package `{}` without a usable name or version",
                name.escape_debug()
            )));
        }
        if !["all", architecture].contains(&package.field(Field::Architecture)) {
            return Ok(());
        }
        let provides = relation::parse(package.field(Field::Provides)).map_err(|wrong| {
            ReadError::Stanza(format!("`{name}` provides `{}`, which is no name", wrong.escape_debug()))
        })?;
        for provided in provides.iter().flatten() {
            let providers = self.providers.entry(provided.name.into()).or_default();
            if providers.last().is_none_or(|last| &**last != name) {
                providers.push(name.into());
            }
        }
        self.packages.entry(name.into()).or_default().push(package);
        Ok(())
    }

    /// Returns the version of a package to install: the one that `wanted` names if an index has it, else the latest,
    /// and of equal ones the one of the first suite.
    pub(crate) fn candidate(&self, name: &str, wanted: Option<&str>) -> Option<&Package> {
        let versions = self.packages.get(name)?;
        let locked = wanted.and_then(|wanted| versions.iter().find(|package| package.version() == wanted));
        locked.or_else(|| {
            versions.iter().reduce(|best, next| match version::compare(best.version(), next.version()) {
                Ordering::Less => next,
                _ => best,
            })
        })
    }

    /// Returns the names of the packages that provide a name, each once.
    pub(crate) fn providers(&self, name: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self.providers.get(name).into_iter().flatten().map(|name| &**name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the names of all packages.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(|name| &**name)
    }
}

/// Keeps a line if its field is wanted. A continuation line begins with a space: no field that is wanted has one.
fn keep(stanza: &mut Stanza<String>, line: &[u8]) -> Result<(), ReadError> {
    let Some(colon) = line.iter().take(LONGEST_NAME + 1).position(|byte| *byte == b':') else { return Ok(()) };
    let Some(field) = Field::parse(&line[..colon]) else { return Ok(()) };
    let value = std::str::from_utf8(&line[colon + 1..]);
    let value = value.map_err(|_| ReadError::Stanza("has a field that is not UTF-8".to_owned()))?;
    let too_long = || ReadError::Stanza("has a stanza that is too long".to_owned());
    stanza.keep(field, value.trim()).ok_or_else(too_long)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: bash\nVersion: 5.2-1\nArchitecture: amd64\nEssential: yes\nDescription: a shell\n\
        \x20Package: not-a-field\nTag: x\nFilename: pool/b.deb\n\n\nPackage: mawk\nVersion: 1.3\nArchitecture: amd64\n\
        Provides: awk (= 2), awk-ng\nPriority: required\n\nPackage: strange\nVersion: 1\nArchitecture: s390x\n";

    fn read(text: &str) -> Result<Index, String> {
        let mut index = Index::default();
        index.read(text.as_bytes(), 0, "amd64").map(|()| index).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_of_packages_of_the_architecture_are_kept() {
        let index = read(TEXT).unwrap();
        assert_eq!(index.names().collect::<Vec<_>>(), ["bash", "mawk"]);
        let bash = index.candidate("bash", None).unwrap();
        assert_eq!(
            [Field::Package, Field::Version, Field::Filename, Field::Depends].map(|field| bash.field(field)),
            ["bash", "5.2-1", "pool/b.deb", ""]
        );
        assert!(bash.is_required() && index.candidate("mawk", None).unwrap().is_required());
        assert_eq!(
            [index.providers("awk"), index.providers("awk-ng"), index.providers("bash")],
            [vec!["mawk"], vec!["mawk"], vec![]]
        );
    }

    #[test]
    fn the_latest_version_is_the_candidate_unless_another_is_wanted() {
        let text = |version| format!("Package: libc6\nVersion: {version}\nArchitecture: amd64\n\n");
        let index = read(&["2.36-9", "2.36-9+deb12u10", "2.36-9+deb12u9"].map(text).concat()).unwrap();
        let version = |wanted| index.candidate("libc6", wanted).unwrap().version();
        assert_eq!(
            [version(None), version(Some("2.36-9")), version(Some("2.35"))],
            ["2.36-9+deb12u10", "2.36-9", "2.36-9+deb12u10"]
        );
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let bad = [
            ("Package: ../x\nVersion: 1\n", "has a package `../x` without a usable name or version"),
            ("Package: bash\n", "has a package `bash` without a usable name or version"),
            ("Package: a1\nVersion: 1\nArchitecture: all\nProvides: -x\n", "`a1` provides `-x`, which is no name"),
        ];
        for (text, expected) in bad {
            assert_eq!(read(text).unwrap_err(), expected);
        }
    }
}
