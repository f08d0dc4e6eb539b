// SPDX-License-Identifier: Apache-2.0
//! `make bench`: what wythe costs, beside the peers that are installed and beside the machine's own limits, in one run.
//!
//! Every figure is the median of paired runs: ours, theirs, ours, theirs, so that a machine that is busy for a while is
//! busy for both. What is printed is the table of `docs/performance.md`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what the program is for")]

mod bench;
mod measure;
mod peers;
mod rows;
mod table;

use std::path::PathBuf;

use bench::{Bench, Pace};
use table::Table;

const USAGE: &str = "usage: bench [--wythe PROGRAM] [--plan-time PROGRAM] [--sandbox-time PROGRAM] [--dir DIR] [--only ROW]... [--runs N] [--quick] [--json]";

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == measure::INSIDE) {
        measure::inside(&args[1..]);
        return;
    }
    let place = |given: Option<String>, usual: &str| {
        std::path::absolute(given.map_or_else(|| PathBuf::from(usual), PathBuf::from)).expect("the path has a place")
    };
    let wythe = place(take_option(&mut args, "--wythe"), "target/release/wythe");
    let plan_time = place(take_option(&mut args, "--plan-time"), "target/release/examples/plan_time");
    let sandbox_time = place(take_option(&mut args, "--sandbox-time"), "target/release/examples/overhead");
    let dir = place(take_option(&mut args, "--dir"), ".");
    let runs = take_option(&mut args, "--runs").map_or(5, |text| text.parse().expect("--runs takes a number"));
    let pace = if take_flag(&mut args, "--quick") { Pace::quick() } else { Pace::of(runs) };
    let is_json = take_flag(&mut args, "--json");
    let mut only = Vec::new();
    while let Some(row) = take_option(&mut args, "--only") {
        only.push(row);
    }
    let names: Vec<&str> = rows::ROWS.iter().map(|(name, _)| *name).collect();
    let unknown = only.iter().find(|name| !names.contains(&name.as_str()));
    if !args.is_empty() || unknown.is_some() {
        eprintln!("{USAGE}\nrows: {}", names.join(", "));
        std::process::exit(2);
    }
    let bench = Bench::new(&dir, wythe, [plan_time, sandbox_time], pace);
    let mut table = Table::new(is_json);
    table.open(&bench.machine());
    for (name, measure) in rows::ROWS.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|one| one == name)) {
        match measure(&bench) {
            Ok(rows) => rows.iter().for_each(|row| table.print(row)),
            Err(reason) => table.left_out(name, &reason),
        }
    }
    table.close(&bench.take_notes());
}

fn take_option(args: &mut Vec<String>, name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    args.remove(at);
    (at < args.len()).then(|| args.remove(at))
}

fn take_flag(args: &mut Vec<String>, name: &str) -> bool {
    args.iter().position(|arg| arg == name).map(|at| args.remove(at)).is_some()
}
