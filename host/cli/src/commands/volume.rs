// SPDX-License-Identifier: Apache-2.0
//! `wythe volume`: what steps and programs keep across runs.

use serde_json::json;
use wythe_store::{Store, VolumeError, VolumeMount};

use crate::arguments::Volume;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::render::bytes;
use crate::workshop::{Workshop, store_failed};

/// Looks after volumes.
pub(crate) fn run(workshop: &Workshop, command: &Volume) -> Result<(), Report> {
    let store = workshop.store()?;
    match command {
        Volume::Ls { json } => list(&store, *json),
        Volume::Inspect { volume } => inspect(&store, volume),
        Volume::Rm { volumes } => volumes.iter().try_for_each(|name| remove(&store, name)),
    }
}

fn list(store: &Store, json: bool) -> Result<(), Report> {
    let names = store.volumes().map_err(|error| store_failed(&error))?;
    let mut volumes = Vec::new();
    for name in names {
        // One that is being removed at this moment is not there any more.
        if let Some(volume) = find(store, &name)? {
            volumes.push((name, volume.bytes()));
        }
    }
    if json {
        let one = |(name, size): &(String, u64)| json!({"name": name, "bytes": size});
        print::json(&volumes.iter().map(one).collect::<Vec<_>>());
        return Ok(());
    }
    let heads = ["VOLUME", "SIZE"].map(str::to_owned).to_vec();
    let rows = volumes.into_iter().map(|(name, size)| vec![name, bytes(size)]);
    print::table(&std::iter::once(heads).chain(rows).collect::<Vec<_>>());
    Ok(())
}

fn inspect(store: &Store, name: &str) -> Result<(), Report> {
    let volume = find(store, name)?.ok_or_else(|| missing(name))?;
    print::json(&json!({"name": name, "directory": volume.dir(), "bytes": volume.bytes()}));
    Ok(())
}

fn remove(store: &Store, name: &str) -> Result<(), Report> {
    match store.remove_volume(name) {
        Ok(true) => Ok(()),
        Ok(false) => Err(missing(name)),
        Err(error) => Err(refused(&error)),
    }
}

fn find(store: &Store, name: &str) -> Result<Option<VolumeMount>, Report> {
    store.find_volume(name).map_err(|error| refused(&error))
}

fn missing(name: &str) -> Report {
    Report::new(Exit::Spec, format!("there is no volume `{name}`"))
        .hint("see which volumes there are: `wythe volume ls`")
}

fn refused(error: &VolumeError) -> Report {
    match error {
        VolumeError::Name(_) => Report::new(Exit::Spec, error.to_string()),
        VolumeError::InUse(_) => Report::new(Exit::World, error.to_string())
            .hint("it can be removed when the step or program that uses it has ended"),
        error => store_failed(error),
    }
}
