// SPDX-License-Identifier: Apache-2.0
//! The roof: arguments, wiring, rendering, exit codes.
//!
//! Here and nowhere else are the environment and the clock read, is anything printed, does the process end. Standard
//! output carries data only (a digest, a plan); everything else goes to standard error.
#![forbid(unsafe_code)]

mod arguments;
mod claimed;
mod commands;
mod contexts;
mod definition;
mod diagnostic;
mod environment;
mod exit;
mod grants;
mod named;
mod print;
mod render;
mod size;
mod standing;
mod threads;
mod translation;
mod way_out;
mod workshop;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::workshop::Workshop;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    // The same binary is the first process of every sandbox: nothing else may happen before that.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == wythe_sandbox::INIT_ARGUMENT) {
        return wythe_sandbox::init_main();
    }
    let Arguments { global, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let workshop = Workshop::new(&global);
    let entered = match needs_root(&command) {
        Some(must) => standing::ensure_root(must),
        None => Ok(()),
    };
    let attempt = || threads::told(|| run(&workshop, &command));
    let mut ended = entered.and_then(|()| attempt());
    // A damaged index is met anywhere. Opening the store again makes another one, and then the command can do its work.
    if ended.is_err() && workshop.will_heal() {
        ended = if is_repeatable(&command) {
            attempt()
        } else {
            ended.map_err(|report| report.note("the index of the store is damaged; the next command makes it again"))
        };
    }
    // Who acts on the exit code must be able to rely on the data.
    let written = |status| match print::finish() {
        Err(error) => Err(Report::caused(Exit::World, "cannot write `standard output`", &error)
            .note("what was to be done is done: only the answer is lost")),
        Ok(()) => Ok(status),
    };
    match ended.and_then(written) {
        Ok(status) => status,
        Err(report) => {
            print::to_stderr(&report.render(workshop.color));
            report.exit.into()
        }
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version are asked for and go to standard output; what is wrong goes to standard error.
    let _gone = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// Whether a command touches files of images, and so needs the ids of a namespace; the doctor goes on without.
fn needs_root(command: &Command) -> Option<bool> {
    match command {
        Command::Plugin(_) | Command::Completions { .. } => None,
        Command::Doctor(_) => Some(false),
        _ => Some(true),
    }
}

/// Whether a command may be run once more after it has failed: what it does to an image is the same the second time.
fn is_repeatable(command: &Command) -> bool {
    !matches!(command, Command::Run(_) | Command::Shell(_))
}

fn run(workshop: &Workshop, command: &Command) -> Result<ExitCode, Report> {
    let done = |()| Exit::Done.into();
    match command {
        Command::Build(build) => commands::build::run(workshop, build),
        Command::Plan(plan) => commands::plan::run(workshop, plan).map(done),
        Command::Check(check) => commands::check::run(workshop, &check.definition, check.json),
        Command::Import(import) => commands::import::run(workshop, import).map(done),
        Command::Explain(explain) => commands::explain::run(workshop, explain).map(done),
        Command::Logs(logs) => commands::logs::run(workshop, logs).map(done),
        Command::Lock(lock) => commands::lock::run(workshop, lock).map(done),
        Command::Run(run) => commands::run::run(workshop, run),
        Command::Shell(shell) => commands::shell::run(workshop, shell),
        Command::Images(images) => commands::images::list(workshop, images).map(done),
        Command::Inspect(image) => commands::images::inspect(workshop, image).map(done),
        Command::History(history) => commands::images::history(workshop, history).map(done),
        Command::Diff(diff) => commands::diff::run(workshop, diff),
        Command::Packages(packages) => commands::packages::run(workshop, packages).map(done),
        Command::Tag(tag) => commands::images::tag(workshop, tag).map(done),
        Command::Rm(remove) => commands::images::remove(workshop, remove).map(done),
        Command::Save(save) => commands::save::run(workshop, save).map(done),
        Command::Plugin(plugin) => commands::plugin::run(workshop, plugin).map(done),
        Command::Store(store) => commands::store::run(workshop, store),
        Command::Volume(volume) => commands::volume::run(workshop, volume).map(done),
        Command::Doctor(doctor) => commands::doctor::run(workshop, doctor),
        Command::Completions { shell } => {
            commands::completions(*shell);
            Ok(Exit::Done.into())
        }
    }
}
