// SPDX-License-Identifier: Apache-2.0
//! The command line.

use std::path::PathBuf;

const HELP: &str = "\
Runs a scenario under faults and checks what is left. Needs root (mounts), strace, e2fsprogs, perl.

  --wythe PATH      the binary [default: beside this program, else target/release/wythe]
  --seed N          chooses the points [default: 1]
  --scenario N      the seed of the scenario's sizes and contents [default: 1]
  --scenarios N     play so many scenarios, beginning with that one [default: 1]
  --only KIND       rot, kills, calls, disks, power, crowd; may be repeated
  --rounds N        points of each kind
  --point NAME      this point alone, as a failure names it; with --only
  --short           few points of each kind, about a minute
  --control         the same faults on buildah, where it is installed
  --dir DIR         where to work [default: the temporary directory]

Examples:
  faultbench --short --seed 7
  faultbench --only calls --scenario 3
  faultbench --only power --rounds 1000 --control";

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) wythe: PathBuf,
    pub(crate) seed: u64,
    pub(crate) scenario: u64,
    pub(crate) scenarios: u64,
    pub(crate) only: Vec<String>,
    pub(crate) rounds: Option<usize>,
    pub(crate) point: Option<String>,
    pub(crate) short: bool,
    pub(crate) control: bool,
    pub(crate) dir: PathBuf,
}

impl Options {
    /// Reads arguments; none where only help was wanted.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let beside = std::env::current_exe().ok().map(|program| program.with_file_name("wythe"));
        let wythe = beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from("target/release/wythe"));
        let mut options = Self {
            wythe,
            seed: 1,
            scenario: 1,
            scenarios: 1,
            only: Vec::new(),
            rounds: None,
            point: None,
            short: false,
            control: false,
            dir: std::env::temp_dir(),
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--wythe" => options.wythe = value()?.into(),
                "--seed" => options.seed = number(&value()?)?,
                "--scenario" => options.scenario = number(&value()?)?,
                "--scenarios" => options.scenarios = number(&value()?)?,
                "--only" => options.only.push(value()?),
                "--rounds" => options.rounds = Some(number(&value()?)?),
                "--point" => options.point = Some(value()?),
                crate::process::INSIDE => {}
                "--short" => options.short = true,
                "--control" => options.control = true,
                "--dir" => options.dir = value()?.into(),
                "--help" | "-h" => {
                    println!("{HELP}");
                    return Ok(None);
                }
                other => return Err(format!("`{other}` is no option; see --help")),
            }
        }
        if let Some(kind) = options.only.iter().find(|kind| crate::KINDS.iter().all(|known| known.name != *kind)) {
            return Err(format!("`{kind}` is no kind of fault; see --help"));
        }
        if options.point.is_some() && options.only.len() != 1 {
            return Err("--point needs one --only".to_owned());
        }
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|error| error.to_string());
        Ok(Some(Self { wythe: absolute(&options.wythe)?, dir: absolute(&options.dir)?, ..options }))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}
