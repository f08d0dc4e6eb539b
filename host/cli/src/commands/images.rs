// SPDX-License-Identifier: Apache-2.0
//! `wythe images`, `inspect`, `history`, `tag`, `rm`.

use serde_json::json;
use wythe_store::ImageRow;

use crate::arguments::{History, Images, OneImage, Remove, Tag};
use crate::commands::build::check_name;
use crate::diagnostic::Report;
use crate::environment::now;
use crate::exit::Exit;
use crate::print;
use crate::render::{bytes, time};
use crate::workshop::{Workshop, find_image, full_name, store_failed};

/// Lists images, the newest first.
pub(crate) fn list(workshop: &Workshop, images: &Images) -> Result<(), Report> {
    let store = workshop.store()?;
    let rows = store.images().map_err(|error| store_failed(&error))?;
    if images.json {
        print::json(&rows.iter().map(row_json).collect::<Vec<_>>());
    } else if images.quiet {
        rows.iter().for_each(|row| print::to_stdout(&row.digest.to_string()));
    } else {
        let heads = ["NAME", "DIGEST", "BUILT", "SIZE"].map(str::to_owned).to_vec();
        let table: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().flat_map(row_lines)).collect();
        print::table(&table);
    }
    Ok(())
}

fn row_json(row: &ImageRow) -> serde_json::Value {
    json!({"names": row.names, "digest": row.digest, "created": row.created, "size": row.size})
}

fn row_lines(row: &ImageRow) -> Vec<Vec<String>> {
    let line = |name: &str| vec![name.to_owned(), row.digest.short(), age(row.created), bytes(row.size)];
    if row.names.is_empty() { vec![line("<none>")] } else { row.names.iter().map(|name| line(name)).collect() }
}

fn age(created: i64) -> String {
    let seconds = u64::try_from(now() - created).unwrap_or(0);
    match seconds {
        0..100 => format!("{} ago", time(std::time::Duration::from_secs(seconds))),
        100..7_200 => format!("{} minutes ago", seconds / 60),
        7_200..172_800 => format!("{} hours ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// Prints everything that is known of an image.
pub(crate) fn inspect(workshop: &Workshop, wanted: &OneImage) -> Result<(), Report> {
    let store = workshop.store()?;
    let (stored, _) = find_image(&store, &wanted.image)?;
    let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes);
    let unreadable = |error| Report::caused(Exit::World, format!("image `{}` cannot be read", wanted.image), &error);
    print::json(&json!({
        "names": stored.names,
        "digest": stored.digest,
        "manifest": parse(&stored.manifest).map_err(unreadable)?,
        "config": parse(&stored.config).map_err(unreadable)?,
    }));
    Ok(())
}

/// Prints how an image came about.
pub(crate) fn history(workshop: &Workshop, wanted: &History) -> Result<(), Report> {
    let store = workshop.store()?;
    let (_, image) = find_image(&store, &wanted.image)?;
    let mut layers = image.layers().iter();
    let lines = image.history().iter().map(|line| {
        let layer = if line.empty_layer { None } else { layers.next() };
        (line.created_by.clone(), layer)
    });
    if let Some(steps) = &wanted.logs {
        let lines: Vec<_> = lines.map(|(text, layer)| (text, layer.copied())).collect();
        return super::logs::of_image(&store, &lines, steps);
    }
    if wanted.json {
        let records = super::logs::Records::of(&store)?;
        let line = |(text, layer): (String, Option<&wythe_image::LayerRef>)| {
            let mut line = json!({"created_by": text, "layer": layer});
            if let Some(network) = records.find(&text, layer)?.and_then(|record| record.network) {
                line["network"] = json!(network);
            }
            Ok(line)
        };
        print::json(&lines.map(line).collect::<Result<Vec<_>, Report>>()?);
        return Ok(());
    }
    let heads = ["SIZE", "LAYER", "WHAT"].map(str::to_owned).to_vec();
    let row = |(text, layer): (String, Option<&wythe_image::LayerRef>)| {
        let size = layer.map_or_else(|| "-".to_owned(), |layer| bytes(layer.size));
        vec![size, layer.map_or_else(|| "-".to_owned(), |layer| layer.diff_id.short()), text]
    };
    print::table(&std::iter::once(heads).chain(lines.map(row)).collect::<Vec<_>>());
    Ok(())
}

/// Gives an image more names.
pub(crate) fn tag(workshop: &Workshop, wanted: &Tag) -> Result<(), Report> {
    wanted.names.iter().try_for_each(|name| check_name(name))?;
    let store = workshop.store()?;
    let (stored, _) = find_image(&store, &wanted.image)?;
    for name in &wanted.names {
        let is_there = store.tag(&full_name(name), &stored.digest).map_err(|error| store_failed(&error))?;
        if !is_there {
            return Err(Report::new(Exit::World, format!("image `{}` was removed meanwhile", wanted.image)));
        }
    }
    Ok(())
}

/// Removes names of images.
pub(crate) fn remove(workshop: &Workshop, wanted: &Remove) -> Result<(), Report> {
    let store = workshop.store()?;
    for name in &wanted.images {
        if let Some(digest) = store.untag(&full_name(name)).map_err(|error| store_failed(&error))? {
            print::to_stderr(&format!("removed {} ({})", full_name(name), digest.short()));
            continue;
        }
        let (stored, _) = find_image(&store, name)?;
        let removed = store.remove_image(&stored.digest).map_err(|error| store_failed(&error))?;
        let names = removed.unwrap_or_default();
        let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        print::to_stderr(&format!("removed {}{names}", stored.digest.short()));
    }
    Ok(())
}
