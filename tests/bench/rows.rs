// SPDX-License-Identifier: Apache-2.0
//! What is measured. The targets stand in `docs/performance.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Row;
use crate::measure::{Figure, run};
use crate::peers::{Buildah, has};

/// Steps of the long build; the short one has one.
const STEPS: u32 = 21;

/// Files of the large build context.
const FILES: u32 = 20_000;

pub(crate) struct Bench {
    wythe: PathBuf,
    runs: usize,
    dir: TempDir,
    store: PathBuf,
}

impl Bench {
    pub(crate) fn new(wythe: PathBuf, runs: usize) -> Self {
        // Beside the target directory and not in /tmp, which may be no file system for overlay.
        let dir = TempDir::new_in(".").expect("a directory can be made here");
        let store = dir.path().join("store");
        Self { wythe, runs, dir, store }
    }

    /// What was measured on.
    pub(crate) fn machine(&self) -> String {
        let first = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let model = first("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
        let version = Command::new(&self.wythe)
            .arg("--version")
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        format!(
            "{} · {cpus} processors, {} · Linux {} · median of {} paired runs",
            version.unwrap_or_default(),
            model.unwrap_or_default(),
            first("/proc/sys/kernel/osrelease"),
            self.runs
        )
    }

    fn wythe(&self, args: &[&str]) -> Vec<String> {
        let mut line = vec![self.wythe.display().to_string(), "--store".to_owned(), self.store.display().to_string()];
        line.extend(args.iter().map(|arg| (*arg).to_owned()));
        line
    }

    fn measure(&self, dir: &Path, line: &[String]) -> Result<crate::measure::Cost, String> {
        run(dir, &line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs each line in turn, once uncounted and then as often as asked for.
    fn paired(
        &self,
        lines: &[(&str, Vec<String>)],
        before: &dyn Fn(&str) -> Result<(), String>,
    ) -> Result<Vec<(String, Figure)>, String> {
        let mut costs = vec![Vec::new(); lines.len()];
        for round in 0..=self.runs {
            for ((name, line), costs) in lines.iter().zip(&mut costs) {
                before(name)?;
                let cost = self.measure(self.dir.path(), line)?;
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        Ok(lines.iter().zip(costs).map(|((name, _), costs)| ((*name).to_owned(), Figure::new(costs))).collect())
    }

    /// Takes a peer's command line into a row where it works; a peer that does not is named and left out.
    fn add_peer<'n>(&self, lines: &mut Vec<(&'n str, Vec<String>)>, name: &'n str, line: Vec<String>) {
        match self.measure(self.dir.path(), &line) {
            Ok(_) => lines.push((name, line)),
            Err(reason) => println!("({name} is left out: {})", reason.lines().last().unwrap_or_default()),
        }
    }

    fn definition(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        fs::write(dir.join("wythe.toml"), format!("builder = \"2026.11\"\n{text}"))
            .map_err(|error| error.to_string())?;
        Ok(dir)
    }

    /// A rebuild of the quickstart in which nothing has changed.
    pub(crate) fn no_op(&self) -> Result<Row, String> {
        let quickstart = Path::new("examples/quickstart");
        let copy = self.dir.path().join("quickstart");
        copy_tree(quickstart, &copy)?;
        let ours = self.wythe(&["build", "--progress", "quiet", &copy.display().to_string()]);
        self.measure(self.dir.path(), &ours)?;
        let mut lines = vec![("wythe build", ours)];
        let buildah = self.buildah()?;
        let context = self.dir.path().join("noop10");
        if let Some(buildah) = &buildah {
            Buildah::steps(&context, 8)?;
            self.add_peer(&mut lines, "buildah, chroot isolation", buildah.build(&context, false));
        }
        lines.push(("limit: start a process", vec!["true".to_owned()]));
        let figures = self.paired(&lines, &|_| Ok(()))?;
        Ok(Row { name: "no-op rebuild of the quickstart", method: "8 steps, all known", figures })
    }

    /// What a `run` step costs beside its command.
    pub(crate) fn step(&self) -> Result<Row, String> {
        // Every round has steps that were never seen before: nothing is found, the base is.
        let steps = |count: u32, round: u32| {
            let mut text = "base = { kind = \"debian-slim\", release = \"bookworm\" }\n".to_owned();
            for step in 0..count {
                let command = format!("echo {round} > /step-{step}");
                let _infallible = write!(text, "[[steps]]\nkind = \"run\"\ncommands = [\"{command}\"]\n");
            }
            text
        };
        let round = std::cell::Cell::new(0);
        let write = |name: &str| {
            round.set(round.get() + 1);
            match name {
                "wythe 1" => self.definition("step-1", &steps(1, round.get())).map(drop),
                "wythe n" => self.definition("step-n", &steps(STEPS, round.get())).map(drop),
                _ => Ok(()),
            }
        };
        let build = |name: &str| {
            let dir = self.dir.path().join(name).display().to_string();
            self.wythe(&["build", "--progress", "quiet", &dir])
        };
        let mut lines = vec![("wythe 1", build("step-1")), ("wythe n", build("step-n"))];
        if let Some(buildah) = self.buildah()? {
            let (one, many) = (self.dir.path().join("peer-1"), self.dir.path().join("peer-n"));
            Buildah::steps(&one, 1)?;
            Buildah::steps(&many, STEPS)?;
            self.add_peer(&mut lines, "buildah 1", buildah.build(&one, true));
            self.add_peer(&mut lines, "buildah n", buildah.build(&many, true));
        }
        if has("bwrap") {
            let line = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "true"];
            lines.push(("limit: bwrap", line.map(str::to_owned).to_vec()));
        }
        let all = self.paired(&lines, &write)?;
        let find = |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, figure)| figure.clone());
        let difference = |name: &str| {
            Some(Figure::difference(&find(&format!("{name} n"))?, &find(&format!("{name} 1"))?, STEPS - 1))
        };
        let mut figures = vec![("wythe, a step".to_owned(), difference("wythe").ok_or("nothing was measured")?)];
        figures.extend(difference("buildah").map(|figure| ("buildah, chroot isolation".to_owned(), figure)));
        figures.extend(find("limit: bwrap").map(|figure| ("limit: bwrap … true".to_owned(), figure)));
        Ok(Row {
            name: "overhead of a run step",
            method: "(21 steps − 1 step) / 20, made again each time, isolation on",
            figures,
        })
    }

    /// A minimal Debian, from cached packages.
    pub(crate) fn bootstrap(&self) -> Result<Row, String> {
        let dir = self.definition("bootstrap", "base = { kind = \"debian-slim\", release = \"bookworm\" }\n")?;
        let build = self.wythe(&["build", "--progress", "quiet", "--rebuild-all", &dir.display().to_string()]);
        let cold_store = self.dir.path().join("cold-store");
        let mut cold = self.wythe(&["build", "--progress", "quiet", &dir.display().to_string()]);
        cold[2] = cold_store.display().to_string();
        let mut lines = vec![("wythe, packages cached", build), ("wythe, empty store", cold)];
        if has("mmdebstrap") {
            let line =
                ["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", "/dev/null", "http://deb.debian.org/debian"];
            lines.push(("mmdebstrap minbase", line.map(str::to_owned).to_vec()));
        }
        let before = |name: &str| if name == "wythe, empty store" { remove(&cold_store) } else { Ok(()) };
        let figures = self.paired(&lines, &before)?;
        Ok(Row { name: "bootstrap of a minimal Debian", method: "lock present; the peer downloads each time", figures })
    }

    /// A large build context, copied, and nothing changed.
    pub(crate) fn context(&self) -> Result<Row, String> {
        let dir = self.definition(
            "context",
            "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"files\"\nto = \"/files\"\n",
        )?;
        for file in 0..FILES {
            let place = dir.join(format!("files/{:03}", file / 100));
            fs::create_dir_all(&place).map_err(|error| error.to_string())?;
            fs::write(place.join(format!("{file}.txt")), format!("{file}\n").repeat(400))
                .map_err(|error| error.to_string())?;
        }
        let path = dir.display().to_string();
        let cold = self.wythe(&["build", "--progress", "quiet", "--rebuild-all", &path]);
        let same = self.wythe(&["build", "--progress", "quiet", &path]);
        let copy = self.dir.path().join("copy").display().to_string();
        let files = dir.join("files").display().to_string();
        let lines = vec![
            ("wythe, cold", cold),
            ("wythe, nothing changed", same),
            ("limit: cp -a", ["cp", "-a", &files, &copy].map(str::to_owned).to_vec()),
            ("limit: find, stat of all", ["find", &files, "-newer", "/"].map(str::to_owned).to_vec()),
        ];
        let before = |name: &str| if name == "limit: cp -a" { remove(Path::new(&copy)) } else { Ok(()) };
        let figures = self.paired(&lines, &before)?;
        Ok(Row { name: "a build context of 20,000 files", method: "one files step on scratch", figures })
    }

    /// Buildah with our own base, so that both do the same.
    fn buildah(&self) -> Result<Option<Buildah>, String> {
        if !has("buildah") {
            return Ok(None);
        }
        let rootfs = self.dir.path().join("rootfs.tar");
        if !rootfs.exists() {
            let dir = self.definition("base", "base = { kind = \"debian-slim\", release = \"bookworm\" }\n")?;
            self.measure(
                self.dir.path(),
                &self.wythe(&["build", "--progress", "quiet", "-t", "bench-base", &dir.display().to_string()]),
            )?;
            let layout = self.dir.path().join("layout").display().to_string();
            self.measure(self.dir.path(), &self.wythe(&["save", "bench-base", "--format", "oci-dir", "-o", &layout]))?;
            let unpack = format!(
                "umoci unpack --image {layout}:latest {layout}-bundle && tar -C {layout}-bundle/rootfs -cf {} .",
                rootfs.display()
            );
            self.measure(self.dir.path(), &["sh", "-c", &unpack].map(str::to_owned))?;
        }
        Buildah::new(self.dir.path(), &rootfs).map(Some)
    }
}

fn remove(dir: &Path) -> Result<(), String> {
    let done = Command::new("rm").arg("-rf").arg(dir).status().map_err(|error| error.to_string())?;
    if done.success() { Ok(()) } else { Err(format!("cannot remove {}", dir.display())) }
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().map_err(|error| error.to_string())?;
    if done.success() { Ok(()) } else { Err(format!("cannot copy {}", from.display())) }
}
