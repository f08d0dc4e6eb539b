// SPDX-License-Identifier: Apache-2.0
//! What this host offers to a plugin, and whether that is what a component asks for.

use crate::anatomy::Import;

/// An interface of the host: its name with version, and its functions. The list is generated from the WIT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    pub name: &'static str,
    pub functions: &'static [&'static str],
}

/// All of them: the step interface and the inert part of WASI.
const OFFERS: &[Offer] = include!(concat!(env!("OUT_DIR"), "/offers.rs"));

/// Why a component cannot be given what it imports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Made for a newer version of the same track.
    #[error("it needs `{what}` of {package} {wanted}, and this wythe has {offered}")]
    Newer {
        /// A function, as in `command.device`, or an interface.
        what: String,
        /// As in `wythe:step`.
        package: String,
        /// The version it was made for.
        wanted: String,
        /// The version that this host has.
        offered: String,
    },
    /// Made for another track.
    #[error("it is made for {package} {wanted}, and this wythe has {offered}")]
    OtherTrack {
        /// As in `wythe:step`.
        package: String,
        /// The version it was made for.
        wanted: String,
        /// The version that this host has.
        offered: String,
    },
    /// Something that no plugin gets.
    #[error(
        "it imports `{0}`, which no plugin gets: a plugin sees no clock, file, variable, network or chance but through \
         `wythe:step`"
    )]
    Foreign(String),
}

/// Checks imports in their order and reports the first that cannot be given.
pub(crate) fn check(imports: &[Import]) -> Result<(), ImportError> {
    imports.iter().try_for_each(check_one)
}

fn check_one(import: &Import) -> Result<(), ImportError> {
    let foreign = || ImportError::Foreign(import.name.clone());
    let wanted = Name::parse(&import.name).ok_or_else(foreign)?;
    let offers = || OFFERS.iter().filter_map(|offer| Name::parse(offer.name).map(|name| (name, offer)));
    let same_package = offers().find(|(name, _)| name.package == wanted.package).map(|(name, _)| name);
    let Some(package) = same_package else { return Err(foreign()) };
    if package.track() != wanted.track() {
        return Err(ImportError::OtherTrack {
            package: wanted.package.to_owned(),
            wanted: wanted.version.to_owned(),
            offered: package.version.to_owned(),
        });
    }
    let newer = |what: &str| ImportError::Newer {
        what: what.to_owned(),
        package: wanted.package.to_owned(),
        wanted: wanted.version.to_owned(),
        offered: package.version.to_owned(),
    };
    let Some((_, offer)) =
        offers().find(|(name, _)| (name.package, name.interface) == (wanted.package, wanted.interface))
    else {
        // A package of WASI is offered in part only, and no later version of wythe will offer the rest.
        return Err(if is_step(&wanted) { newer(wanted.interface) } else { foreign() });
    };
    match import.functions.iter().find(|function| !offer.functions.contains(&function.as_str())) {
        None => Ok(()),
        Some(function) if is_step(&wanted) => Err(newer(plain_name(function))),
        Some(function) => Err(ImportError::Foreign(format!("{}#{}", import.name, plain_name(function)))),
    }
}

fn is_step(name: &Name<'_>) -> bool {
    name.package == "wythe:step"
}

/// `[method]command.device` → `command.device`.
fn plain_name(function: &str) -> &str {
    function.rsplit(']').next().unwrap_or(function)
}

/// `wythe:step/graph@0.1.0`, taken apart.
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }

    /// What must be equal for two versions to fit: `0.1` of `0.1.7`, `1` of `1.4.2`.
    fn track(&self) -> &'a str {
        let end_of = |parts: usize| self.version.match_indices('.').nth(parts - 1).map(|(at, _)| at);
        let end = if self.version.starts_with("0.") { end_of(2) } else { end_of(1) };
        &self.version[..end.unwrap_or(self.version.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::anatomy::Import;

    fn verdict(name: &str, functions: &[&str]) -> String {
        let functions = functions.iter().map(|function| (*function).to_owned()).collect();
        match check(&[Import { name: name.to_owned(), functions }]) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_import_is_given_or_refused_by_name() {
        let refusal =
            "which no plugin gets: a plugin sees no clock, file, variable, network or chance but through `wythe:step`";
        for (name, functions, expected) in [
            ("wythe:step/graph@0.1.0", &["[method]state.env", "[constructor]artifact"][..], "ok"),
            ("wythe:step/types@0.1.0", &[], "ok"),
            ("wythe:step/graph@0.1.7", &["[static]command.run"], "ok"),
            ("wasi:io/streams@0.2.6", &["[method]output-stream.blocking-write-and-flush"], "ok"),
            ("wasi:random/insecure-seed@0.2.6", &["insecure-seed"], "ok"),
            (
                "wythe:step/graph@0.1.2",
                &["[method]command.teleport"],
                "it needs `command.teleport` of wythe:step 0.1.2, and this wythe has 0.1.0",
            ),
            (
                "wythe:step/telepathy@0.1.3",
                &["read"],
                "it needs `telepathy` of wythe:step 0.1.3, and this wythe has 0.1.0",
            ),
            ("wythe:step/graph@0.2.0", &[], "it is made for wythe:step 0.2.0, and this wythe has 0.1.0"),
            (
                "wasi:clocks/wall-clock@0.2.6",
                &["now"],
                &format!("it imports `wasi:clocks/wall-clock@0.2.6`, {refusal}"),
            ),
            (
                "wasi:random/random@0.2.6",
                &["get-random-u64"],
                &format!("it imports `wasi:random/random@0.2.6`, {refusal}"),
            ),
            ("wasi:io/poll@0.3.0", &[], "it is made for wasi:io 0.3.0, and this wythe has 0.2.0"),
            ("env", &[], &format!("it imports `env`, {refusal}")),
        ] {
            assert_eq!(verdict(name, functions), expected, "{name}");
        }
    }
}
