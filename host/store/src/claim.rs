// SPDX-License-Identifier: Apache-2.0
//! Entries of `active/`: each belongs to the process that holds its lock, and to nobody once that process is gone.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::open::Inner;
use crate::remove;
use crate::sweeper::Leftover;

/// An entry of `active/` of this process. Dropping it removes the entry with all that is in it.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) inner: Arc<Inner>,
    pub(crate) file: File,
    /// None once the entry is something else: another process may make one of the same name.
    name: Option<CString>,
}

impl Claim {
    /// Makes and locks an empty directory.
    pub(crate) fn directory(inner: &Arc<Inner>) -> Result<Self, Errno> {
        Self::make(inner, "", |active, name| {
            rustix::fs::mkdirat(active, name, Mode::RWXU)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(retry_on_intr(|| rustix::fs::openat(active, name, flags, Mode::empty()))?.into())
        })
    }

    /// Makes and locks an empty file.
    pub(crate) fn file(inner: &Arc<Inner>) -> Result<Self, Errno> {
        Self::make(inner, ".blob", |active, name| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(retry_on_intr(|| rustix::fs::openat(active, name, flags, Mode::RUSR | Mode::WUSR))?.into())
        })
    }

    fn make(
        inner: &Arc<Inner>,
        suffix: &str,
        create: impl Fn(BorrowedFd<'_>, &CStr) -> Result<File, Errno>,
    ) -> Result<Self, Errno> {
        loop {
            let name = fresh_name(inner, suffix);
            // A sweep may come between making and locking, and takes what is not locked: then it is made again.
            let file = match create(inner.active.as_fd(), &name) {
                Err(Errno::EXIST | Errno::NOENT) => continue,
                created => created?,
            };
            if try_lock(inner, &name, &file)? {
                return Ok(Self { inner: Arc::clone(inner), file, name: Some(name) });
            }
        }
    }

    /// Returns the path of the entry.
    pub(crate) fn path(&self) -> PathBuf {
        let name = self.name.as_deref().unwrap_or_default();
        self.inner.path("active").join(name.to_string_lossy().as_ref())
    }

    /// Moves the entry itself to another place, replacing a file there.
    pub(crate) fn move_to(&mut self, to: BorrowedFd<'_>, target: &str) -> Result<(), Errno> {
        if let Some(name) = &self.name {
            rustix::fs::renameat(&self.inner.active, name, to, target)?;
        }
        self.name = None;
        Ok(())
    }

    /// Has the entry removed beside what is done next. Until then it stays locked.
    pub(crate) fn leave_to_sweeper(&mut self) {
        let Some(name) = self.name.take() else { return };
        let lock = self.file.try_clone();
        match lock {
            Ok(lock) => self.inner.sweeper.take(Leftover { lock, name }),
            // Without a descriptor more it is done here.
            Err(_) => drop(remove::remove_entry(self.inner.active.as_fd(), &name)),
        }
    }

    /// Removes the entry and says how that went.
    pub(crate) fn remove_now(&mut self) -> Result<(), Errno> {
        match self.name.take() {
            Some(name) => remove::remove_entry(self.inner.active.as_fd(), &name),
            None => Ok(()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What cannot be removed now is tried again by the next sweep.
        let _ = self.remove_now();
    }
}

/// Takes something out of the store in one step: it becomes an entry of `active/` that belongs to nobody. `None`
/// where it was not there.
pub(crate) fn discard(inner: &Inner, from: BorrowedFd<'_>, name: &str) -> Result<Option<CString>, Errno> {
    loop {
        let target = fresh_name(inner, ".trash");
        match rustix::fs::renameat_with(from, name, &inner.active, &target, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(Some(target)),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes every entry of `active/` that belongs to nobody, and returns how many there were. What cannot be removed
/// stays for a later sweep, by a user who may.
pub(crate) fn sweep(inner: &Inner) -> u64 {
    let Ok(mut entries) = retry_on_intr(|| Dir::read_from(&inner.active)) else { return 0 };
    let mut removed = 0;
    while let Some(Ok(entry)) = entries.read() {
        let name = entry.file_name();
        if name != c"." && name != c".." && sweep_entry(inner, name).unwrap_or(false) {
            removed += 1;
        }
    }
    removed
}

/// Removes an entry of `active/` where it belongs to nobody.
pub(crate) fn sweep_entry(inner: &Inner, name: &CStr) -> Result<bool, Errno> {
    // NONBLOCK: what lies there might be a pipe, and opening it must not wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = retry_on_intr(|| rustix::fs::openat(&inner.active, name, flags, Mode::empty()))?.into();
    if !try_lock(inner, name, &file)? {
        return Ok(false);
    }
    remove::remove_entry(inner.active.as_fd(), name)?;
    Ok(true)
}

/// Locks an entry; `false` where another holds it or the name stands for something else by now.
fn try_lock(inner: &Inner, name: &CStr, file: &File) -> Result<bool, Errno> {
    match retry_on_intr(|| rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        locked => locked?,
    }
    let ours = rustix::fs::fstat(file)?;
    match rustix::fs::statat(&inner.active, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns a name that this handle has not used. Others may have (process ids come again), so who makes it insists
/// on being the first.
fn fresh_name(inner: &Inner, suffix: &str) -> CString {
    let number = inner.counter.fetch_add(1, Ordering::Relaxed);
    CString::new(format!("{}-{number}{suffix}", std::process::id())).expect("digits have no zero byte")
}
