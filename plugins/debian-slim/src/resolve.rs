// SPDX-License-Identifier: Apache-2.0
//! From options to a lock entry.

use std::collections::BTreeSet;

use wythe_sdk::{Failure, build};

use crate::archive::{self, Terms};
use crate::closure::{self, ClosureError, Locked};
use crate::index::{Field, Index, Package};
use crate::lock::{Lock, LockedPackage, LockedSuite};
use crate::openpgp::Keyring;
use crate::options::{Location, Options};
use crate::release::{self, Release};
use crate::suite::{self, date};

/// The keys of the Debian archive; `keys/README.md` lists them.
const ARCHIVE_KEYS: &[u8] = include_bytes!("../keys/debian-archive-keyring.gpg");

/// What makes `python`, virtual environments and the network of a Python work. pip comes with the environments.
const PYTHON_PACKAGES: [&str; 5] = ["ca-certificates", "netbase", "python-is-python3", "python3", "python3-venv"];

/// Reads the archive and returns the minimal set, every package pinned.
pub(crate) fn resolve(options: &Options, previous: Option<&Lock>) -> Result<Lock, Failure> {
    let release = options.check()?;
    let platform = build::platform();
    let architecture = release::architecture(&platform)
        .ok_or_else(|| Failure::failed(format!("Debian has no port for the platform {platform}")))?;
    let previous = previous.filter(|lock| lock.release == release.codename && lock.architecture == architecture);
    let keyring = keyring(options)?;
    let terms = Terms {
        keyring: &keyring,
        architecture,
        components: &options.components(),
        locked: previous.map_or(&[], |lock| &lock.suites),
        snapshot: options.snapshot.as_deref().and_then(date::parse_stamp),
        epoch: build::source_date_epoch(),
        accept_expired: options.accept_expired,
    };
    let locations = options.locations(release);
    let mut index = Index::default();
    let suites = locations
        .iter()
        .enumerate()
        .map(|(number, location)| archive::read_suite(&terms, location, number, &mut index))
        .collect::<Result<Vec<LockedSuite>, _>>()?;
    check_python(options, release, &index)?;
    let packages = choose(options, &index, previous)?;
    let packages = packages.into_iter().map(|package| pin(package, &locations)).collect::<Result<_, _>>()?;
    let (release, architecture) = (release.codename.to_owned(), architecture.to_owned());
    Ok(Lock { release, architecture, python: options.python.clone(), suites, packages })
}

fn keyring(options: &Options) -> Result<Keyring, Failure> {
    let Some(path) = &options.keyring else {
        return Keyring::parse(ARCHIVE_KEYS)
            .map_err(|error| Failure::failed(format!("the archive's keyring: {error}")));
    };
    let bytes =
        build::read(path).map_err(|error| Failure::option("/keyring", format!("cannot read `{path}`: {error}")))?;
    Keyring::parse(&bytes).map_err(|error| Failure::option("/keyring", format!("`{path}` is no keyring: {error}")))
}

/// The release's Python is what its `python3` depends on; sid's moves, and a mirror of one's own may differ.
fn check_python(options: &Options, release: &Release, index: &Index) -> Result<(), Failure> {
    let Some(asked) = &options.python else { return Ok(()) };
    let version = index.candidate("python3", None).map_or("", Package::version);
    let is_series = version.strip_prefix(asked.as_str()).is_some_and(|rest| rest.starts_with(['.', '-', '~']));
    if is_series {
        return Ok(());
    }
    let series = version.split('.').take(2).collect::<Vec<_>>().join(".");
    let message = format!("{} has Python {series}, not {asked}", release.codename);
    Err(Failure::option("/python", message).hint(Release::python_versions()))
}

fn choose<'a>(options: &'a Options, index: &'a Index, previous: Option<&Lock>) -> Result<Vec<&'a Package>, Failure> {
    let mut wanted: BTreeSet<&str> = closure::minimal(index);
    if index.candidate("usr-is-merged", None).is_some() {
        // The other way to meet the dependency is `usrmerge`, which converts a tree, and brings all of Perl for it.
        wanted.insert("usr-is-merged");
        wanted.remove("usrmerge");
    }
    if options.python.is_some() {
        wanted.extend(PYTHON_PACKAGES);
    }
    wanted.extend(options.packages.iter().map(String::as_str));
    let wanted: Vec<&str> = wanted.into_iter().collect();
    let locked: Locked<'_> = previous
        .into_iter()
        .flat_map(|lock| &lock.packages)
        .map(|package| (&*package.name, &*package.version))
        .collect();
    let set = closure::closure(index, &wanted, &locked).or_else(|error| {
        // Old versions that no longer fit together give way to the present ones.
        if locked.is_empty() { Err(error) } else { closure::closure(index, &wanted, &Locked::new()) }
    });
    let set = set.map_err(|error| blame(options, &error))?;
    Ok(set.into_values().collect())
}

/// Points at the option that asked for a package, where one did.
fn blame(options: &Options, error: &ClosureError) -> Failure {
    let (ClosureError::Unknown { name: culprit, .. }
    | ClosureError::Unmet { package: culprit, .. }
    | ClosureError::Malformed { package: culprit, .. }
    | ClosureError::Conflict { package: culprit, .. }) = error;
    match options.packages.iter().position(|name| name == culprit) {
        Some(position) => Failure::option(format!("/packages/{position}"), error.to_string()),
        None => Failure::failed(error.to_string()),
    }
}

fn pin(package: &Package, locations: &[Location]) -> Result<LockedPackage, Failure> {
    let (name, path, sha256) = (package.name(), package.field(Field::Filename), package.field(Field::Sha256));
    let size = package.field(Field::Size).parse();
    let (true, true, Ok(size)) = (is_confined(path), suite::is_sha256(sha256), size) else {
        return Err(Failure::failed(format!("the index entry of `{name}` has no usable file name, size or digest")));
    };
    Ok(LockedPackage {
        name: name.to_owned(),
        version: package.version().to_owned(),
        architecture: package.field(Field::Architecture).to_owned(),
        multi_arch_same: package.field(Field::MultiArch) == "same",
        url: format!("{}/{path}", locations[package.suite].archive),
        sha256: sha256.to_owned(),
        size,
    })
}

/// Returns whether a path stays below the archive's root and can be part of an address as it is.
fn is_confined(path: &str) -> bool {
    path.ends_with(".deb")
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._~/:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::is_confined;

    #[test]
    fn paths_stay_below_the_archive() {
        let table = [
            ("pool/main/b/bash/bash_5.2.15-2+b7_amd64.deb", true),
            ("pool/updates/main/g/g++/g++_1~2_amd64.deb", true),
            ("../../x.deb", false),
            ("pool/../../x.deb", false),
            ("/etc/x.deb", false),
            ("pool//x.deb", false),
            ("http://other/x.deb", false),
            ("pool/x.deb?y.deb", false),
            ("pool/x.deb\r\nHost: y.deb", false),
            ("pool/%2e%2e/x.deb", false),
            ("pool/x.tar", false),
        ];
        for (path, expected) in table {
            assert_eq!(is_confined(path), expected, "{path}");
        }
    }
}
