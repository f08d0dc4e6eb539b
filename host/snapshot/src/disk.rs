// SPDX-License-Identifier: Apache-2.0
//! Files by descriptor and one component at a time: nothing here follows a link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::{Errno, retry_on_intr};
use wythe_sys::root::Root;
use wythe_sys::userns::is_initial;

/// Mode bits that `chmod` can set.
pub(crate) const MODE_BITS: u32 = 0o7777;

/// Opens a directory by its path on the machine. Only for paths that the host itself made.
pub(crate) fn open_path(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
}

/// Opens the directory `name` of `dir`.
pub(crate) fn open_dir(dir: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(&dir, name, flags, Mode::empty()))?)
}

/// Opens the regular file `name` of `dir` for reading, without leaving a trace in its access time where that is allowed.
pub(crate) fn open_file(dir: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let dir = dir.as_fd();
    let open = |flags| retry_on_intr(|| rustix::fs::openat(dir, name, flags, Mode::empty()));
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => Ok(open(flags)?),
        result => Ok(result?),
    }
}

/// Returns what `name` of `dir` is, or none where there is nothing.
pub(crate) fn look(dir: impl AsFd, name: &[u8]) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the names in a directory, sorted by their bytes.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in retry_on_intr(|| Dir::read_from(&dir))? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Returns what the link `name` of `dir` says.
pub(crate) fn read_link(dir: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    Ok(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes())
}

/// Removes `name` of `dir`, which is no directory.
pub(crate) fn unlink(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
}

/// Removes the empty directory `name` of `dir`.
pub(crate) fn remove_dir(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

/// Removes `name` of `dir` with all that is in it. Crosses no link, and is as deep as need be.
pub(crate) fn remove_tree(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Root::from_fd(dir.try_clone_to_owned()?).remove_tree(&path_of(name))
}

/// The times to set for a modification time, with the access time left alone.
fn modified(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}

/// Sets the modification time of `name` of `dir`, of the link itself where it is one.
pub(crate) fn set_time_at(dir: impl AsFd, name: &[u8], seconds: i64) -> io::Result<()> {
    Ok(rustix::fs::utimensat(dir, name, &modified(seconds), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets the modification time of an open file or directory.
pub(crate) fn set_time(file: impl AsFd, seconds: i64) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &modified(seconds))?)
}

/// Sets the owner of an open file or directory.
pub(crate) fn set_owner(file: impl AsFd, owner: (u32, u32)) -> io::Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    rustix::fs::fchown(file, uid, gid).map_err(|error| explained(error, owner))
}

/// Says of an owner that the kernel refuses why it does: a user namespace has only the ids that are mapped into it. To
/// put another owner in its place would give a layer other bytes than it has everywhere else.
fn explained(error: Errno, (uid, gid): (u32, u32)) -> io::Error {
    if error != Errno::INVAL || is_initial() {
        return error.into();
    }
    let what = format!("the owner {uid}:{gid} does not exist for an ordinary user: no subordinate id is mapped to it");
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// Sets the owner of `name` of `dir`, of the link itself where it is one.
pub(crate) fn set_owner_at(dir: impl AsFd, name: &[u8], owner: (u32, u32)) -> io::Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    rustix::fs::chownat(dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| explained(error, owner))
}

/// Sets the mode bits of an open file or directory.
pub(crate) fn set_mode(file: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode & MODE_BITS))?)
}

/// Sets the mode bits of `name` of `dir`, which is no link.
pub(crate) fn set_mode_at(dir: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmodat(dir, name, Mode::from_raw_mode(mode & MODE_BITS), AtFlags::empty())?)
}

/// Returns the type of a file.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Returns whether this is how overlay marks that a name of a lower layer is gone: a character device 0:0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    kind(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Makes the mark that a name of a lower layer is gone.
pub(crate) fn make_whiteout(dir: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0)?)
}

/// How deeply directories may be nested. Each level costs up to three descriptors and a stack frame; trees of real
/// software stay below 40, and a name of more than 4,096 bytes cannot be extracted anywhere.
const MAX_DEPTH: usize = 128;

/// Refuses trees that are nested too deeply: a defence against trees made to exhaust the machine.
pub(crate) fn check_depth(depth: usize) -> io::Result<()> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "directories are nested more than 128 deep"))
}

/// Returns a path for messages.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
