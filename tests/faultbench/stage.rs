// SPDX-License-Identifier: Apache-2.0
//! What all points of a scenario share: its definitions, a store to start from, and what is expected of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::Disk;
use crate::operation::saved;
use crate::options::Options;
use crate::process::{self, Ended, must};
use crate::scenario::Scenario;

/// What lies where an image is saved to, before it is.
pub(crate) const BEFORE: &str = "what was there before";

/// An image of the list: its digest and its names.
pub(crate) type Listed = (String, Vec<String>);

/// A scenario that can be played again and again.
pub(crate) struct Stage {
    /// The memory disk, if this machine has one: kills and errors need no real one.
    _memory: Option<Disk>,
    /// Goes after what is mounted in it.
    _scratch: TempDir,
    /// Absolute; holds `definitions`, `template` and whatever the kinds need.
    pub(crate) dir: PathBuf,
    work: PathBuf,
    wythe: PathBuf,
    pub(crate) scenario: Scenario,
    /// The digest that was acknowledged before the fault.
    pub(crate) kept: String,
    /// The digest that the build in which the fault happens has without it.
    pub(crate) app: String,
    /// What the store holds after recovery: the files that digests name.
    pub(crate) baseline: BTreeSet<String>,
}

impl Stage {
    pub(crate) fn new(options: &Options, seed: u64) -> Result<Self, String> {
        if !options.wythe.exists() {
            return Err(format!("there is no {}; name the binary with --wythe", options.wythe.display()));
        }
        let scratch = tempfile::Builder::new().prefix("faultbench-").tempdir_in(&options.dir);
        let scratch = scratch.map_err(|error| format!("{}: {error}", options.dir.display()))?;
        let dir = scratch.path().to_owned();
        let scenario = Scenario::write(seed, &dir.join("definitions"))?;
        let memory = Disk::memory(&dir.join("memory"), "512m", None).ok();
        let work = memory.as_ref().map_or_else(|| dir.join("plain"), |disk| disk.path().to_owned());
        let mut stage = Self {
            _memory: memory,
            _scratch: scratch,
            work: work.join("work"),
            wythe: options.wythe.clone(),
            dir,
            scenario,
            kept: String::new(),
            app: String::new(),
            baseline: BTreeSet::new(),
        };
        stage.prepare()?;
        Ok(stage)
    }

    /// Makes the store to start from, and plays the scenario once without a fault.
    fn prepare(&mut self) -> Result<(), String> {
        let template = self.dir.join("template");
        fs::create_dir_all(&template).map_err(|error| error.to_string())?;
        let build = |stage: &Self, place: &Path, name: &str| {
            let dir = stage.dir.join("definitions").join(name).display().to_string();
            let ended = stage.wythe(place, &["build", "--progress=plain", "-t", name, &dir])?.ok()?;
            Ok::<_, String>(ended.stdout.trim().to_owned())
        };
        self.kept = build(self, &template, "kept")?;
        build(self, &template, "stale")?;
        self.wythe(&template, &["rm", "stale"])?.ok()?;
        fs::write(saved(&template), BEFORE).map_err(|error| error.to_string())?;
        let place = self.fresh()?;
        self.app = build(self, &place, "app")?;
        self.collect(&place)?;
        self.baseline = content(&place.join("store"))?;
        Ok(())
    }

    /// Returns a place with a store as it was before the fault.
    pub(crate) fn fresh(&self) -> Result<PathBuf, String> {
        self.fill(&self.work)?;
        Ok(self.work.clone())
    }

    /// Makes a place what it was before the fault.
    pub(crate) fn fill(&self, place: &Path) -> Result<(), String> {
        must("rm", &[Path::new("-rf"), &place.join("store"), &saved(place)])?;
        fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
        must("cp", &[Path::new("-a"), &self.dir.join("template/."), place]).map(drop)
    }

    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, place: &Path, args: &[S]) -> Command {
        let mut command = Command::new(&self.wythe);
        command.args(args).current_dir(&self.dir).env("WYTHE_HOME", place.join("store"));
        command.env_remove("SOURCE_DATE_EPOCH").env_remove("WYTHE_STORE_QUOTA");
        command
    }

    /// Runs the binary on the store in a place.
    pub(crate) fn wythe(&self, place: &Path, args: &[&str]) -> Result<Ended, String> {
        process::run(self.command(place, args), &self.dir)
    }

    /// Collects everything that no name keeps.
    pub(crate) fn collect(&self, place: &Path) -> Result<Ended, String> {
        self.wythe(place, &["store", "gc", "--older-than", "0"])?.ok()
    }

    /// Returns the images of the list: digest and names.
    pub(crate) fn images(&self, place: &Path) -> Result<(Ended, Vec<Listed>), String> {
        let ended = self.wythe(place, &["images", "--json"])?.ok()?;
        let list: Value = serde_json::from_str(&ended.stdout).map_err(|error| error.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names = |image: &Value| image["names"].as_array().into_iter().flatten().map(text).collect();
        let images = list.as_array().into_iter().flatten().map(|image| (text(&image["digest"]), names(image)));
        Ok((ended, images.collect()))
    }
}

/// Returns what lies in a store: everything that a digest names, and everything that should not be there.
pub(crate) fn content(store: &Path) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    // Logs stay with their results, under names that say when.
    for place in ["", "blobs", "blobs/sha256", "layers", "active", "volumes", "cache", "locks"] {
        let dir = store.join(place);
        let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // The index and the lock files come with use and stay.
            if !name.starts_with("index.db") && !name.starts_with("leases-") && name != "keys" && name != "caches" {
                found.insert(format!("{place}/{name}"));
            }
        }
    }
    Ok(found)
}
