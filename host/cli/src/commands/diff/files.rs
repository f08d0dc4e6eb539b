// SPDX-License-Identifier: Apache-2.0
//! What differs between the files of two images.

use std::path::Path;

use serde_json::{Value, json};
use wythe_snapshot::{Appearance, Aspect, Difference, Shape};

use super::packages::counts;
use super::paint::{Change, Paint};
use crate::render::{bytes, plural};

mod group;

/// More lines than this nobody reads: differences are then grouped by directory.
const MOST_LINES: usize = 40;

/// Prints the files that differ: each, or where they are many a line a directory.
pub(super) fn show(differences: &[Difference], is_full: bool, paint: &Paint) {
    if differences.is_empty() {
        return;
    }
    let heading = format!("{}: {}", plural(differences.len(), "path"), counts(differences.iter().map(sign)));
    if is_full || differences.len() <= MOST_LINES {
        paint.section(&heading, &differences.iter().map(row).collect::<Vec<_>>());
        return;
    }
    let heading = format!("{heading} (by directory; each with `--full`)");
    paint.section(&heading, &group::rows(differences, MOST_LINES));
}

fn sign(difference: &Difference) -> Change {
    Change::of(difference.before.is_some(), difference.after.is_some())
}

fn row(difference: &Difference) -> (Change, Vec<String>) {
    let seen = difference.after.as_ref().or(difference.before.as_ref());
    let is_directory = seen.is_some_and(|seen| seen.shape == Shape::Directory);
    let text = match (&difference.before, &difference.after) {
        (Some(before), Some(after)) => {
            let aspects = difference.aspects.iter().map(|aspect| in_words(*aspect, before, after));
            aspects.collect::<Vec<_>>().join(", ")
        }
        _ => seen.map(what).unwrap_or_default(),
    };
    (sign(difference), vec![name(&difference.path, is_directory), text])
}

/// Returns an absolute name on one line; a directory's ends in a slash.
fn name(path: &Path, is_directory: bool) -> String {
    let slash = if is_directory && !path.as_os_str().is_empty() { "/" } else { "" };
    format!("/{}{slash}", path.display().to_string().escape_debug())
}

/// Says what a thing is, where there is nothing to compare it with.
fn what(seen: &Appearance) -> String {
    match seen.shape {
        Shape::File => bytes(seen.size),
        Shape::Directory => String::new(),
        Shape::Symlink => format!("→ {}", target(seen)),
        Shape::Fifo => "named pipe".to_owned(),
        Shape::Special => "device or socket".to_owned(),
    }
}

fn in_words(aspect: Aspect, before: &Appearance, after: &Appearance) -> String {
    match aspect {
        Aspect::Type => format!("{} → {}", shape(before.shape), shape(after.shape)),
        Aspect::Content if before.size == after.size => format!("content ({})", bytes(after.size)),
        Aspect::Content => format!("content ({} → {})", bytes(before.size), bytes(after.size)),
        Aspect::Target => format!("target {} → {}", target(before), target(after)),
        Aspect::Mode => format!("mode {:04o} → {:04o}", before.mode, after.mode),
        Aspect::Owner => format!("owner {} → {}", owner(before), owner(after)),
        Aspect::Xattrs => "extended attributes".to_owned(),
        Aspect::Time => format!("time {} → {}", time(before.modified), time(after.modified)),
    }
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::File => "file",
        Shape::Directory => "directory",
        Shape::Symlink => "link",
        Shape::Fifo => "named pipe",
        Shape::Special => "device or socket",
    }
}

fn target(seen: &Appearance) -> String {
    String::from_utf8_lossy(&seen.target).escape_debug().to_string()
}

fn owner(seen: &Appearance) -> String {
    format!("{}:{}", seen.owner.0, seen.owner.1)
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// Returns a difference for programs. Names that are not UTF-8 are shown with replacement characters.
pub(super) fn in_json(difference: &Difference) -> Value {
    let side = |seen: &Appearance| {
        let mut value = json!({
            "type": shape(seen.shape),
            "mode": format!("{:04o}", seen.mode),
            "owner": owner(seen),
            "modified": seen.modified,
        });
        if seen.shape == Shape::File {
            value["size"] = seen.size.into();
        }
        if seen.shape == Shape::Symlink {
            value["target"] = String::from_utf8_lossy(&seen.target).into();
        }
        if !seen.xattrs.is_empty() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            value["xattrs"] = seen.xattrs.iter().map(|(name, _)| text(name)).collect();
        }
        value
    };
    let word = |aspect: &Aspect| match aspect {
        Aspect::Type => "type",
        Aspect::Content => "content",
        Aspect::Target => "target",
        Aspect::Mode => "mode",
        Aspect::Owner => "owner",
        Aspect::Xattrs => "xattrs",
        Aspect::Time => "time",
    };
    json!({
        "path": format!("/{}", difference.path.display()),
        "change": sign(difference).word(),
        "differs": difference.aspects.iter().map(word).collect::<Vec<_>>(),
        "before": difference.before.as_ref().map(side),
        "after": difference.after.as_ref().map(side),
    })
}
