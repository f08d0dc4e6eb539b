// SPDX-License-Identifier: Apache-2.0
//! `wythe packages`: what is installed in an image.

use serde_json::{Value, json};
use wythe_image::Image;
use wythe_plan::{Package, StepPlanner as _};
use wythe_plugin::Plugins;
use wythe_solve::{Cause, Installed, installed};
use wythe_store::Store;

use crate::arguments::Packages;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::render::plural;
use crate::workshop::{Workshop, find_image};

/// Lists what is installed in an image.
pub(crate) fn run(workshop: &Workshop, wanted: &Packages) -> Result<(), Report> {
    let store = workshop.store()?;
    let (_, image) = find_image(&store, &wanted.image)?;
    let plugins = workshop.plugins(Some(&store))?;
    check_types(&plugins, &wanted.types)?;
    let mut packages = of(&store, &plugins, &image, &wanted.image)?;
    packages.retain(|package| wanted.types.is_empty() || wanted.types.contains(&package.kind));
    if wanted.json {
        print::json(&packages.iter().map(in_json).collect::<Vec<_>>());
        return Ok(());
    }
    if packages.is_empty() {
        print::to_stderr(&format!("no package is installed in `{}` that a plugin knows of", wanted.image));
        return Ok(());
    }
    let heads = ["TYPE", "NAME", "VERSION", "ARCH", "LICENSE"].map(str::to_owned).to_vec();
    print::table(&std::iter::once(heads).chain(packages.iter().map(row)).collect::<Vec<_>>());
    print::to_stderr(&plural(packages.len(), "package"));
    Ok(())
}

/// Returns what is installed in an image, and says what plugins had to say about it.
pub(crate) fn of(store: &Store, plugins: &Plugins, image: &Image, name: &str) -> Result<Vec<Package>, Report> {
    let Installed { packages, notes } = installed(store, plugins, image).map_err(|cause| {
        let exit = if matches!(cause, Cause::Plan(_)) { Exit::Plugin } else { Exit::World };
        Report::caused(exit, format!("cannot list what is installed in `{name}`"), &cause)
    })?;
    notes.iter().for_each(|note| print::to_stderr(&format!("warning: {name}: {note}")));
    Ok(packages)
}

fn check_types(plugins: &Plugins, types: &[String]) -> Result<(), Report> {
    let known: Vec<&str> = plugins.inventories().iter().flat_map(|one| &one.types).map(String::as_str).collect();
    match types.iter().find(|kind| !known.contains(&kind.as_str())) {
        None => Ok(()),
        Some(kind) => {
            let report = Report::new(Exit::Spec, format!("no plugin lists packages of type `{kind}`"));
            Err(report.hint(format!("known types: {}", known.join(", "))))
        }
    }
}

fn row(package: &Package) -> Vec<String> {
    let license = package.properties.get("license").map_or("-", String::as_str);
    let cells = [&package.kind, &package.name, &package.version, package.architecture().unwrap_or("-"), license];
    cells.map(str::to_owned).to_vec()
}

/// A package with its URL, by which other tools know it.
fn in_json(package: &Package) -> Value {
    let mut value = json!(package);
    value["purl"] = package.purl().into();
    value
}
