// SPDX-License-Identifier: Apache-2.0
//! `wythe logs`, `wythe history --logs`: all output of the commands of steps.

use std::fs::File;
use std::io;
use std::path::Path;

use wythe_image::LayerRef;
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
    let records = Records::of(store)?;
    for (text, layer) in lines {
        let Some(ResultRecord { step, log: Some(log), .. }) = records.find(text, layer.as_ref())? else { continue };
        let name = step.split(' ').next().unwrap_or_default();
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name || name.ends_with(&format!("/{wanted}"))) {
            print_log(store, &format!("{name}: {text}"), &log)?;
        }
    }
    Ok(())
}

/// The records of the results of a store, for who asks for several.
pub(crate) struct Records<'a> {
    store: &'a Store,
    without_layer: Vec<ResultRecord>,
}

impl<'a> Records<'a> {
    pub(crate) fn of(store: &'a Store) -> Result<Self, Report> {
        let without_layer = store.results_without_layer().map_err(|error| store_failed(&error))?;
        Ok(Self { store, without_layer })
    }

    /// Returns the record of what a line of an image's history tells of, if there is one still.
    pub(crate) fn find(&self, text: &str, layer: Option<&LayerRef>) -> Result<Option<ResultRecord>, Report> {
        let is_it = |record: &&ResultRecord| text_of(record) == text;
        let Some(layer) = layer else { return Ok(self.without_layer.iter().find(is_it).cloned()) };
        let of_layer = self.store.results_of_layer(&layer.diff_id).map_err(|error| store_failed(&error))?;
        Ok(of_layer.iter().find(is_it).or(of_layer.first()).cloned())
    }
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
