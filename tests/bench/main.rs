// SPDX-License-Identifier: Apache-2.0
//! `make bench`: what wythe costs, beside the peers that are installed and beside the machine's own limits, in one run.
//!
//! Every figure is the median of paired runs: ours, theirs, ours, theirs, so that a machine that is busy for a while is
//! busy for both. Times are wall-clock seconds, memory is the peak of the largest single process.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what the program is for")]

mod measure;
mod peers;
mod rows;

use std::path::PathBuf;

use measure::{Figure, ratio};

/// One line of the table: something measured in several ways.
struct Row {
    name: &'static str,
    method: &'static str,
    /// Ours first.
    figures: Vec<(String, Figure)>,
}

/// How a row is measured.
type Measurement = fn(&rows::Bench) -> Result<Row, String>;

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == measure::INSIDE) {
        measure::inside(&args[1..]);
        return;
    }
    let wythe = take_option(&mut args, "--wythe").map_or_else(|| PathBuf::from("target/release/wythe"), PathBuf::from);
    let runs = take_option(&mut args, "--runs").map_or(5, |text| text.parse().expect("--runs takes a number"));
    let bench = rows::Bench::new(std::path::absolute(&wythe).expect("the path has a place"), runs);
    println!("{}", bench.machine());
    let only = take_option(&mut args, "--only");
    let rows: [(&str, Measurement); 4] = [
        ("no-op", rows::Bench::no_op),
        ("step", rows::Bench::step),
        ("bootstrap", rows::Bench::bootstrap),
        ("context", rows::Bench::context),
    ];
    for (_, row) in rows.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
        match row(&bench) {
            Ok(row) => print(&row),
            Err(reason) => println!("\n(left out: {reason})"),
        }
    }
}

fn take_option(args: &mut Vec<String>, name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    args.remove(at);
    Some(args.remove(at))
}

fn print(row: &Row) {
    println!("\n{}\n  {}", row.name, row.method);
    let ours = &row.figures[0].1;
    for (name, figure) in &row.figures {
        let beside =
            if name.starts_with("wythe") { String::new() } else { format!("   ours / this {}", ratio(ours, figure)) };
        println!("  {name:<28} {figure}{beside}");
    }
}
