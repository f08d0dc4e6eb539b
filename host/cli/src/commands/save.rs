// SPDX-License-Identifier: Apache-2.0
//! `wythe save`: an image on a medium that other tools read.

use std::io::Write;
use std::path::Path;

use wythe_export::{Export, LayerError, save_docker_archive, save_layout, save_oci_archive};
use wythe_image::{Digest, LayerRef, Platform, Reference};
use wythe_store::{Store, StoredImage};

use crate::arguments::{Format, Save};
use crate::commands::build::check_name;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::workshop::{Workshop, absolute, find_image, full_name};

/// Writes an image to an OCI layout or an archive, and prints the digest that it has there.
pub(crate) fn run(workshop: &Workshop, save: &Save) -> Result<(), Report> {
    save.tags.iter().try_for_each(|tag| check_name(tag))?;
    let store = workshop.store()?;
    let (stored, image) = find_image(&store, &save.image)?;
    let names = if save.tags.is_empty() { asked_for(&stored, &save.image) } else { save.tags.clone() };
    let names: Vec<Reference> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let created = created(&stored)?;
    let layers = layers_of(&store);
    let export = Export { compression: save.compression, ..Export::new(&image, &created, &names, &layers) };
    let output = absolute(&save.output)?;
    let write: fn(&Export<'_>, &Path) -> _ = match save.format {
        Format::Oci => save_oci_archive,
        Format::OciDir => save_layout,
        Format::Docker => save_docker_archive,
    };
    let descriptor = write(&export, &output).map_err(|error| {
        let what = format!("cannot save `{}` to `{}`", save.image, output.display());
        Report::caused(Exit::World, what, &error).note("what was there before is as it was")
    })?;
    print::to_stdout(descriptor.digest().as_ref());
    Ok(())
}

/// Returns the one name that was asked for, none where it was a digest. Who reads an archive for one image does not know
/// which to take where it lists several.
fn asked_for(stored: &StoredImage, asked: &str) -> Vec<String> {
    let asked = full_name(asked);
    let asked = Platform::split_from(&asked).0;
    let names = stored.names.iter().map(|name| Platform::split_from(name).0);
    names.filter(|name| full_name(name) == asked).take(1).map(str::to_owned).collect()
}

/// Writes layers as a store has them.
pub(crate) fn layers_of(store: &Store) -> impl Fn(&LayerRef, &mut dyn Write) -> Result<(Digest, u64), LayerError> {
    |layer, out| {
        let dirs = store.layer_dirs(&layer.diff_id)?.ok_or("it is not in the store")?;
        Ok(wythe_snapshot::write_tar(&dirs, out)?)
    }
}

/// When an image was made: what was saved keeps its time, and so its digest.
fn created(stored: &StoredImage) -> Result<String, Report> {
    let config = serde_json::from_slice::<serde_json::Value>(&stored.config);
    let config = config.map_err(|error| Report::caused(Exit::World, "the image cannot be read", &error))?;
    Ok(config["created"].as_str().unwrap_or("1970-01-01T00:00:00Z").to_owned())
}
