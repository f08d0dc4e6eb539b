// SPDX-License-Identifier: Apache-2.0
//! Measures whole processes: a command is run by a process of its own, whose children's account is the command's.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde_json::{Value, json};

/// The hidden first argument of the measuring process.
pub(crate) const INSIDE: &str = "measure-inside";

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    /// Kibibytes.
    pub(crate) memory: i64,
}

/// What several runs cost.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    costs: Vec<Cost>,
    /// By what the figures are divided: the number of steps in one run, say.
    per: f64,
}

impl Figure {
    pub(crate) fn new(costs: Vec<Cost>) -> Self {
        Self { costs, per: 1.0 }
    }

    /// The difference of two figures, shared among `count`.
    pub(crate) fn difference(more: &Self, less: &Self, count: u32) -> Self {
        let subtract = |(more, less): (&Cost, &Cost)| Cost {
            wall: more.wall - less.wall,
            cpu: more.cpu - less.cpu,
            memory: more.memory,
        };
        Self { costs: more.costs.iter().zip(&less.costs).map(subtract).collect(), per: f64::from(count) }
    }

    fn sorted(&self, value: impl Fn(&Cost) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.costs.iter().map(|cost| value(cost) / self.per).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    pub(crate) fn median(&self) -> f64 {
        let walls = self.sorted(|cost| cost.wall);
        walls[walls.len() / 2]
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let walls = self.sorted(|cost| cost.wall);
        let cpus = self.sorted(|cost| cost.cpu);
        let memory = self.costs.iter().map(|cost| cost.memory).max().unwrap_or(0);
        let (min, max) = (walls[0], walls[walls.len() - 1]);
        let cpu = cpus[cpus.len() / 2];
        write!(f, "{:>9.4} s  ({min:.4} … {max:.4})  cpu {cpu:.4} s  peak {} MiB", self.median(), memory / 1024)
    }
}

/// Ours over theirs.
pub(crate) fn ratio(ours: &Figure, theirs: &Figure) -> String {
    format!("{:.2}", ours.median() / theirs.median())
}

/// Runs a command and says what it cost.
pub(crate) fn run(dir: &Path, command: &[&str]) -> Result<Cost, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(this).arg(INSIDE).args(command).current_dir(dir).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .map_err(|_| format!("`{}` failed: {}", command.join(" "), String::from_utf8_lossy(&output.stderr)))?;
    let number = |name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    Ok(Cost { wall: number("wall"), cpu: number("cpu"), memory: value["memory"].as_i64().unwrap_or(0) })
}

/// The measuring process: runs the command and prints its account as the last line.
pub(crate) fn inside(command: &[String]) {
    let begun = Instant::now();
    let output = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output()
        .expect("the command can be started");
    let wall = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        return;
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel keeps accounts");
    let cpu = (usage.user_time() + usage.system_time()).num_microseconds();
    #[allow(clippy::cast_precision_loss, reason = "microseconds of a run fit a double")]
    let cpu = cpu as f64 / 1e6;
    println!("{}", json!({"wall": wall, "cpu": cpu, "memory": usage.max_rss()}));
}
