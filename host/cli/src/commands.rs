// SPDX-License-Identifier: Apache-2.0
//! What each word of the command line does.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod outline;
pub(crate) mod output;
pub(crate) mod packages;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod shell;
pub(crate) mod store;
pub(crate) mod volume;

use clap::CommandFactory as _;

use crate::arguments::Arguments;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;

/// Prints completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "wythe", &mut text);
    print::to_stdout(String::from_utf8_lossy(&text).trim_end());
}

/// Runs asynchronous work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Report>>) -> Result<T, Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let failed = |error| Report::caused(Exit::World, "cannot prepare to do several things at once", &error);
    runtime.map_err(failed)?.block_on(work)
}
