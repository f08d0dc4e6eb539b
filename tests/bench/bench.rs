// SPDX-License-Identifier: Apache-2.0
//! What all rows share: a store, a place to work in, paired runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::measure::{Cost, Figure, run};
use crate::peers::{Buildah, has};

/// The base of definitions that need programs.
pub(crate) const DEBIAN: &str = "base = { kind = \"debian-slim\", release = \"bookworm\" }\n";

/// How often things are run, beside one run that is not counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// What takes less than a second.
    pub(crate) short: usize,
    /// What takes longer.
    pub(crate) long: usize,
}

impl Pace {
    pub(crate) fn of(runs: usize) -> Self {
        Self { short: runs.max(1), long: runs.div_ceil(2).max(1) }
    }

    /// All rows once or a few times.
    pub(crate) fn quick() -> Self {
        Self { short: 3, long: 1 }
    }
}

/// A command line with its name in the table.
pub(crate) type Line = (String, Vec<String>);

pub(crate) struct Bench {
    pub(crate) wythe: PathBuf,
    pub(crate) plan_time: PathBuf,
    pub(crate) sandbox_time: PathBuf,
    pub(crate) pace: Pace,
    dir: TempDir,
    round: Cell<u32>,
    notes: RefCell<Vec<String>>,
}

impl Bench {
    /// Works in a directory that is made in `dir`: not in /tmp, which may be no file system for overlay.
    pub(crate) fn new(dir: &Path, wythe: PathBuf, [plan_time, sandbox_time]: [PathBuf; 2], pace: Pace) -> Self {
        let dir = TempDir::new_in(dir).expect("a directory can be made there");
        Self { wythe, plan_time, sandbox_time, pace, dir, round: Cell::new(0), notes: RefCell::default() }
    }

    /// What was measured on, and with what.
    pub(crate) fn machine(&self) -> String {
        let first = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let model = first("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
        let memory = first("/proc/meminfo").lines().next().map(|line| line.replace("MemTotal:", "").trim().to_owned());
        let version = |program: &str| {
            let output = Command::new(program).arg("--version").stderr(Stdio::null()).output().ok()?;
            String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
        };
        let peers = ["buildah", "mmdebstrap", "bwrap", "uv", "pip", "pigz", "zstd"].into_iter().filter_map(version);
        format!(
            "{} · {cpus} processors ({}), {} · Linux {}, load {} · {} and {} paired runs · {}",
            version(&self.wythe.display().to_string()).unwrap_or_default(),
            model.unwrap_or_default(),
            memory.unwrap_or_default(),
            first("/proc/sys/kernel/osrelease"),
            first("/proc/loadavg").split(' ').next().unwrap_or_default(),
            self.pace.short,
            self.pace.long,
            peers.collect::<Vec<_>>().join(", ")
        )
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub(crate) fn note(&self, note: String) {
        self.notes.borrow_mut().push(note);
    }

    pub(crate) fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// Returns a number that no earlier call has returned, for what must not be found.
    pub(crate) fn fresh(&self) -> u32 {
        self.round.set(self.round.get() + 1);
        self.round.get()
    }

    pub(crate) fn wythe_in(&self, store: &str, args: &[&str]) -> Vec<String> {
        let program = self.wythe.display().to_string();
        let head = [program, "--store".to_owned(), self.path(store)];
        head.into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect()
    }

    pub(crate) fn wythe(&self, args: &[&str]) -> Vec<String> {
        self.wythe_in("store", args)
    }

    pub(crate) fn build(&self, definition: &str, more: &[&str]) -> Vec<String> {
        let dir = self.path(definition);
        self.wythe(&[&["build", "--progress", "quiet", &dir], more].concat())
    }

    pub(crate) fn measure(&self, line: &[String]) -> Result<Cost, String> {
        run(self.dir.path(), line)
    }

    /// Writes a definition into a directory of its own.
    pub(crate) fn definition(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let text = format!("builder = \"2026.11\"\n{text}");
        fs::write(dir.join("wythe.toml"), text).map_err(|error| error.to_string())?;
        Ok(dir)
    }

    /// Runs each line in turn, once uncounted and then as often as asked for. `before` is called with its name.
    ///
    /// A peer that fails in a later run is named and left out; that wythe fails is an error.
    pub(crate) fn paired(
        &self,
        runs: usize,
        lines: &[Line],
        before: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Vec<(String, Figure)>, String> {
        let mut costs: Vec<Option<Vec<Cost>>> = vec![Some(Vec::new()); lines.len()];
        for round in 0..=runs {
            for ((name, line), slot) in lines.iter().zip(&mut costs) {
                let Some(costs) = slot else { continue };
                before(name)?;
                match self.measure(line) {
                    Ok(cost) if round > 0 => costs.push(cost),
                    Ok(_) => {}
                    Err(reason) if name.starts_with("wythe") => return Err(reason),
                    Err(reason) => {
                        self.leave_out(name, &reason);
                        *slot = None;
                    }
                }
            }
        }
        let figures =
            lines.iter().zip(costs).filter_map(|((name, _), costs)| Some((name.clone(), Figure::new(costs?))));
        Ok(figures.collect())
    }

    fn leave_out(&self, name: &str, reason: &str) {
        self.note(format!("{name} is left out: {}", crate::table::told(reason)));
    }

    /// Takes a peer's command line into a row where it works; a peer that does not is named and left out.
    pub(crate) fn add_peer(&self, lines: &mut Vec<Line>, name: &str, line: Vec<String>) {
        if !has(&line[0]) {
            return self.note(format!("{name}: {} is not installed", line[0]));
        }
        match self.measure(&line) {
            Ok(_) => lines.push((name.to_owned(), line)),
            Err(reason) => self.leave_out(name, &reason),
        }
    }

    /// Notes where the time of a build goes, by its own account.
    pub(crate) fn note_phases(&self, row: &str, build: &[String]) {
        let line: Vec<&str> = build.iter().map(|word| if word == "quiet" { "json" } else { word }).collect();
        let Ok(output) = Command::new(line[0]).args(&line[1..]).output() else { return };
        let mut phases: BTreeMap<String, f64> = BTreeMap::new();
        for event in String::from_utf8_lossy(&output.stderr).lines().filter_map(|line| line.parse::<Value>().ok()) {
            if let ("operation-done", Some(text), Some(time)) =
                (event["event"].as_str().unwrap_or_default(), event["text"].as_str(), event["time"].as_f64())
            {
                *phases.entry(text.chars().take(40).collect()).or_default() += time;
            }
        }
        let mut phases: Vec<(String, f64)> = phases.into_iter().collect();
        phases.sort_by(|one, other| other.1.total_cmp(&one.1));
        let words = phases.iter().take(5).map(|(text, time)| format!("{text} {time:.2} s"));
        self.note(format!("phases of {row}: {}", words.collect::<Vec<_>>().join("; ")));
    }

    /// Buildah with our own base, so that both do the same; none where it is not installed, or takes no base.
    pub(crate) fn buildah(&self) -> Result<Option<Buildah>, String> {
        if !has("buildah") || !has("umoci") {
            return Ok(None);
        }
        let rootfs = self.dir.path().join("rootfs.tar");
        if !rootfs.exists() {
            self.definition("base", DEBIAN)?;
            self.measure(&self.build("base", &["-t", "bench-base"]))?;
            let layout = self.path("layout");
            self.measure(&self.wythe(&["save", "bench-base", "--format", "oci-dir", "-o", &layout]))?;
            let unpack = format!(
                "umoci unpack --image {layout}:latest {layout}-bundle && tar -C {layout}-bundle/rootfs -cf {} .",
                rootfs.display()
            );
            self.measure(&["sh", "-c", &unpack].map(str::to_owned))?;
        }
        match Buildah::new(self.dir.path(), &rootfs) {
            Ok(buildah) => Ok(Some(buildah)),
            Err(reason) => {
                self.leave_out("buildah", &reason);
                Ok(None)
            }
        }
    }
}

/// Removes a directory or a file that may not be there.
pub(crate) fn remove(path: &str) -> Result<(), String> {
    let done = Command::new("rm").arg("-rf").arg(path).status().map_err(|error| error.to_string())?;
    if done.success() { Ok(()) } else { Err(format!("cannot remove {path}")) }
}

/// Returns a command line of a shell.
pub(crate) fn shell(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_owned).to_vec()
}

/// Returns a line with its name.
pub(crate) fn line(name: &str, words: Vec<String>) -> Line {
    (name.to_owned(), words)
}
