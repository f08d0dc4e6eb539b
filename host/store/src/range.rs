// SPDX-License-Identifier: Apache-2.0
//! Locks on single bytes of a file, one byte a digest.
//!
//! The kernel's open-file-description locks belong to the open file, so they end with the process that holds them,
//! however it ends, and work among threads as among processes. One file holds any number of them: there is nothing to
//! create, name or remove for a lock, and a lock cannot be stale.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use wythe_image::Digest;

/// How a byte is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Shared,
    Exclusive,
    Free,
}

/// Opens (and makes) a file for locks. The file stays empty: locks may lie beyond its end.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Returns the byte that stands for a digest: its first 62 bits, as offsets are signed and ranges have an end.
///
/// Two digests that share it are locked together, which costs waiting and nothing else.
pub(crate) fn place(digest: &Digest) -> i64 {
    let first = u64::from_str_radix(&digest.hex()[..16], 16).expect("a digest is written in hexadecimal digits");
    i64::try_from(first >> 2).expect("62 bits fit")
}

/// Locks or frees a byte without waiting; `false` where another holds it.
pub(crate) fn try_lock(file: &File, hold: Hold, place: i64) -> std::io::Result<bool> {
    loop {
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&range(hold, place))) {
            Ok(_) => return Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Locks a byte and waits for it. Only for waits that end by themselves within milliseconds.
pub(crate) fn lock(file: &File, hold: Hold, place: i64) -> std::io::Result<()> {
    loop {
        match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLKW(&range(hold, place))) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn range(hold: Hold, place: i64) -> libc::flock {
    let kind = match hold {
        Hold::Shared => libc::F_RDLCK,
        Hold::Exclusive => libc::F_WRLCK,
        Hold::Free => libc::F_UNLCK,
    };
    libc::flock {
        l_type: kind.try_into().expect("lock kinds fit a short"),
        l_whence: libc::SEEK_SET.try_into().expect("SEEK_SET fits a short"),
        l_start: place,
        l_len: 1,
        l_pid: 0,
    }
}
