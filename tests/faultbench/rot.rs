// SPDX-License-Identifier: Apache-2.0
//! Bytes that change on the disk: one at a time, in files of every kind that a store has.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::invariants::{Class, Verdict};
use crate::kills::number;
use crate::operation::Operation;
use crate::process::run;
use crate::stage::Stage;

/// `path in the store:byte:bit`
pub(crate) fn points(stage: &Stage, amount: usize, random: &mut Rng) -> Result<Vec<String>, String> {
    let store = stage.dir.join("template/store");
    let mut kinds: BTreeMap<String, Vec<(PathBuf, u64)>> = BTreeMap::new();
    collect(&store, &store, &mut kinds)?;
    let kinds: Vec<_> = kinds.into_values().collect();
    let point = |number: usize| {
        // Each kind as often as any other, however many bytes it has.
        let files = &kinds[number % kinds.len()];
        let (path, length) = &files[random.usize(..files.len())];
        // The head of a file is what programs look at first.
        let end = if random.bool() { *length } else { (*length).min(100) };
        format!("{}:{}:{}", path.display(), random.u64(..end), random.u8(..8))
    };
    Ok((0..amount).map(point).collect())
}

/// Lists the files that have a byte, by the directory of the store in which they lie.
fn collect(store: &Path, dir: &Path, kinds: &mut BTreeMap<String, Vec<(PathBuf, u64)>>) -> Result<(), String> {
    for entry in fs::read_dir(dir).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let metadata = entry.metadata().map_err(|error| error.to_string())?;
        let path = entry.path();
        let inside = path.strip_prefix(store).map_err(|error| error.to_string())?.to_owned();
        if metadata.is_dir() {
            collect(store, &path, kinds)?;
        } else if metadata.is_file() && metadata.len() > 0 && !inside.to_string_lossy().ends_with("-shm") {
            let kind = inside.iter().next().unwrap_or_default().to_string_lossy().into_owned();
            kinds.entry(kind).or_default().push((inside, metadata.len()));
        }
    }
    Ok(())
}

pub(crate) fn strike(stage: &Stage, point: &str) -> Result<Verdict, String> {
    let mut fields = point.rsplitn(3, ':');
    let mut field = || fields.next().ok_or_else(|| format!("`{point}` is no point of this kind"));
    let (bit, byte, path) = (field()?, field()?, field()?);
    let rotten = || -> Result<PathBuf, String> {
        let place = stage.fresh()?;
        flip(&place.join("store").join(path), number(byte)?, number(bit)?)?;
        Ok(place)
    };
    let place = rotten()?;
    let mut verdict = Verdict { is_struck: true, ..Verdict::default() };
    // What reads the damage says so, or makes it again: nothing wrong comes out.
    for operation in [Operation::Save, Operation::Build] {
        let ended = run(operation.command(stage, &place), &stage.dir)?;
        verdict.judge(stage, operation, &ended, &["damaged", "not in the store"]);
        // The index is made again, and whoever met the damage does its work all the same.
        if path.starts_with("index.db") && ended.code != Some(0) {
            verdict.breach(Class::Damaged, format!("{operation}: the index is not made again: {}", ended.describe()));
        }
    }
    // A layer is not read as a whole before a step reads a part of it, unless that is asked for.
    verdict.excuse(|breach| path.starts_with("layers/") && breach.what.starts_with("build printed"));
    if path.starts_with("layers/") {
        let mut careful = Operation::Build.command(stage, &rotten()?);
        careful.arg("--verify");
        let ended = run(careful, &stage.dir)?;
        if ended.code != Some(0) || ended.stdout.trim() != stage.app {
            let what = format!("with `--verify`: `{}`, {}", ended.stdout.trim(), ended.describe());
            verdict.breach(Class::Damaged, what);
        }
    }
    let place = rotten()?;
    if path.starts_with("index.db") {
        let (_, images) = stage.images(&place)?;
        if !images
            .iter()
            .any(|(digest, names)| *digest == stage.kept && names.iter().any(|name| name.starts_with("kept")))
        {
            verdict.breach(Class::Damaged, "the image that was acknowledged is not listed");
        }
    }
    let ended = stage.wythe(&place, &["store", "verify"])?;
    let is_named = ended.code == Some(5) && named(path).is_some_and(|name| ended.stdout.contains(name));
    if named(path).is_some() && !is_named {
        verdict.breach(Class::Damaged, format!("verify does not name it: {} {}", ended.stdout, ended.describe()));
    }
    verdict.check(stage, &place, false, true)?;
    Ok(verdict)
}

/// Returns the digest under which a check names a file; none where a flipped byte need not mean anything.
fn named(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    match parts.next()? {
        "blobs" => parts.nth(1),
        "layers" => parts.next(),
        _ => None,
    }
}

/// Flips a bit and lets the file look as before: what rots is not written to.
fn flip(path: &Path, byte: u64, bit: u32) -> Result<(), String> {
    let work = || -> std::io::Result<()> {
        let file = File::options().read(true).write(true).open(path)?;
        let before = file.metadata()?;
        let mut one = [0];
        file.read_exact_at(&mut one, byte)?;
        file.write_all_at(&[one[0] ^ (1 << bit)], byte)?;
        file.set_times(FileTimes::new().set_modified(before.modified()?).set_accessed(before.accessed()?))
    };
    work().map_err(|error| format!("{}: {error}", path.display()))
}
