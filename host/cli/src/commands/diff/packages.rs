// SPDX-License-Identifier: Apache-2.0
//! What differs between the packages of two images.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wythe_plan::Package;

use super::paint::{self, Paint};
use crate::render::plural;

/// A package that is there in another version, or on one side only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    /// Its versions before, in their order as texts. There are several where several environments have it.
    before: Vec<String>,
    /// Its versions after.
    after: Vec<String>,
}

/// Returns the packages that differ.
pub(super) fn changes(before: &[Package], after: &[Package]) -> Vec<Change> {
    let (one, other) = (by_name(before), by_name(after));
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let change = |name: &Name<'_>| {
        let versions = |side: &BTreeMap<Name<'_>, Vec<&str>>| -> Vec<String> {
            side.get(name).into_iter().flatten().map(|version| (*version).to_owned()).collect()
        };
        Change {
            kind: name.0.to_owned(),
            name: name.2.to_owned(),
            architecture: name.3.map(str::to_owned),
            before: versions(&one),
            after: versions(&other),
        }
    };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

/// Type, namespace, name, architecture.
type Name<'a> = (&'a str, &'a str, &'a str, Option<&'a str>);

fn by_name(packages: &[Package]) -> BTreeMap<Name<'_>, Vec<&str>> {
    let mut by_name: BTreeMap<Name<'_>, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let name = (package.kind.as_str(), package.namespace.as_str(), package.name.as_str(), package.architecture());
        by_name.entry(name).or_default().push(&package.version);
    }
    by_name.values_mut().for_each(|versions| versions.sort_unstable());
    by_name
}

/// Prints the packages that differ.
pub(super) fn show(changes: &[Change], paint: &Paint) {
    if changes.is_empty() {
        return;
    }
    let sign = |change: &Change| paint::Change::of(!change.before.is_empty(), !change.after.is_empty());
    let row = |change: &Change| {
        let versions = match (change.before.join(", "), change.after.join(", ")) {
            (before, after) if before.is_empty() => after,
            (before, after) if after.is_empty() => before,
            (before, after) => format!("{before} → {after}"),
        };
        let name = match &change.architecture {
            Some(architecture) => format!("{}:{architecture}", change.name),
            None => change.name.clone(),
        };
        (sign(change), vec![change.kind.clone(), name, versions])
    };
    let heading = format!("{}: {}", plural(changes.len(), "package"), counts(changes.iter().map(sign)));
    paint.section(&heading, &changes.iter().map(row).collect::<Vec<_>>());
}

/// Returns "2 added, 1 changed".
pub(super) fn counts(changes: impl Iterator<Item = paint::Change>) -> String {
    let mut counted: BTreeMap<paint::Change, usize> = BTreeMap::new();
    changes.for_each(|change| *counted.entry(change).or_default() += 1);
    let words = [paint::Change::Added, paint::Change::Removed, paint::Change::Changed];
    let parts = words.into_iter().filter_map(|change| Some(format!("{} {}", counted.get(&change)?, change.word())));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use wythe_plan::Package;

    use super::changes;

    fn package(kind: &str, name: &str, version: &str, arch: &str) -> Package {
        Package {
            kind: kind.to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
            version: version.to_owned(),
            qualifiers: if arch.is_empty() { [].into() } else { [("arch".to_owned(), arch.to_owned())].into() },
            properties: [].into(),
        }
    }

    #[test]
    fn packages_are_matched_by_name_and_architecture() {
        let before = [
            package("deb", "libc6", "1", "amd64"),
            package("deb", "libc6", "1", "i386"),
            package("deb", "gone", "3", "all"),
            package("pypi", "six", "1.16", ""),
            package("pypi", "six", "1.15", ""),
        ];
        let after = [
            package("deb", "libc6", "2", "amd64"),
            package("deb", "libc6", "1", "i386"),
            package("pypi", "six", "1.16", ""),
            package("pypi", "new", "", ""),
        ];
        let found = changes(&before, &after);
        let lines: Vec<String> =
            found.iter().map(|change| format!("{} {:?} {:?}", change.name, change.before, change.after)).collect();
        assert_eq!(
            lines,
            ["gone [\"3\"] []", "libc6 [\"1\"] [\"2\"]", "new [] [\"\"]", "six [\"1.15\", \"1.16\"] [\"1.16\"]"]
        );
        assert_eq!(changes(&before, &before), []);
    }
}
