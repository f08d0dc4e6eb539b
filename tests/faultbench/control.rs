// SPDX-License-Identifier: Apache-2.0
//! The control column: what the same faults do to Debian's buildah, with storage of its own on the disk of the bench.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tempfile::TempDir;

use crate::disk::Disk;
use crate::invariants::{Class, Verdict};
use crate::options::Options;
use crate::process::{Ended, Running, leftovers, must, run};
use crate::scenario::Scenario;
use crate::table::Row;

/// Size of the disk.
const MEBIBYTES: u64 = 96;

/// Lets a fault happen and looks at what is left.
type Strike = fn(&mut Buildah, &mut Rng) -> Result<Verdict, String>;

struct Buildah {
    disk: Disk,
    /// Goes after what is mounted in it.
    scratch: TempDir,
}

/// Returns a row for each kind of fault; none where it is not installed.
pub(crate) fn rows(options: &Options) -> Result<Vec<Row>, String> {
    if must("buildah", &["--version"]).is_err() {
        println!("the control is left out: buildah is not installed");
        return Ok(Vec::new());
    }
    let amount = options.rounds.unwrap_or(20).min(40);
    let kinds: [(&str, Strike); 4] = [
        ("buildah: power, acknowledged", |buildah, _| buildah.power(None)),
        ("buildah: power, random", |buildah, random| buildah.power(Some(random.u64(0..900_000)))),
        ("buildah: kills", |buildah, random| buildah.kill(random.u64(0..900_000))),
        ("buildah: disks", |buildah, random| buildah.full(random.u64(0..20 << 20))),
    ];
    let mut random = Rng::with_seed(options.seed);
    let mut rows = Vec::new();
    for (name, strike) in kinds {
        let begun = Instant::now();
        let mut row = Row::new(name);
        row.is_control = true;
        for _ in 0..amount {
            let mut buildah = Buildah::new(options)?;
            match strike(&mut buildah, &mut random) {
                Ok(verdict) => row.count(&verdict),
                Err(error) => {
                    eprintln!("{name}: the bench failed: {error}");
                    row.broken += 1;
                }
            }
        }
        row.time = begun.elapsed();
        println!("{}", row.progress());
        rows.push(row);
    }
    Ok(rows)
}

impl Buildah {
    fn new(options: &Options) -> Result<Self, String> {
        let scratch = tempfile::Builder::new().prefix("faultbench-").tempdir_in(&options.dir);
        let scratch = scratch.map_err(|error| error.to_string())?;
        Scenario::write(options.scenario, &scratch.path().join("definitions"))?;
        let context = scratch.path().join("definitions/app");
        fs::write(context.join("Dockerfile"), "FROM scratch\nADD . /\n").map_err(|error| error.to_string())?;
        let mut disk = Disk::ext4(&scratch.path().join("disk"), MEBIBYTES, None)?;
        // What was there before a fault is on the disk.
        disk.unmount()?;
        disk.mount()?;
        Ok(Self { disk, scratch })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.disk.path().join("root")).arg("--runroot").arg(self.scratch.path().join("run"));
        command.args(["--storage-driver", "overlay"]).args(args);
        command
    }

    fn context(&self) -> PathBuf {
        self.scratch.path().join("definitions/app")
    }

    fn build(&self) -> Command {
        self.command(&["bud", "-q", "--layers", "--isolation", "chroot", &self.context().display().to_string()])
    }

    fn run(&self, command: Command) -> Result<Ended, String> {
        run(command, self.scratch.path())
    }

    fn power(&mut self, moment: Option<u64>) -> Result<Verdict, String> {
        let mut verdict = Verdict::default();
        let mut running = Running::start(self.build(), self.scratch.path())?;
        let ended = match moment {
            None => {
                let ended = running.end()?.ok()?;
                self.disk.cut()?;
                verdict.is_struck = true;
                ended
            }
            Some(moment) => {
                std::thread::sleep(Duration::from_micros(moment));
                self.disk.cut()?;
                verdict.is_struck = !running.has_ended();
                running.end()?
            }
        };
        leftovers();
        self.forget_mounts();
        self.disk.unmount()?;
        self.disk.mount()?;
        self.check(&mut verdict, &ended)?;
        Ok(verdict)
    }

    fn kill(&mut self, moment: u64) -> Result<Verdict, String> {
        let mut running = Running::start(self.build(), self.scratch.path())?;
        std::thread::sleep(Duration::from_micros(moment));
        let mut verdict = Verdict { is_struck: !running.has_ended(), ..Verdict::default() };
        running.kill();
        let ended = running.end()?;
        for what in leftovers() {
            verdict.breach(Class::Leaked, what);
        }
        self.check(&mut verdict, &ended)?;
        Ok(verdict)
    }

    fn full(&mut self, left: u64) -> Result<Verdict, String> {
        let ballast = self.disk.path().join("ballast");
        let length = self.disk.free()?.0.saturating_sub(left);
        must("fallocate", &[Path::new("-l"), Path::new(&length.to_string()), &ballast])?;
        let ended = self.run(self.build())?;
        let mut verdict = Verdict { is_struck: ended.code != Some(0), ..Verdict::default() };
        fs::remove_file(&ballast).map_err(|error| error.to_string())?;
        self.check(&mut verdict, &ended)?;
        Ok(verdict)
    }

    /// The same invariants, as far as it has them: acknowledged and listed images can be written out, the next build
    /// succeeds, nothing is left over.
    fn check(&mut self, verdict: &mut Verdict, ended: &Ended) -> Result<(), String> {
        let list = self.run(self.command(&["images", "-aq", "--no-trunc"]))?;
        let listed: Vec<&str> = list.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let acknowledged = ended.stdout.trim();
        if !acknowledged.is_empty() && !listed.iter().any(|id| id.ends_with(acknowledged)) {
            verdict.breach(Class::Damaged, "the image that was acknowledged is not listed");
        }
        for id in &listed {
            let target = format!("oci:{}", self.scratch.path().join("pushed").display());
            let ended = self.run(self.command(&["push", "-q", id, &target]))?;
            if ended.code != Some(0) {
                verdict.breach(Class::Damaged, ended.describe());
            }
        }
        let again = self.run(self.build())?;
        if again.code != Some(0) {
            verdict.breach(Class::Damaged, again.describe());
        }
        let left = self.run(self.command(&["containers", "-q"]))?;
        if !left.stdout.trim().is_empty() {
            verdict.breach(Class::Leaked, "working containers");
        }
        self.forget_mounts();
        Ok(())
    }

    /// It leaves mounts of its storage behind, which would keep the disk busy.
    fn forget_mounts(&self) {
        let place = self.disk.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points: Vec<&str> = mounts.lines().filter_map(|line| line.split(' ').nth(4)).collect();
        for point in points.into_iter().rev().filter(|point| point.starts_with(&format!("{place}/"))) {
            // One that is gone already is no matter.
            drop(must("umount", &["-l", point]));
        }
    }
}
