// SPDX-License-Identifier: Apache-2.0
//! What holds after every fault.
//!
//! 1. The command ends with a documented code; a failure says what failed, where and why.
//! 2. The store opens without a repair command, and every byte is as its digest says.
//! 3. An image that was acknowledged is there and the same; what is listed is whole.
//! 4. The next build succeeds and has the digest that it has without a fault.
//! 5. After the next start and a collection nothing is left over: no process, mount, temporary file or unnamed content.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::operation::{Operation, saved};
use crate::process::{self, Ended};
use crate::stage::{BEFORE, Listed, Stage, content};

/// Kinds of breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Damaged,
    Leaked,
    WrongExit,
    Hung,
    /// Something that is known not to hold, and written down in `docs/faults.md`: counted, and no failure.
    Gap,
}

impl Class {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Leaked => "leaked",
            Self::WrongExit => "wrong exit",
            Self::Hung => "hung",
            Self::Gap => "known gap",
        }
    }
}

/// An invariant that did not hold.
#[derive(Debug, Clone)]
pub(crate) struct Breach {
    pub(crate) class: Class,
    pub(crate) what: String,
}

/// What became of a point.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) breaches: Vec<Breach>,
    /// Whether the fault happened: a program may end before its time has come.
    pub(crate) is_struck: bool,
    /// How long the first command took that opened the store afterwards.
    pub(crate) opened: Duration,
}

impl Verdict {
    pub(crate) fn breach(&mut self, class: Class, what: impl Into<String>) {
        self.breaches.push(Breach { class, what: what.into() });
    }

    /// Makes breaches that are known to be possible gaps.
    pub(crate) fn excuse(&mut self, is_known: impl Fn(&Breach) -> bool) {
        for breach in self.breaches.iter_mut().filter(|breach| is_known(breach)) {
            breach.class = Class::Gap;
        }
    }

    /// Judges how a command ended in which an error was met, whose text must be told.
    pub(crate) fn judge(&mut self, stage: &Stage, operation: Operation, ended: &Ended, causes: &[&str]) {
        if ended.is_hung() {
            return self.breach(Class::Hung, format!("{operation} did not end"));
        }
        let says = |text: &&str| ended.stderr.contains(*text);
        match ended.code {
            Some(0) => {
                if let Some(expected) = operation.expected(stage).filter(|expected| ended.stdout.trim() != *expected) {
                    self.breach(
                        Class::Damaged,
                        format!("{operation} printed `{}`, not {expected}", ended.stdout.trim()),
                    );
                }
            }
            // A command of a step that met the error itself has failed, whatever it says.
            Some(3) if ended.stderr.contains("error: step `") => {}
            Some(5) if !ended.stderr.contains("error: ") => {
                self.breach(Class::WrongExit, format!("no message: {}", ended.describe()));
            }
            Some(5) if !causes.iter().chain(&INDEX_CAUSES).any(says) => {
                self.breach(Class::WrongExit, format!("the cause is not told: {}", ended.describe()));
            }
            // Threads and descriptors of the process are nowhere.
            Some(5) if ended.stderr.contains("cannot prepare to do several things at once") => {}
            Some(5) if !ended.stderr.contains(['/', '`']) => {
                self.breach(Class::WrongExit, format!("the place is not told: {}", ended.describe()));
            }
            Some(5) => {}
            _ => self.breach(Class::WrongExit, format!("{operation} ended with {}", ended.describe())),
        }
        if ended.code != Some(0) && ended.stdout.contains("sha256:") {
            self.breach(Class::WrongExit, format!("{operation} acknowledged and then failed: {}", ended.describe()));
        }
    }

    /// Checks everything that must hold once whatever was struck has ended. `app` says whether the build in question was
    /// acknowledged; `healing` whether a check may find (and mend) damage.
    pub(crate) fn check(&mut self, stage: &Stage, place: &Path, app: bool, healing: bool) -> Result<(), String> {
        for what in process::leftovers() {
            self.breach(Class::Leaked, what);
        }
        match stage.images(place) {
            Ok((ended, images)) => {
                self.opened = ended.time;
                self.whole(stage, place, healing)?;
                if !healing {
                    self.listed(stage, place, &images, app)?;
                }
            }
            Err(error) => self.breach(Class::Damaged, format!("the store does not open: {error}")),
        }
        self.saved(stage, place)?;
        self.rebuilt(stage, place)?;
        self.tidy(stage, place, healing);
        Ok(())
    }

    /// The check of every byte.
    fn whole(&mut self, stage: &Stage, place: &Path, healing: bool) -> Result<(), String> {
        let ended = stage.wythe(place, &["store", "verify", "--json"])?;
        let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        if !healing && (ended.code != Some(0) || !findings.is_empty()) {
            let found = findings.iter().map(|f| f["damage"].to_string()).collect::<Vec<_>>().join("; ");
            self.breach(Class::Damaged, format!("verify: {found} {}", ended.describe()));
        }
        Ok(())
    }

    /// Every image of the list can be saved and is the same, and none is missing that was acknowledged.
    fn listed(&mut self, stage: &Stage, place: &Path, images: &[Listed], app: bool) -> Result<(), String> {
        let has = |digest: &str, name: &str| {
            images.iter().any(|(known, names)| known == digest && names.iter().any(|known| known.starts_with(name)))
        };
        if !has(&stage.kept, "kept") {
            self.breach(Class::Damaged, "the image that was acknowledged before is not listed");
        }
        if app && !has(&stage.app, "app") {
            self.breach(Class::Damaged, "the image that was acknowledged is not listed");
        }
        let copy = stage.dir.join("copy.tar").display().to_string();
        for (digest, _) in images {
            let ended = stage.wythe(place, &["save", digest, "-o", &copy])?;
            if ended.code != Some(0) || ended.stdout.trim() != digest {
                self.breach(Class::Damaged, format!("listed image {digest}: {}", ended.describe()));
            }
        }
        Ok(())
    }

    /// What was to be overwritten is as it was, or is the whole image.
    fn saved(&mut self, stage: &Stage, place: &Path) -> Result<(), String> {
        let bytes = fs::read(saved(place)).map_err(|error| error.to_string());
        if bytes.as_ref().is_ok_and(|bytes| *bytes == BEFORE.as_bytes()) {
            return Ok(());
        }
        let good = stage.dir.join("good.tar");
        if !good.exists() {
            let other = stage.dir.join("template");
            stage.wythe(&other, &["save", "kept", "-o", &good.display().to_string()])?.ok()?;
        }
        if bytes? != fs::read(good).map_err(|error| error.to_string())? {
            self.breach(Class::Damaged, "the saved archive is neither the old file nor the image");
        }
        Ok(())
    }

    fn rebuilt(&mut self, stage: &Stage, place: &Path) -> Result<(), String> {
        for (operation, digest) in [(Operation::Build, &stage.app), (Operation::Rebuild, &stage.kept)] {
            // The second one only where something may be missing: what it makes again is not part of the baseline.
            let mut command = operation.command(stage, place);
            if operation == Operation::Rebuild {
                let dir = stage.dir.join("definitions/kept");
                command = stage.command(place, &["build".as_ref(), "-t".as_ref(), "kept".as_ref(), dir.as_os_str()]);
            }
            let ended = process::run(command, &stage.dir)?;
            if ended.is_hung() {
                self.breach(Class::Hung, "the next build does not end");
            } else if ended.code != Some(0) || ended.stdout.trim() != digest {
                let what = format!("the next build: `{}`, {}", ended.stdout.trim(), ended.describe());
                self.breach(Class::Damaged, what);
            }
        }
        Ok(())
    }

    fn tidy(&mut self, stage: &Stage, place: &Path, healing: bool) {
        // A damaged index may have lost that this image was removed; elsewhere there is no such name any more.
        let _none = stage.wythe(place, &["rm", "stale"]);
        if let Err(error) = stage.collect(place) {
            self.breach(Class::Damaged, format!("collecting: {error}"));
        }
        match content(&place.join("store")) {
            Ok(found) => {
                for more in found.difference(&stage.baseline) {
                    self.breach(Class::Leaked, format!("store{more}"));
                }
                // What was made again is explained by other lists of files than what was made at first.
                for less in stage.baseline.difference(&found).filter(|_| !healing) {
                    self.breach(Class::Damaged, format!("store{less} is missing"));
                }
            }
            Err(error) => self.breach(Class::Damaged, error),
        }
        // The next save there tidies up after one that was killed.
        let again = crate::process::run(Operation::Save.command(stage, place), &stage.dir);
        if let Err(error) = again.and_then(Ended::ok) {
            self.breach(Class::Damaged, format!("the next save: {error}"));
        }
        let known = ["store", "saved.tar", "lost+found"];
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known.contains(&name.as_str()) {
                self.breach(Class::Leaked, format!("beside the saved archive: {name}"));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let store = format!("{}/store", place.display());
        for line in mounts.lines().filter(|line| line.contains(&store)) {
            self.breach(Class::Leaked, format!("mount {line}"));
        }
    }
}

/// What SQLite says in place of the kernel's words.
const INDEX_CAUSES: [&str; 6] = [
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "database disk image is malformed",
];
