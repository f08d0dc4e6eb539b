// SPDX-License-Identifier: Apache-2.0
//! Durability in bulk: one call for a whole file system instead of one for each file.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

/// Writes everything of the file system that holds `dir` to its disk. When this returns `Ok`, a power cut loses
/// nothing that was written before the call; an error means that something may not have reached the disk.
pub fn syncfs(dir: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = retry_on_intr(|| rustix::fs::open(dir, flags, Mode::empty()))?;
    Ok(rustix::fs::syncfs(fd)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_can_be_synced_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        syncfs(dir.path()).unwrap();
        let missing = syncfs(&dir.path().join("absent")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
