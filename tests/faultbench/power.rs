// SPDX-License-Identifier: Apache-2.0
//! Power cuts on ext4, at random moments and right after an acknowledgement.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;

use crate::disk::Disk;
use crate::invariants::{Class, Verdict};
use crate::kills::{fields, number};
use crate::operation::{Operation, saved};
use crate::process::{Running, leftovers, must, run};
use crate::stage::{BEFORE, Stage};

/// Size of the disk.
const MEBIBYTES: u64 = 192;

/// Where the kernel says which run of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The moment of an acknowledgement.
const ACKNOWLEDGED: &str = "end";

/// What programs read of a disk that does not answer; SQLite takes it for content.
const DEAD: [&str; 4] = ["Input/output error", "Structure needs cleaning", "Read-only file system", "malformed"];

/// `operation:microseconds`, or `operation:end`
pub(crate) fn points(stage: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    let mut original = Disk::ext4(&stage.dir.join("original"), MEBIBYTES, None)?;
    stage.fill(original.path())?;
    original.unmount()?;
    let mut longest = Vec::new();
    for operation in Operation::ALL {
        let disk = Disk::copy_of(&original, &stage.dir.join("power"))?;
        let ended = run(operation.command(stage, disk.path()), &stage.dir)?.ok()?;
        longest.push(u64::try_from(ended.time.as_micros()).unwrap_or(u64::MAX));
    }
    let point = |number: usize| {
        let which = number % Operation::ALL.len();
        let operation = Operation::ALL[which];
        // A third right after the acknowledgement.
        let moment = if number.is_multiple_of(3) {
            ACKNOWLEDGED.to_owned()
        } else {
            random.u64(0..longest[which] * 5 / 4).to_string()
        };
        format!("{operation}:{moment}")
    };
    Ok((0..amount).map(point).collect())
}

pub(crate) fn strike(stage: &Stage, point: &str) -> Result<Verdict, String> {
    let [operation, moment] = fields(point)?;
    let operation: Operation = operation.parse()?;
    let dir = stage.dir.join("power");
    let mut disk = Disk::ext4(&dir, MEBIBYTES, None)?;
    stage.fill(disk.path())?;
    disk.unmount()?;
    disk.mount()?;
    restart(stage)?;
    let mut verdict = Verdict::default();
    let mut running = Running::start(operation.command(stage, disk.path()), &stage.dir)?;
    let ended = if moment == ACKNOWLEDGED {
        let ended = running.end()?;
        disk.cut()?;
        verdict.is_struck = true;
        ended
    } else {
        std::thread::sleep(Duration::from_micros(number(moment)?));
        disk.cut()?;
        verdict.is_struck = !running.has_ended();
        running.end()?
    };
    // A disk without power answers with errors: the program ends by itself, and says so.
    verdict.judge(stage, operation, &ended, &DEAD);
    for what in leftovers() {
        verdict.breach(Class::Leaked, what);
    }
    disk.unmount()?;
    disk.mount()?;
    restart(stage)?;
    let app = operation == Operation::Build && ended.stdout.trim() == stage.app;
    let is_before = || std::fs::read(saved(disk.path())).is_ok_and(|bytes| bytes == BEFORE.as_bytes());
    if operation == Operation::Save && ended.code == Some(0) && is_before() {
        verdict.breach(Class::Damaged, "the archive whose digest was printed is not there");
    }
    verdict.check(stage, disk.path(), app, false)?;
    Ok(verdict)
}

/// Gives the machine another boot id, as a restart does. The file lies over the kernel's in this mount namespace alone.
fn restart(stage: &Stage) -> Result<(), String> {
    let file = stage.dir.join("boot_id");
    let is_new = !file.exists();
    std::fs::write(&file, format!("{:032x}\n", Rng::new().u128(..))).map_err(|error| error.to_string())?;
    if is_new {
        // That of the scenario before is gone, and still lies over the kernel's; before the first there is none.
        drop(must("umount", &[BOOT_ID]));
        must("mount", &[Path::new("--bind"), &file, Path::new(BOOT_ID)])?;
    }
    Ok(())
}
