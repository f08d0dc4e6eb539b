// SPDX-License-Identifier: Apache-2.0
//! `wythe store du`, `gc`, `quota`, `verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use wythe_store::{GcPolicy, LayerDigest, Usage, total};

use crate::arguments::{Collect, Store};
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::render::{bytes, plural};
use crate::size::Limit;
use crate::workshop::{Workshop, store_failed};

const SECONDS_A_DAY: i64 = 86_400;

/// How long results are kept that no named image needs, where nothing else is said.
const DAYS_KEPT: u32 = 14;

/// Looks after the store.
pub(crate) fn run(workshop: &Workshop, command: &Store) -> Result<ExitCode, Report> {
    match command {
        Store::Du { json } => usage(workshop, *json),
        Store::Gc(collect) => gc(workshop, collect),
        Store::Quota { size, json } => quota(workshop, *size, *json),
        Store::Verify { json } => return verify(workshop, *json),
    }
    .map(|()| Exit::Done.into())
}

fn usage(workshop: &Workshop, json: bool) -> Result<(), Report> {
    let store = workshop.store()?;
    let usage = store.usage().map_err(|error| store_failed(&error))?;
    let quota = store.quota().map_err(|error| store_failed(&error))?;
    if json {
        print::json(&with_quota(json!(usage), &store, quota));
        return Ok(());
    }
    print_usage(&usage);
    print::to_stderr(&format!("in {}{}", store.directory().display(), quota_words(&store, quota)));
    Ok(())
}

/// Says what is set and what is in use; nothing where there is no quota, since measuring takes a while.
fn quota_words(store: &wythe_store::Store, quota: Option<u64>) -> String {
    let Some(quota) = quota else { return String::new() };
    format!("; {} on the disk, of {} that it may take", bytes(total(&store.occupied())), bytes(quota))
}

fn with_quota(mut value: serde_json::Value, store: &wythe_store::Store, quota: Option<u64>) -> serde_json::Value {
    if let Some(quota) = quota {
        value["quota"] = json!({"bytes": quota, "in_use": total(&store.occupied())});
    }
    value
}

/// Shows or sets the quota.
fn quota(workshop: &Workshop, size: Option<Limit>, json: bool) -> Result<(), Report> {
    let store = workshop.store()?;
    if let Some(Limit(limit)) = size {
        store.set_quota(limit).map_err(|error| store_failed(&error))?;
    }
    let quota = store.quota().map_err(|error| store_failed(&error))?;
    let in_use = total(&store.occupied());
    if json {
        print::json(&json!({"bytes": quota, "in_use": in_use}));
        return Ok(());
    }
    let limit = quota.map_or_else(|| "no limit".to_owned(), |quota| format!("at most {}", bytes(quota)));
    print::to_stdout(&format!("{limit}; {} in use", bytes(in_use)));
    if quota.is_some_and(|quota| quota < in_use) {
        print::to_stderr(
            "that is less than what is in use: the next build that writes collects first, see `wythe store gc`",
        );
    }
    Ok(())
}

fn print_usage(usage: &Usage) {
    let heads = ["WHAT", "COUNT", "SIZE"].map(str::to_owned).to_vec();
    let row = |(class, tally): (&wythe_store::Class, &wythe_store::Tally)| {
        vec![class.to_string(), tally.count.to_string(), bytes(tally.bytes)]
    };
    print::table(&std::iter::once(heads).chain(usage.iter().map(row)).collect::<Vec<_>>());
}

fn gc(workshop: &Workshop, collect: &Collect) -> Result<(), Report> {
    let store = workshop.store()?;
    let policy = GcPolicy {
        max_age: Some(i64::from(collect.older_than.unwrap_or(DAYS_KEPT)) * SECONDS_A_DAY),
        max_bytes: None,
        caches: collect.caches,
        dry_run: collect.dry_run,
    };
    let report = store.gc(&policy).map_err(|error| store_failed(&error))?;
    if collect.json {
        print::json(&json!({
            "removed": report.removed,
            "bytes": report.bytes(),
            "in_use": report.in_use,
            "kept_bytes": report.kept_bytes,
            "dry_run": collect.dry_run,
        }));
        return Ok(());
    }
    print_usage(&report.removed);
    let verb = if collect.dry_run { "would free" } else { "freed" };
    print::to_stderr(&format!("{verb} {}; {} are kept", bytes(report.bytes()), bytes(report.kept_bytes)));
    if report.in_use > 0 {
        print::to_stderr(&format!(
            "{} in use by another process stay",
            plural(usize::try_from(report.in_use).unwrap_or(usize::MAX), "thing")
        ));
    }
    if collect.older_than.is_none() && report.bytes() == 0 && report.kept_bytes > 0 {
        print::to_stderr(&format!(
            "results are kept for {DAYS_KEPT} days; `wythe store gc --older-than 0` frees all that no named image needs"
        ));
    }
    Ok(())
}

fn verify(workshop: &Workshop, json: bool) -> Result<ExitCode, Report> {
    let store = workshop.store()?;
    let digest: LayerDigest<'_> = &|dirs: &[PathBuf]| {
        let (digest, _) = wythe_snapshot::layer_digest(dirs)?;
        Ok(digest)
    };
    let report = store.verify(true, &mut |_| {}, digest).map_err(|error| store_failed(&error))?;
    if json {
        let finding =
            |found: &wythe_store::Finding| json!({"damage": found.damage.to_string(), "repaired": found.is_repaired});
        print::json(&json!({
            "checked": report.checked,
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        }));
    } else {
        for found in &report.findings {
            let what = if found.is_repaired { "dropped, the next build makes it again" } else { "not repaired" };
            print::to_stdout(&format!("{}: {what}", found.damage));
        }
        let checked = report.checked.iter().map(|(class, count)| format!("{count} {class}"));
        print::to_stderr(&format!("checked {}", checked.collect::<Vec<_>>().join(", ")));
    }
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::World }.into())
}
