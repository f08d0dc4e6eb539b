// SPDX-License-Identifier: Apache-2.0
//! The set of packages to install: what is asked for and all that it needs.
//!
//! The choice is the one a bootstrap makes: of every package its candidate, of alternatives one that is there
//! already or else the first that can be had. Nothing is tried and taken back, so it ends after each package was
//! looked at once, whatever cycles the dependencies have. What came out is then checked as a whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::index::{Field, Index, Package};
use crate::relation::{self, Relation};

/// Versions to keep to, by package name.
pub(crate) type Locked<'a> = BTreeMap<&'a str, &'a str>;

/// Why there is no such set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClosureError {
    /// No suite has this package.
    Unknown {
        /// Its name.
        name: String,
        /// Packages that provide the name.
        providers: Vec<String>,
    },
    /// A relation that nothing in the suites meets.
    Unmet {
        /// The package that has the relation.
        package: String,
        /// The relation, as it is written.
        relation: String,
    },
    /// Two packages of the set that cannot be together.
    Conflict {
        /// The one that says so.
        package: String,
        /// What it says.
        relation: String,
        /// The other.
        other: String,
    },
    /// A field that is not a list of relations.
    Malformed {
        /// The package.
        package: String,
        /// The text that is not a relation.
        text: String,
    },
}

impl std::fmt::Display for ClosureError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { name, providers } if providers.is_empty() => {
                write!(formatter, "there is no package `{name}`")
            }
            Self::Unknown { name, providers } => {
                write!(formatter, "`{name}` is provided by several packages: {}", providers.join(", "))
            }
            Self::Unmet { package, relation } => {
                write!(formatter, "`{package}` needs `{relation}`, which the release does not have")
            }
            Self::Conflict { package, relation, other } => {
                write!(formatter, "`{package}` and `{other}` cannot be together: `{package}` rules out `{relation}`")
            }
            Self::Malformed { package, text } => {
                write!(formatter, "`{package}` has the relation `{}`, which cannot be read", text.escape_debug())
            }
        }
    }
}

impl std::error::Error for ClosureError {}

/// Returns the packages of the set that `wanted` needs, by name.
pub(crate) fn closure<'a>(
    index: &'a Index,
    wanted: &[&'a str],
    locked: &Locked<'_>,
) -> Result<BTreeMap<&'a str, &'a Package>, ClosureError> {
    let mut set = Set { index, locked, chosen: Chosen::default(), queue: VecDeque::new(), open: VecDeque::new() };
    for name in wanted {
        match set.candidate(name) {
            Some(package) => set.choose(package),
            None => return Err(unknown(index, name)),
        }
    }
    set.complete()?;
    set.chosen.check_conflicts()?;
    Ok(set.chosen.packages)
}

fn unknown(index: &Index, name: &str) -> ClosureError {
    let providers = index.providers(name).into_iter().map(str::to_owned).collect();
    ClosureError::Unknown { name: name.to_owned(), providers }
}

struct Set<'a, 'l> {
    index: &'a Index,
    locked: &'l Locked<'l>,
    chosen: Chosen<'a>,
    /// Chosen packages whose relations were not looked at yet.
    queue: VecDeque<&'a Package>,
    /// Groups with a choice: they wait until nothing without a choice is left, since that may decide them.
    open: VecDeque<(&'a Package, Vec<Relation<'a>>)>,
}

impl<'a> Set<'a, '_> {
    fn candidate(&self, name: &str) -> Option<&'a Package> {
        self.index.candidate(name, self.locked.get(name).copied())
    }

    fn choose(&mut self, package: &'a Package) {
        if self.chosen.add(package) {
            self.queue.push_back(package);
        }
    }

    fn complete(&mut self) -> Result<(), ClosureError> {
        loop {
            if let Some(package) = self.queue.pop_front() {
                self.look_at(package)?;
            } else if let Some((package, group)) = self.open.pop_front() {
                if !group.iter().any(|relation| self.chosen.find(relation, "").is_some()) {
                    let found = group.iter().find_map(|relation| self.find(relation));
                    self.choose(found.ok_or_else(|| unmet(package, &group))?);
                }
            } else {
                return Ok(());
            }
        }
    }

    fn look_at(&mut self, package: &'a Package) -> Result<(), ClosureError> {
        for group in groups(package, Field::PreDepends)?.into_iter().chain(groups(package, Field::Depends)?) {
            match group.as_slice() {
                // A package that nothing else can stand for goes in at once.
                [only] if self.index.providers(only.name).is_empty() => match self.find(only) {
                    Some(needed) => self.choose(needed),
                    None => return Err(unmet(package, &group)),
                },
                _ => self.open.push_back((package, group)),
            }
        }
        Ok(())
    }

    /// Finds a package that meets the relation: the one of that name, else the most important of the providers.
    fn find(&self, relation: &Relation<'_>) -> Option<&'a Package> {
        let named = self.candidate(relation.name).filter(|package| meets(package, relation));
        named.or_else(|| {
            let providers = self.index.providers(relation.name).into_iter().filter_map(|name| self.candidate(name));
            providers
                .filter(|package| provides(package, relation))
                .min_by_key(|package| (rank(package), package.name()))
        })
    }
}

fn unmet(package: &Package, group: &[Relation<'_>]) -> ClosureError {
    let relation = group.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    ClosureError::Unmet { package: package.name().to_owned(), relation }
}

fn groups<'a>(package: &'a Package, field: Field) -> Result<Vec<Vec<Relation<'a>>>, ClosureError> {
    relation::parse(package.field(field))
        .map_err(|text| ClosureError::Malformed { package: package.name().to_owned(), text: text.to_owned() })
}

/// Returns what a package provides. The index has refused every `Provides` that does not parse.
fn provided(package: &Package) -> impl Iterator<Item = (&str, Option<&str>)> {
    let groups = relation::parse(package.field(Field::Provides)).unwrap_or_default();
    groups.into_iter().flatten().map(|provided| (provided.name, provided.bound.map(|(_, version)| version)))
}

fn meets(package: &Package, relation: &Relation<'_>) -> bool {
    relation.is_for(package.field(Field::Architecture)) && relation.admits(package.version())
}

fn provides(package: &Package, relation: &Relation<'_>) -> bool {
    provided(package).any(|(name, version)| name == relation.name && relation.admits_provided(version))
}

fn rank(package: &Package) -> usize {
    let order = ["required", "important", "standard", "optional"];
    order.iter().position(|priority| *priority == package.field(Field::Priority)).unwrap_or(order.len())
}

/// The packages that were chosen, and what they provide.
#[derive(Default)]
struct Chosen<'a> {
    packages: BTreeMap<&'a str, &'a Package>,
    /// Provided names → who provides them, in which version.
    provided: BTreeMap<&'a str, Vec<(&'a str, Option<&'a str>)>>,
}

impl<'a> Chosen<'a> {
    /// Adds a package. Returns whether it is new.
    fn add(&mut self, package: &'a Package) -> bool {
        let name = package.name();
        if self.packages.insert(name, package).is_some() {
            return false;
        }
        for (provided, version) in provided(package) {
            self.provided.entry(provided).or_default().push((name, version));
        }
        true
    }

    /// Finds a package, other than the one named `except`, that meets the relation.
    fn find(&self, relation: &Relation<'_>, except: &str) -> Option<&'a str> {
        let named = self.packages.get_key_value(relation.name);
        let named = named.filter(|(name, package)| **name != except && meets(package, relation));
        named.map(|(name, _)| *name).or_else(|| {
            let mut providers = self.provided.get(relation.name).into_iter().flatten();
            providers
                .find(|(name, version)| *name != except && relation.admits_provided(*version))
                .map(|(name, _)| *name)
        })
    }

    fn check_conflicts(&self) -> Result<(), ClosureError> {
        for (name, package) in &self.packages {
            for relation in
                groups(package, Field::Conflicts)?.into_iter().chain(groups(package, Field::Breaks)?).flatten()
            {
                // A package that conflicts with a name it provides itself means: with all others that provide it.
                if let Some(other) = self.find(&relation, name) {
                    let (package, other) = ((*name).to_owned(), other.to_owned());
                    return Err(ClosureError::Conflict { package, relation: relation.to_string(), other });
                }
            }
        }
        Ok(())
    }
}

/// Returns the names of the packages that every system of the release has, and `apt` to add others.
pub(crate) fn minimal(index: &Index) -> BTreeSet<&str> {
    let required = index.names().filter(|name| index.candidate(name, None).is_some_and(Package::is_required));
    required.chain(["apt"]).collect()
}

#[cfg(test)]
mod tests;
