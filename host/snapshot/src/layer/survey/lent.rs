// SPDX-License-Identifier: Apache-2.0
//! What the host lends to a run (certificates, name resolution) must not become part of a layer.
//!
//! A step that changes the attributes of a lent file makes overlay copy it up, the host's bytes with it: such a file is
//! dropped. A step that appends to it gets what it wrote appended to the file of the layer below instead.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Mode, OFlags, Stat};

use super::equal::common_prefix;
use crate::disk;

/// How a file of the upper directory relates to the host's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lent {
    /// It is the host's.
    Same,
    /// It is the host's up to here, and the step's from here on.
    Appended(u64),
    /// It is the step's.
    Other,
}

/// Compares the file `name` of both directories.
pub(super) fn compare(upper: BorrowedFd<'_>, plumbing: BorrowedFd<'_>, name: &[u8]) -> io::Result<Lent> {
    let mut ours = File::from(disk::open_file(upper, name)?);
    let mut lent = File::from(disk::open_file(plumbing, name)?);
    let prefix = common_prefix(&mut ours, &mut lent)?;
    Ok(match (prefix.first_ends, prefix.second_ends) {
        (true, true) => Lent::Same,
        // Everything begins with an empty file; that says nothing about where it came from.
        (false, true) if prefix.length > 0 => Lent::Appended(prefix.length),
        _ => Lent::Other,
    })
}

/// Returns whether both are links that say the same.
pub(super) fn is_same_link(
    upper: BorrowedFd<'_>,
    plumbing: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
    lent: &Stat,
) -> io::Result<bool> {
    let both_links = disk::kind(stat) == FileType::Symlink && disk::kind(lent) == FileType::Symlink;
    Ok(both_links && disk::read_link(upper, name)? == disk::read_link(plumbing, name)?)
}

/// Replaces the first `at` bytes of the upper file by the file of the layer below, or by nothing where there is none.
pub(super) fn restore(upper: BorrowedFd<'_>, below: Option<BorrowedFd<'_>>, name: &[u8], at: u64) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(upper, name, flags, Mode::empty())?);
    let scratch = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mut appended = File::from(rustix::fs::openat(upper, ".", scratch, Mode::RUSR | Mode::WUSR)?);
    file.seek(SeekFrom::Start(at))?;
    io::copy(&mut file, &mut appended)?;
    file.set_len(0)?;
    file.rewind()?;
    if let Some(below) = below {
        let mut original = File::from(disk::open_file(below, name)?);
        io::copy(&mut original, &mut file)?;
        copy_attributes(&original, &file)?;
    }
    appended.rewind()?;
    io::copy(&mut appended, &mut file)?;
    Ok(())
}

/// Gives a file the owner and mode of another one.
fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let stat = rustix::fs::fstat(from)?;
    disk::set_owner(to.as_fd(), (stat.st_uid, stat.st_gid))?;
    disk::set_mode(to.as_fd(), stat.st_mode)
}
