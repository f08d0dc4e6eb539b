// SPDX-License-Identifier: Apache-2.0
//! What is being made beside its place. It is locked meanwhile, so that what a killed process has left is told from what
//! another one is making, and goes when something is saved there again.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::{NamedTempFile, TempDir};

/// What begins the names of things that are being made; nothing of it stays.
pub(crate) const UNFINISHED: &str = ".wythe-";

/// Makes a file in a directory, as readable as any file of this user; `tempfile` would keep it to its owner.
pub(crate) fn file(dir: &Path) -> io::Result<NamedTempFile> {
    sweep(dir);
    let everybody = Permissions::from_mode(0o666);
    loop {
        let made = tempfile::Builder::new().prefix(UNFINISHED).permissions(everybody.clone()).tempfile_in(dir)?;
        if is_ours(made.as_file())? {
            return Ok(made);
        }
    }
}

/// Makes a directory in another one; the second value keeps it ours.
pub(crate) fn dir(around: &Path) -> io::Result<(TempDir, File)> {
    sweep(around);
    let everybody = Permissions::from_mode(0o777);
    loop {
        let made = tempfile::Builder::new().prefix(UNFINISHED).permissions(everybody.clone()).tempdir_in(around)?;
        let lock = match File::open(made.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        if is_ours(&lock)? {
            return Ok((made, lock));
        }
    }
}

/// Locks what was just made. False where a sweep was faster and has taken it for garbage.
fn is_ours(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        // Without locks nothing is swept either.
        Err(fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what killed processes have left. What cannot be removed stays; it is in nobody's way.
fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file_or_dir = entry.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir());
        if !entry.file_name().as_bytes().starts_with(UNFINISHED.as_bytes()) || !is_file_or_dir {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            // Another sweep may be at it as well.
            drop(fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_makes_goes_and_what_somebody_makes_stays() {
        let place = tempfile::tempdir().unwrap();
        let left = [".wythe-file", ".wythe-dir", "other"].map(|name| place.path().join(name));
        fs::write(&left[0], "half").unwrap();
        fs::create_dir_all(left[1].join("blobs")).unwrap();
        fs::write(&left[2], "theirs").unwrap();
        let theirs = file(place.path()).unwrap();
        let (ours, _lock) = dir(place.path()).unwrap();
        assert_eq!(left.each_ref().map(|path| path.exists()), [false, false, true]);
        assert!(theirs.path().exists() && ours.path().exists());
    }
}
