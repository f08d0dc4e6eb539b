// SPDX-License-Identifier: Apache-2.0
//! Room for forgetting on a full disk: a removal writes a few pages of log before it frees anything.

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::open::Inner;

/// The file's name in the store's directory.
pub(crate) const FILE: &str = "reserve";

/// Bytes that it takes: the log of a removal of some hundred things.
const BYTES: u64 = 256 * 1024;

impl Inner {
    /// Makes the reserve where it is not there. Where there is no room for it, there is none; the next opening tries again.
    pub(crate) fn ensure_reserve(&self) {
        if !matches!(rustix::fs::statat(&self.directory, FILE, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT)) {
            return;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.directory, FILE, flags, Mode::RUSR | Mode::WUSR) else { return };
        if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, BYTES) == Err(Errno::NOSPC) {
            let _ = rustix::fs::unlinkat(&self.directory, FILE, AtFlags::empty());
        }
    }

    /// Gives the reserve up where the disk has hardly more room than that. Called before what frees room.
    pub(crate) fn spend_reserve(&self) {
        let is_full = rustix::fs::fstatvfs(&self.directory)
            .is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) < BYTES || found.f_favail < 2);
        if is_full {
            let _ = rustix::fs::unlinkat(&self.directory, FILE, AtFlags::empty());
        }
    }
}
