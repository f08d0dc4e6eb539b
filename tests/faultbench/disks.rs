// SPDX-License-Identifier: Apache-2.0
//! Full disks: ext4 and memory, filled until so many bytes, or so many inodes, are left.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use fastrand::Rng;

use crate::disk::Disk;
use crate::invariants::{Class, Verdict};
use crate::kills::{fields, number};
use crate::operation::Operation;
use crate::stage::Stage;

/// Size of the disks.
const MEBIBYTES: u64 = 64;

/// Most that is left free: enough for each operation, so that the levels reach from nothing to success.
const MOST: (u64, u64) = (14 << 20, 160);

const INODES: u64 = 1024;

/// `operation:disk:left`
pub(crate) fn points(_: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    let kinds = ["ext4-bytes", "memory-bytes", "ext4-inodes", "memory-inodes"];
    let mut points = Vec::new();
    for number in 0..amount {
        let kind = kinds[number % kinds.len()];
        let operation = Operation::ALL[number / kinds.len() % Operation::ALL.len()];
        let most = if kind.ends_with("bytes") { MOST.0 } else { MOST.1 };
        // Small amounts more often: what fails early fails in more ways.
        let left = if random.u8(..4) == 0 { random.u64(0..=most / 64) } else { random.u64(0..=most) };
        points.push(format!("{operation}:{kind}:{left}"));
    }
    Ok(points)
}

pub(crate) fn strike(stage: &Stage, point: &str) -> Result<Verdict, String> {
    let [operation, kind, left] = fields(point)?;
    let (operation, left): (Operation, u64) = (operation.parse()?, number(left)?);
    let inodes = kind.ends_with("inodes").then_some(INODES);
    let disk = match kind.split('-').next() {
        Some("memory") => Disk::memory(&stage.dir.join("full"), &format!("{MEBIBYTES}m"), inodes)?,
        _ => Disk::ext4(&stage.dir.join("full"), MEBIBYTES, inodes)?,
    };
    let place = disk.path();
    stage.fill(place)?;
    let ballast = place.join("ballast");
    fill_up(&disk, &ballast, left, inodes.is_some())?;
    let mut verdict = Verdict::default();
    let ended = crate::process::run(operation.command(stage, place), &stage.dir)?;
    verdict.is_struck = ended.code != Some(0);
    verdict.judge(stage, operation, &ended, &["No space left on device"]);
    still_readable(&mut verdict, stage, place)?;
    crate::process::must("rm", &[Path::new("-rf"), &ballast])?;
    let app = operation == Operation::Build && ended.code == Some(0);
    verdict.check(stage, place, app, false)?;
    Ok(verdict)
}

/// While the disk is full, the store can be read, and a collection frees room.
fn still_readable(verdict: &mut Verdict, stage: &Stage, place: &Path) -> Result<(), String> {
    for args in [&["images"][..], &["store", "verify"], &["store", "gc", "--older-than", "0"]] {
        let ended = stage.wythe(place, args)?;
        if ended.code != Some(0) {
            let what = format!("`{}` on the full disk: {}", args.join(" "), ended.describe());
            verdict.breach(Class::WrongExit, what);
        }
    }
    Ok(())
}

/// Leaves so many bytes or inodes.
fn fill_up(disk: &Disk, ballast: &Path, left: u64, inodes: bool) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", ballast.display());
    if inodes {
        std::fs::create_dir(ballast).map_err(failed)?;
        for number in 0..disk.free()?.1.saturating_sub(left) {
            File::create(ballast.join(number.to_string())).map_err(failed)?;
        }
        return Ok(());
    }
    // A disk has its free space exactly only once what was written is allocated.
    nix::unistd::sync();
    let mut file = File::create(ballast).map_err(failed)?;
    let mut more = disk.free()?.0.saturating_sub(left);
    let block = vec![1; 1 << 16];
    while more > 0 {
        let length = usize::try_from(more).unwrap_or(usize::MAX).min(block.len());
        match file.write_all(&block[..length]) {
            Ok(()) => more -= length as u64,
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
            Err(error) => return Err(failed(error)),
        }
    }
    file.sync_all().map_err(failed)
}
