// SPDX-License-Identifier: Apache-2.0
//! `wythe lock`: pins what floats. A step is resolved with its real tool on the image below it, so what is below is
//! built where it is not known yet.

use std::sync::Arc;

use serde_json::json;
use wythe_image::Platform;
use wythe_plan::{LockChange, Moved};
use wythe_solve::{Engine, Force, LockUse, pin};

use crate::arguments::Lock;
use crate::commands::block_on;
use crate::commands::build::steps_meant;
use crate::definition::Definition;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::render::sink;
use crate::workshop::{Stops, Workshop, all_kinds};
use crate::{contexts, print};

/// Brings a lock up to date.
pub(crate) fn run(workshop: &Workshop, lock: &Lock) -> Result<(), Report> {
    let store = workshop.store()?;
    let plugins = Arc::new(workshop.plugins(Some(&store))?);
    let wanted = contexts::prepared(workshop, &store, &plugins, &lock.definition, Some(&lock.grants))?;
    if let Some(elsewhere) = &wanted.elsewhere {
        let what = format!("the build context `{}` has no place for a lock", elsewhere.name);
        return Err(Report::new(Exit::Usage, what)
            .hint("lock a directory of this machine: what is fetched is gone when the command ends"));
    }
    let definition = Definition::read(workshop, &wanted, &all_kinds(&plugins))?;
    let lock_use = match &lock.upgrade {
        Some(steps) => LockUse::Upgrade(steps_meant(steps, "--upgrade", &definition)?),
        None => LockUse::Use,
    };
    let order = definition.order(workshop, lock_use, Force::default())?;
    let grants = crate::grants::read(&lock.grants, &workshop.surroundings)?;
    let events = sink(lock.progress, workshop.is_terminal);
    let (images, found) = block_on(async {
        let stops = Stops::listen()?;
        let engine = Engine::new(workshop.parts(&store, plugins, grants, events, &stops, &wanted)?);
        Ok::<_, Report>(pin(&engine, &order).await)
    })?;
    let found = definition.lock_after(&found, images.iter().all(Result::is_ok));
    if !lock.check {
        definition.write_lock(&found)?;
    }
    for image in images {
        image.map_err(|error| definition.explain(&error))?;
    }
    let changes = definition.lock.changes(&found);
    if lock.json {
        print::json(&changes.iter().map(change_json).collect::<Vec<_>>());
    }
    let differs = definition.lock_differs(&found);
    if lock.check && differs {
        let report = Report::new(Exit::Spec, format!("{} is not up to date", definition.lock_name()));
        let report = changes.iter().map(change_text).fold(report, Report::note);
        return Err(report.hint("bring it up to date: `wythe lock`"));
    }
    changes.iter().map(change_text).for_each(|text| print::to_stderr(&text));
    let state = if differs { "is written" } else { "is up to date" };
    print::to_stderr(&format!("{} {state}", definition.lock_name()));
    Ok(())
}

fn change_json(change: &LockChange) -> serde_json::Value {
    let LockChange { image, step, was_locked, is_locked, moved } = change;
    let one = |Moved { name, from, to }: &Moved| json!({"name": name, "from": from, "to": to});
    let moved: Vec<_> = moved.iter().map(one).collect();
    let (image, platform) = (&image.name, &image.platform);
    json!({"image": image, "platform": platform, "step": step, "was-locked": was_locked, "is-locked": is_locked, "moved": moved})
}

/// Most versions that are named of a step. The lock has them all.
const SHOWN: usize = 8;

/// Says in a line what of a step is pinned otherwise.
fn change_text(change: &LockChange) -> String {
    let LockChange { image, step, was_locked, is_locked, moved } = change;
    let step = image.name.as_ref().map_or_else(|| step.clone(), |image| format!("{image}/{step}"));
    let is_usual = image.platform == Platform::linux_amd64();
    let step = if is_usual { step } else { format!("{step} ({})", image.platform) };
    let (verb, moved) = match (was_locked, is_locked) {
        (_, false) => return format!("{step}: dropped, the step is gone"),
        (true, true) if moved.is_empty() => return format!("{step}: the same versions, found anew"),
        (false, true) => ("pinned", moved),
        (true, true) => ("moved", moved),
    };
    let mut texts: Vec<String> = moved.iter().take(SHOWN).map(moved_text).collect();
    if moved.len() > SHOWN {
        texts.push(format!("and {} more", moved.len() - SHOWN));
    }
    format!("{step}: {verb} {}", texts.join(", ")).trim_end().to_owned()
}

fn moved_text(Moved { name, from, to }: &Moved) -> String {
    match (from, to) {
        (Some(from), Some(to)) => format!("{name} {from} → {to}"),
        (None, Some(to)) => format!("{name} {to}"),
        (Some(from), None) => format!("{name} {from} → gone"),
        (None, None) => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use wythe_image::Platform;
    use wythe_plan::{LockChange, LockedImage, Moved};

    use super::change_text;

    fn moved(name: &str, from: Option<&str>, to: Option<&str>) -> Moved {
        Moved { name: name.to_owned(), from: from.map(str::to_owned), to: to.map(str::to_owned) }
    }

    #[test]
    fn a_change_is_one_line() {
        let change = |image: Option<&str>, was_locked, is_locked, moved| {
            let image = LockedImage::new(image, &Platform::linux_amd64());
            change_text(&LockChange { image, step: "deps".to_owned(), was_locked, is_locked, moved })
        };
        let several = vec![moved("a", Some("1"), Some("2")), moved("b", None, Some("1")), moved("c", Some("1"), None)];
        assert_eq!(change(None, true, true, several), "deps: moved a 1 → 2, b 1, c 1 → gone");
        let many = (0..10).map(|number| moved(&format!("p{number}"), None, Some("1"))).collect();
        let expected = "web/deps: pinned p0 1, p1 1, p2 1, p3 1, p4 1, p5 1, p6 1, p7 1, and 2 more";
        assert_eq!(change(Some("web"), false, true, many), expected);
        assert_eq!(change(None, true, false, Vec::new()), "deps: dropped, the step is gone");
        assert_eq!(change(None, true, true, Vec::new()), "deps: the same versions, found anew");
        assert_eq!(change(None, false, true, Vec::new()), "deps: pinned");
    }
}
