// SPDX-License-Identifier: Apache-2.0
//! `wythe logs`, `wythe history --logs`: all output of the commands of steps.

use std::fs::File;
use std::io;
use std::path::Path;

use wythe_image::{Digest, LayerRef};
use wythe_solve::OperationAccount;
use wythe_store::{ResultRecord, Store};

use super::explain::{accounts, check_steps, is_wanted};
use crate::arguments::Logs;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::workshop::{Workshop, store_failed};

/// Prints the logs of the last build of a definition.
pub(crate) fn run(workshop: &Workshop, logs: &Logs) -> Result<(), Report> {
    let store = workshop.store()?;
    let accounts = accounts(workshop, &store, &logs.definition)?;
    check_steps(&logs.steps, &accounts)?;
    for account in &accounts {
        let image = if account.image.is_empty() { String::new() } else { format!("{}/", account.image) };
        for step in account.steps.iter().filter(|step| is_wanted(step, &logs.steps)) {
            for OperationAccount { text, log, .. } in &step.operations {
                if let Some(log) = log {
                    print_log(&store, &format!("{image}{}: {text}", step.step), log)?;
                }
            }
        }
    }
    Ok(())
}

/// Prints the logs of the results that an image was made of: for each line of its history, the newest result that made
/// the same layer.
pub(crate) fn of_image(store: &Store, lines: &[(String, Option<LayerRef>)], wanted: &[String]) -> Result<(), Report> {
    for (text, layer) in lines {
        let Some(ResultRecord { step, log: Some(log), .. }) = recorded(store, text, layer.as_ref())? else { continue };
        let name = step.split(' ').next().unwrap_or_default();
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name || name.ends_with(&format!("/{wanted}"))) {
            print_log(store, &format!("{name}: {text}"), &log)?;
        }
    }
    Ok(())
}

/// Returns the record of what a line of an image's history tells of, if there is one still.
pub(crate) fn recorded(store: &Store, text: &str, layer: Option<&LayerRef>) -> Result<Option<ResultRecord>, Report> {
    if let Some(layer) = layer {
        return of_layer(store, &layer.diff_id, text);
    }
    let without = store.results_without_layer().map_err(|error| store_failed(&error))?;
    Ok(without.into_iter().find(|record| text_of(record) == text))
}

fn of_layer(store: &Store, diff_id: &Digest, text: &str) -> Result<Option<ResultRecord>, Report> {
    let records = store.results_of_layer(diff_id).map_err(|error| store_failed(&error))?;
    let same = records.iter().find(|record| text_of(record) == text);
    Ok(same.or(records.first()).cloned())
}

/// A result's step is written as its id, a space, and what it does.
fn text_of(record: &ResultRecord) -> &str {
    record.step.split_once(' ').map_or("", |(_, text)| text)
}

fn print_log(store: &Store, head: &str, log: &str) -> Result<(), Report> {
    let path = store.directory().join(Path::new(log));
    print::to_stderr(&format!("==> {head}"));
    let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut io::stdout().lock()));
    match copied {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            print::to_stderr("(the log was collected)");
            Ok(())
        }
        Err(error) => Err(Report::caused(Exit::World, format!("cannot print the log `{}`", path.display()), &error)),
    }
}
