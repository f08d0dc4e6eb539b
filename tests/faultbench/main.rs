// SPDX-License-Identifier: Apache-2.0
//! `make faultbench`: what a store is like after bad days.
//!
//! A scenario (build, rebuild, save, collect), made from a seed, is run with the real binary, and one thing goes wrong at
//! one point of it. Then the invariants are checked (`invariants.rs`). Each kind of fault has a file of its own; a point
//! has a name, and the command line that plays it again is printed where it breaks an invariant.
//!
//! ```text
//! stage     scratch directory, definitions of the scenario, a store to start from, digests that are expected
//!   └ kind    kills · calls · disks · power · rot · crowd: lists points, strikes at one
//!       └ invariants   what must hold afterwards; each breach has a class that is counted
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what the program is for")]

mod calls;
mod control;
mod crowd;
mod disk;
mod disks;
mod invariants;
mod kills;
mod operation;
mod options;
mod power;
mod process;
mod rot;
mod scenario;
mod stage;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use fastrand::Rng;

use invariants::{Class, Verdict};
use options::Options;
use stage::Stage;
use table::Row;

/// After how many points of a kind the figures so far are told.
const TOLD: u64 = 100;

/// A kind of fault.
struct Kind {
    name: &'static str,
    /// Points of a short run, and of a long one without `--rounds`. A kind that can be enumerated has no more than it has.
    amounts: (usize, usize),
    /// Names at most so many points.
    points: fn(&Stage, usize, &mut Rng) -> Result<Vec<String>, String>,
    /// Lets the fault happen at a point and looks at what is left.
    strike: fn(&Stage, &str) -> Result<Verdict, String>,
}

/// All kinds, the cheap ones first.
const KINDS: [Kind; 6] = [
    Kind { name: "rot", amounts: (12, 1000), points: rot::points, strike: rot::strike },
    Kind { name: "kills", amounts: (12, 1000), points: kills::points, strike: kills::strike },
    Kind { name: "calls", amounts: (20, usize::MAX), points: calls::points, strike: calls::strike },
    Kind { name: "disks", amounts: (8, 240), points: disks::points, strike: disks::strike },
    Kind { name: "power", amounts: (6, 1000), points: power::points, strike: power::strike },
    Kind { name: "crowd", amounts: (1, 10), points: crowd::points, strike: crowd::strike },
];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    // Mounts of the bench are in a namespace of its own: none of them outlives it, however it ends.
    match process::in_own_mounts(&options.dir) {
        Ok(Some(code)) => return code,
        Ok(None) => {}
        Err(reason) => {
            println!("skipped: {reason}");
            return ExitCode::SUCCESS;
        }
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(5)
        }
    }
}

/// Returns whether every invariant held.
fn run(options: &Options) -> Result<bool, String> {
    process::adopt_orphans()?;
    println!("{}", table::machine(&options.wythe));
    let mut rows: Vec<Row> = Vec::new();
    for number in 0..options.scenarios {
        let scenario = options.scenario.wrapping_add(number);
        let stage = Stage::new(options, scenario)?;
        println!("scenario {scenario}: {}", stage.scenario.describe());
        for kind in KINDS.iter().filter(|kind| options.only.is_empty() || options.only.iter().any(|k| k == kind.name)) {
            let row = of_kind(options, &stage, kind);
            println!("{}", row.progress());
            table::add(&mut rows, row);
        }
    }
    if options.control {
        rows.extend(control::rows(options)?);
    }
    table::print(&rows);
    Ok(rows.iter().all(|row| row.is_control || row.breaches() == 0))
}

fn of_kind(options: &Options, stage: &Stage, kind: &Kind) -> Row {
    let begun = Instant::now();
    let mut row = Row::new(kind.name);
    let mut random = Rng::with_seed(options.seed);
    let amount = options.rounds.unwrap_or(if options.short { kind.amounts.0 } else { kind.amounts.1 });
    let points = match &options.point {
        Some(point) => Ok(vec![point.clone()]),
        None => (kind.points)(stage, amount, &mut random),
    };
    match points {
        Ok(points) => {
            for point in points {
                match (kind.strike)(stage, &point) {
                    Ok(verdict) => {
                        if !verdict.breaches.is_empty() {
                            report(options, stage, kind.name, &point, &verdict);
                        }
                        row.count(&verdict);
                        if row.points.is_multiple_of(TOLD) {
                            eprintln!("{} in {:.0} s", row.progress(), begun.elapsed().as_secs_f64());
                        }
                    }
                    Err(error) => {
                        eprintln!("{} {point}: the bench failed: {error}", kind.name);
                        row.broken += 1;
                    }
                }
            }
        }
        Err(reason) => row.left_out = Some(reason),
    }
    row.time = begun.elapsed();
    row
}

fn report(options: &Options, stage: &Stage, kind: &str, point: &str, verdict: &Verdict) {
    let failed = verdict.breaches.iter().any(|breach| breach.class != Class::Gap);
    eprintln!("{} {kind} {point}", if failed { "FAILED" } else { "gap" });
    for breach in &verdict.breaches {
        eprintln!("  {}: {}", breach.class.name(), breach.what);
    }
    eprintln!(
        "  again: faultbench --wythe {} --scenario {} --only {kind} --point '{point}'",
        options.wythe.display(),
        stage.scenario.seed,
    );
}
