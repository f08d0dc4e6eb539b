// SPDX-License-Identifier: Apache-2.0
//! Measures whole processes: a command is run by a process of its own, whose children's account is the command's.

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
    /// Peak of the largest process, in kibibytes.
    pub(crate) memory: f64,
    /// Bytes that were to go to a disk, by the kernel's account.
    pub(crate) written: f64,
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

    /// A figure that a program has measured of itself.
    pub(crate) fn of_seconds(seconds: f64) -> Self {
        Self::new(vec![Cost { wall: seconds, cpu: seconds, memory: 0.0, written: 0.0 }])
    }

    /// The difference of two figures, shared among `count`.
    pub(crate) fn difference(more: &Self, less: &Self, count: f64) -> Self {
        let subtract = |(more, less): (&Cost, &Cost)| Cost {
            wall: more.wall - less.wall,
            cpu: more.cpu - less.cpu,
            memory: more.memory * count,
            written: more.written - less.written,
        };
        Self { costs: more.costs.iter().zip(&less.costs).map(subtract).collect(), per: count }
    }

    fn sorted(&self, value: impl Fn(&Cost) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.costs.iter().map(|cost| value(cost) / self.per).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn middle(&self, value: impl Fn(&Cost) -> f64) -> f64 {
        let values = self.sorted(value);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn walls(&self) -> Vec<f64> {
        self.sorted(|cost| cost.wall)
    }

    pub(crate) fn median(&self) -> f64 {
        self.middle(|cost| cost.wall)
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.middle(|cost| cost.cpu)
    }

    /// Bytes.
    pub(crate) fn memory(&self) -> f64 {
        self.sorted(|cost| cost.memory).last().copied().unwrap_or(0.0) * 1024.0
    }

    /// Bytes.
    pub(crate) fn written(&self) -> f64 {
        self.middle(|cost| cost.written)
    }

    /// Returns median, range, CPU time, peak memory and bytes written, as cells of a table.
    pub(crate) fn cells(&self) -> String {
        let walls = self.walls();
        let (least, most) = (walls.first().copied().unwrap_or(f64::NAN), walls.last().copied().unwrap_or(f64::NAN));
        let size = |bytes: f64| if bytes <= 0.0 { "–".to_owned() } else { size(bytes) };
        let (cpu, memory, written) = (time(self.cpu()), size(self.memory()), size(self.written()));
        format!("{} | {} … {} | {cpu} | {memory} | {written}", time(self.median()), time(least), time(most))
    }
}

fn time(seconds: f64) -> String {
    match seconds.abs() {
        small if small < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        small if small < 0.1 => format!("{:.1} ms", seconds * 1e3),
        small if small < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

fn size(bytes: f64) -> String {
    if bytes < 1024.0 * 1024.0 { format!("{:.0} KiB", bytes / 1024.0) } else { format!("{:.0} MiB", bytes / 1048576.0) }
}

/// Runs a command and says what it cost.
pub(crate) fn run(dir: &Path, command: &[String]) -> Result<Cost, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(this).arg(INSIDE).args(command).current_dir(dir).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .map_err(|_| format!("`{}` failed: {}", command.join(" "), String::from_utf8_lossy(&output.stderr)))?;
    let number = |name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    Ok(Cost { wall: number("wall"), cpu: number("cpu"), memory: number("memory"), written: number("written") })
}

/// The measuring process: runs the command and prints its account as the last line.
pub(crate) fn inside(command: &[String]) {
    /// The unit of the kernel's account of blocks (getrusage(2)).
    const BLOCK: i64 = 512;
    // What others have written is on the disk before this one begins.
    nix::unistd::sync();
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
    let written = usage.block_writes() * BLOCK;
    println!("{}", json!({"wall": wall, "cpu": cpu, "memory": usage.max_rss(), "written": written}));
}
