// SPDX-License-Identifier: Apache-2.0
//! `wythe lock`: pins what floats. A step is resolved with its real tool on the image below it, so what is below is
//! built where it is not known yet.

use std::sync::Arc;

use wythe_solve::{Force, LockUse, build};

use crate::arguments::Lock;
use crate::commands::block_on;
use crate::commands::build::steps_meant;
use crate::definition::Definition;
use crate::diagnostic::{Report, explain};
use crate::exit::Exit;
use crate::print;
use crate::render::sink;
use crate::workshop::{Stops, Workshop, all_kinds};

/// Brings a lock up to date.
pub(crate) fn run(workshop: &Workshop, lock: &Lock) -> Result<(), Report> {
    let store = workshop.store()?;
    let plugins = Arc::new(workshop.plugins(Some(&store))?);
    let definition = Definition::read(workshop, &lock.definition, &all_kinds(&plugins))?;
    let lock_use = match &lock.upgrade {
        Some(steps) => LockUse::Upgrade(steps_meant(steps, "--upgrade", &definition)?),
        None => LockUse::Use,
    };
    let order = definition.order(workshop, lock_use, Force::default())?;
    let grants = crate::grants::read(&lock.grants, &workshop.surroundings)?;
    let events = sink(lock.progress, workshop.is_terminal);
    let outcome = block_on(async {
        let stops = Stops::listen()?;
        let engine = workshop.engine(&store, plugins, grants, events, &stops);
        Ok::<_, Report>(build(&engine, &order).await)
    })?;
    let changes = definition.lock_differs(&outcome.lock);
    if lock.check && changes {
        let report = Report::new(Exit::Spec, "wythe.lock is not up to date");
        return Err(report.hint("bring it up to date: `wythe lock`"));
    }
    definition.write_lock(&outcome.lock)?;
    for image in outcome.images {
        image.map_err(|error| explain(&error, &definition.spec))?;
    }
    print::to_stderr(if changes { "wythe.lock is written" } else { "wythe.lock is up to date" });
    Ok(())
}
