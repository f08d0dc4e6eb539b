// SPDX-License-Identifier: Apache-2.0
//! Who tells what is installed in an image, and what of it is believed.

use std::collections::{BTreeMap, BTreeSet};

use wythe_plan::{Inventory, Package, PlanError};

use crate::plugin::Plugin;
use crate::untrusted;
use crate::v0_1::Installed;

/// Most bytes of one property: a license text fits, a novel does not.
const MOST_PROPERTY_BYTES: usize = 64 << 10;

/// Gives each type of package one plugin that answers for it: an extra one before a bundled one, else the first.
pub(crate) fn inventories(plugins: &[Plugin], first_extra: usize) -> Vec<Inventory> {
    let mut answerers: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, plugin) in plugins.iter().enumerate() {
        for kind in &plugin.inventory {
            let known = answerers.entry(kind).or_insert(place);
            if *known < first_extra && place >= first_extra {
                *known = place;
            }
        }
    }
    let types_of = |place: usize| answerers.iter().filter(move |(_, known)| **known == place).map(|(kind, _)| *kind);
    let inventory = |(place, plugin): (usize, &Plugin)| Inventory {
        plugin: plugin.name.to_string(),
        digest: plugin.digest,
        types: types_of(place).map(str::to_owned).collect(),
    };
    plugins.iter().enumerate().map(inventory).filter(|inventory| !inventory.types.is_empty()).collect()
}

/// Turns a plugin's list into packages: of the types that it was asked for, sorted, each once.
pub(crate) fn checked(plugin: &Plugin, listed: Vec<Installed>, types: &[String]) -> Result<Vec<Package>, PlanError> {
    let mut packages = BTreeSet::new();
    for installed in listed {
        let package = package(plugin, installed).map_err(|why| PlanError::Broken {
            plugin: plugin.name.to_string(),
            what: format!("listed a package with {why}"),
            frames: Vec::new(),
        })?;
        if types.contains(&package.kind) {
            packages.insert(package);
        }
    }
    Ok(packages.into_iter().collect())
}

fn package(plugin: &Plugin, installed: Installed) -> Result<Package, String> {
    let Installed { kind, namespace, name, version, qualifiers, properties } = installed;
    if !plugin.inventory.contains(&kind) {
        return Err(format!("the type `{}`, which its metadata does not announce", untrusted::line(&kind)));
    }
    untrusted::some_text("name", &name)?;
    untrusted::text("namespace", &namespace)?;
    untrusted::text("version", &version)?;
    for (qualifier, value) in &qualifiers {
        let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        if qualifier.is_empty() || !qualifier.bytes().all(is_key) {
            return Err(format!("the qualifier `{}`, which is no key of a package URL", untrusted::line(qualifier)));
        }
        untrusted::text("qualifier", value)?;
    }
    for (property, value) in &properties {
        untrusted::some_text("property", property)?;
        if value.len() > MOST_PROPERTY_BYTES {
            return Err(format!("a `{}` of more than 64 KiB", untrusted::line(property)));
        }
    }
    let harmless = |pairs: Vec<(String, String)>| -> BTreeMap<String, String> {
        pairs.into_iter().map(|(name, value)| (untrusted::line(&name), untrusted::line(&value))).collect()
    };
    Ok(Package {
        kind,
        namespace: untrusted::line(&namespace),
        name: untrusted::line(&name),
        version: untrusted::line(&version),
        qualifiers: harmless(qualifiers),
        properties: harmless(properties),
    })
}
