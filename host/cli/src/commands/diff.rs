// SPDX-License-Identifier: Apache-2.0
//! `wythe diff`: what differs between two images, from what one says first (configuration, packages) to what one looks up
//! (files, lines).

mod config;
mod files;
mod packages;
mod paint;
mod patch;

use std::process::ExitCode;

use serde_json::{Value, json};
use wythe_image::{Image, LayerRef};
use wythe_snapshot::{Comparison, StackedLayer};
use wythe_store::{Store, StoredImage};

use crate::arguments::Diff;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::render::{bytes, plural};
use crate::workshop::{Workshop, find_image, store_failed};

use paint::Paint;

/// An image that is compared.
struct Subject<'a> {
    /// As it was asked for.
    name: &'a str,
    stored: StoredImage,
    image: Image,
}

/// All that differs.
struct Differences {
    config: Vec<config::Change>,
    packages: Vec<packages::Change>,
    files: Comparison,
}

impl Differences {
    fn is_empty(&self) -> bool {
        self.config.is_empty() && self.packages.is_empty() && self.files.differences.is_empty()
    }
}

/// Prints what differs between two images.
pub(crate) fn run(workshop: &Workshop, wanted: &Diff) -> Result<ExitCode, Report> {
    let store = workshop.store()?;
    let before = subject(&store, &wanted.before)?;
    let after = subject(&store, &wanted.after)?;
    let found = compare(workshop, &store, &before, &after)?;
    let is_same = before.stored.digest == after.stored.digest;
    if wanted.json {
        print::json(&in_json(&before, &after, &found));
    } else if is_same {
        print::to_stderr("the two are one image");
    } else {
        show(workshop, wanted, &before, &after, &found)?;
    }
    Ok(if wanted.exit_code && !is_same { Exit::Different } else { Exit::Done }.into())
}

fn subject<'a>(store: &Store, name: &'a str) -> Result<Subject<'a>, Report> {
    let (stored, image) = find_image(store, name)?;
    Ok(Subject { name, stored, image })
}

fn compare(
    workshop: &Workshop,
    store: &Store,
    before: &Subject<'_>,
    after: &Subject<'_>,
) -> Result<Differences, Report> {
    let files = Comparison::of(&stack(store, before)?, &stack(store, after)?).map_err(|error| {
        let what = format!("cannot compare the files of `{}` and `{}`", before.name, after.name);
        Report::caused(Exit::World, what, &error)
    })?;
    // Where no file and no variable differs, no package does.
    let packages = if files.differences.is_empty() && before.image.config() == after.image.config() {
        Vec::new()
    } else {
        let plugins = workshop.plugins(Some(store))?;
        let of = |subject: &Subject<'_>| super::packages::of(store, &plugins, &subject.image, subject.name);
        packages::changes(&of(before)?, &of(after)?)
    };
    Ok(Differences { config: config::changes(&before.image, &after.image), packages, files })
}

fn stack(store: &Store, subject: &Subject<'_>) -> Result<Vec<StackedLayer>, Report> {
    let layer = |layer: &LayerRef| {
        let dirs = store.layer_dirs(&layer.diff_id).map_err(|error| store_failed(&error))?.ok_or_else(|| {
            Report::new(Exit::World, format!("layer {} of `{}` is not in the store", layer.diff_id, subject.name))
                .hint("see what is damaged: `wythe store verify`")
        })?;
        Ok(StackedLayer { diff_id: layer.diff_id, dirs })
    };
    subject.image.layers().iter().map(layer).collect()
}

fn show(
    workshop: &Workshop,
    wanted: &Diff,
    before: &Subject<'_>,
    after: &Subject<'_>,
    found: &Differences,
) -> Result<(), Report> {
    let paint = Paint::new(workshop.color_data);
    print::to_stdout(&paint.gone(&format!("--- {}  {}", before.name, before.stored.digest)));
    print::to_stdout(&paint.come(&format!("+++ {}  {}", after.name, after.stored.digest)));
    print::to_stdout(&layers(before, after, found.files.shared));
    config::show(&found.config, &paint);
    packages::show(&found.packages, &paint);
    files::show(&found.files.differences, wanted.full, &paint);
    if wanted.patch {
        patch::show(&found.files, &paint)?;
    }
    if found.is_empty() {
        print::to_stdout("\nthe two behave the same: only their layers or their history differ");
    }
    Ok(())
}

fn layers(before: &Subject<'_>, after: &Subject<'_>, shared: usize) -> String {
    let own = |subject: &Subject<'_>| {
        let own = &subject.image.layers()[shared..];
        let size = own.iter().map(|layer| layer.size).sum();
        if own.is_empty() { "none".to_owned() } else { format!("{} ({})", own.len(), bytes(size)) }
    };
    let shared = plural(shared, "layer");
    format!("{shared} shared, {} only in {}, {} only in {}", own(before), before.name, own(after), after.name)
}

fn in_json(before: &Subject<'_>, after: &Subject<'_>, found: &Differences) -> Value {
    let shared = found.files.shared;
    let side = |subject: &Subject<'_>| json!({"name": subject.name, "digest": subject.stored.digest, "own_layers": &subject.image.layers()[shared..]});
    json!({
        "same": before.stored.digest == after.stored.digest,
        "before": side(before),
        "after": side(after),
        "shared_layers": shared,
        "config": found.config,
        "packages": found.packages,
        "files": found.files.differences.iter().map(files::in_json).collect::<Vec<_>>(),
    })
}
