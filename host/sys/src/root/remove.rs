// SPDX-License-Identifier: Apache-2.0
//! Removal of a tree by descriptors.
//!
//! A tree that a step made can be deeper than a stack, a path or the descriptor table allow. So there is no recursion,
//! and only two descriptors are open at a time: the way up is `..`, checked to be the directory we came from.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

/// A directory that is being emptied.
struct Level {
    /// Its name in the directory above it.
    name: OsString,
    /// Its device and inode, by which it is recognised on the way up.
    identity: (u64, u64),
    /// The directories in it that are still there.
    pending: Vec<OsString>,
}

/// Removes `name` from `parent`, with all that is below it.
pub(super) fn remove_tree(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        // Linux says EISDIR for a directory; POSIX allows EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        result => return Ok(result?),
    }
    let mut current = open_below(parent, name)?;
    let mut levels = vec![empty(&current, name.to_owned())?];
    while let Some(level) = levels.last_mut() {
        if let Some(child) = level.pending.pop() {
            let below = open_below(&current, &child)?;
            levels.push(empty(&below, child)?);
            current = below;
            continue;
        }
        let done = levels.pop().map(|level| level.name).unwrap_or_default();
        let above = match levels.last() {
            Some(level) => open_above(&current, level.identity)?,
            None => parent.try_clone()?,
        };
        rustix::fs::unlinkat(&above, &done, AtFlags::REMOVEDIR)?;
        current = above;
    }
    Ok(())
}

/// Removes everything but directories from `directory`, and lists those.
fn empty(directory: &OwnedFd, name: OsString) -> io::Result<Level> {
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut pending = Vec::new();
    // Entries that are unlinked while they are listed may shift others; what `getdents` skips is found by listing again.
    loop {
        let mut removed = false;
        pending.clear();
        rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0))?;
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let child = OsStr::from_bytes(entry.file_name().to_bytes());
            if child == "." || child == ".." {
                continue;
            }
            if entry.file_type() == FileType::Directory {
                pending.push(child.to_owned());
                continue;
            }
            match rustix::fs::unlinkat(directory, child, AtFlags::empty()) {
                Ok(()) => removed = true,
                Err(Errno::ISDIR | Errno::PERM) => pending.push(child.to_owned()),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !removed {
            return Ok(Level { name, identity: identity(directory)?, pending });
        }
    }
}

fn open_below(directory: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    Ok(retry_on_intr(|| rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve))?)
}

fn open_above(directory: &OwnedFd, expected: (u64, u64)) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let above = retry_on_intr(|| rustix::fs::openat(directory, "..", flags, Mode::empty()))?;
    if identity(&above)? == expected {
        Ok(above)
    } else {
        Err(io::Error::other("the tree was moved while it was being removed"))
    }
}

fn identity(directory: impl AsFd) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}
