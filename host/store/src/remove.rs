// SPDX-License-Identifier: Apache-2.0
//! Removes trees by descriptor: any depth, any mode bits, and never what is mounted inside.
//!
//! Overlay leaves work directories with mode 000, package tools leave read-only ones, and a crashed process can leave
//! mounts. `std::fs::remove_dir_all` stops at the first two and would empty the third.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

/// Levels that are entered by recursion. What lies deeper is first moved up, so neither the stack nor the number of
/// open files grows with the depth of a tree.
const DEEPEST: usize = 48;

/// Removes the entry `name` of a directory, whatever it is. An entry that is not there is no error.
///
/// A link is removed, not followed. A mount point anywhere below ends the removal with `EBUSY` or `EXDEV`, and what
/// is mounted there stays untouched.
pub(crate) fn remove_entry(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match unlink(parent, name) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    let mount = mount_of(parent)?;
    let top = match open_directory(parent, name, mount) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    let mut walk = Walk { top: top.as_fd(), mount, moved: 0 };
    walk.remove_directory(parent, name, top.as_fd(), 0)
}

struct Walk<'a> {
    top: BorrowedFd<'a>,
    mount: u64,
    moved: u64,
}

impl Walk<'_> {
    fn remove_directory(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        directory: BorrowedFd<'_>,
        depth: usize,
    ) -> Result<(), Errno> {
        loop {
            self.empty(directory, depth)?;
            // Not empty: something was moved up to here, or the file system skipped entries while others went away.
            match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(Errno::ACCESS | Errno::PERM) => {
                    make_writable(parent)?;
                    return rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        let mut entries = retry_on_intr(|| Dir::read_from(directory))?;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if entry.file_type() != FileType::Directory {
                match unlink(directory, name) {
                    Ok(()) | Err(Errno::NOENT) => continue,
                    Err(Errno::ISDIR) => {}
                    Err(error) => return Err(error),
                }
            }
            if depth >= DEEPEST {
                self.move_up(directory, name)?;
            } else {
                let child = open_directory(directory, name, self.mount)?;
                self.remove_directory(directory, name, child.as_fd(), depth + 1)?;
            }
        }
        Ok(())
    }

    /// Moves a directory to the top of the tree, where a later turn of the outermost loop finds it.
    fn move_up(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        // Moving a directory rewrites its `..`, which needs the right to write to it.
        drop(
            open_directory(directory, name, self.mount)
                .and_then(|child| make_writable(child.as_fd()).map(|()| child))?,
        );
        loop {
            self.moved += 1;
            let target = format!(".moved-{}", self.moved);
            match rustix::fs::renameat_with(directory, name, self.top, &target, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                Err(Errno::ACCESS) => make_writable(directory)?,
                result => return result,
            }
        }
    }
}

/// Unlinks an entry that is no directory; `EISDIR` says that it is one.
fn unlink(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ACCESS | Errno::PERM) => {}
        result => return result,
    }
    // POSIX lets unlinking a directory fail with EPERM, and a read-only parent answers EACCES for everything.
    let found = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    make_writable(parent)?;
    rustix::fs::unlinkat(parent, name, AtFlags::empty())
}

/// Opens a directory for reading, giving ourselves the right to do so; `EXDEV` where it is a mount point.
fn open_directory(parent: BorrowedFd<'_>, name: &CStr, mount: u64) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| retry_on_intr(|| rustix::fs::openat(parent, name, flags, Mode::empty()));
    let directory = match open(flags) {
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let pinned = open(flags)?;
            same_mount(pinned.as_fd(), mount)?;
            // The path through /proc reaches exactly the pinned directory; `fchmod` refuses O_PATH descriptors.
            rustix::fs::chmod(format!("/proc/self/fd/{}", pinned.as_raw_fd()), Mode::RWXU)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            retry_on_intr(|| rustix::fs::openat(&pinned, c".", flags, Mode::empty()))?
        }
        opened => opened?,
    };
    same_mount(directory.as_fd(), mount)?;
    Ok(directory)
}

fn same_mount(directory: BorrowedFd<'_>, mount: u64) -> Result<(), Errno> {
    if mount_of(directory)? == mount { Ok(()) } else { Err(Errno::XDEV) }
}

/// Returns the id of the mount that a file was reached through. Bind mounts of one file system differ in it, not in
/// their device number.
fn mount_of(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    Ok(rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id)
}

fn make_writable(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::fs::fchmod(directory, Mode::RWXU)
}

#[cfg(test)]
mod tests;
