// SPDX-License-Identifier: Apache-2.0
//! Changes of a directory of the merged tree, each in the form in which overlay stores it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Found, Level, Other, Place};
use crate::disk;
use crate::xattrs;

impl Place {
    /// Returns whether something below has this name, and whether it is a directory.
    fn hidden(&self, name: &[u8]) -> io::Result<Option<FileType>> {
        let Some(below) = &self.level().below else { return Ok(None) };
        let stat = disk::look(below, name)?.filter(|stat| !disk::is_whiteout(stat));
        Ok(stat.map(|stat| disk::kind(&stat)))
    }

    /// Returns whether a name is marked as gone.
    pub(crate) fn is_marked(&self, name: &[u8]) -> io::Result<bool> {
        let Some(upper) = self.level().upper.get() else { return Ok(false) };
        Ok(disk::look(upper, name)?.is_some_and(|stat| disk::is_whiteout(&stat)))
    }

    /// Makes a directory that is not there, owned by root.
    pub(crate) fn make_directory(&self, name: &[u8], mode: u32) -> io::Result<Self> {
        let upper = self.upper()?;
        let mut was_marked = false;
        match rustix::fs::mkdirat(upper, name, Mode::RWXU) {
            Err(Errno::EXIST) if self.is_marked(name)? => {
                was_marked = true;
                disk::unlink(upper, name)?;
                rustix::fs::mkdirat(upper, name, Mode::RWXU)?;
            }
            result => result?,
        }
        let made = disk::open_dir(upper, name)?;
        let hides = match self.level().below {
            Some(_) => self.hidden(name)? == Some(FileType::Directory),
            // A layer by itself does not know what its mark was for.
            None => was_marked,
        };
        if hides {
            xattrs::set_opaque(&made)?;
        }
        // A directory with the set-group-id bit hands its group and that bit down.
        disk::set_owner(&made, (0, 0))?;
        disk::set_mode(&made, mode)?;
        Ok(self.with(Level { name: name.to_vec(), upper: OnceLock::from(made), below: None }))
    }

    /// Makes something that is no directory with `make`, in place of what is there. A directory gives way only
    /// when it is empty.
    fn make_other<T>(&self, name: &[u8], make: impl Fn(BorrowedFd<'_>) -> rustix::io::Result<T>) -> io::Result<T> {
        let upper = self.upper()?;
        // What is below needs no mark: what is made hides it. Only a directory may not be hidden unseen.
        if let Some(FileType::Directory) = self.hidden(name)? {
            self.clear(name)?;
        }
        match make(upper) {
            Err(Errno::EXIST) => {
                self.clear(name)?;
                Ok(make(upper)?)
            }
            result => Ok(result?),
        }
    }

    /// Removes what is in the way of something that is no directory.
    fn clear(&self, name: &[u8]) -> io::Result<()> {
        if let Found::Directory(inner) = self.look(name)?
            && !inner.names()?.is_empty()
        {
            return Err(Errno::ISDIR.into());
        }
        match disk::remove_tree(self.upper()?, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Makes an empty file, owned by whoever runs this, and opens it for writing.
    pub(crate) fn make_file(&self, name: &[u8], mode: u32) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.make_other(name, |upper| rustix::fs::openat(upper, name, flags, Mode::from_raw_mode(mode & 0o777)))
    }

    /// Makes a link that says `target`.
    pub(crate) fn make_link(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        self.make_other(name, |upper| rustix::fs::symlinkat(target, upper, name))
    }

    /// Makes a named pipe.
    pub(crate) fn make_fifo(&self, name: &[u8]) -> io::Result<()> {
        let mode = Mode::RUSR | Mode::WUSR;
        self.make_other(name, |upper| rustix::fs::mknodat(upper, name, FileType::Fifo, mode, 0))
    }

    /// Gives what is `target` of `from` another name. A link is not followed.
    pub(crate) fn make_hard_link(&self, name: &[u8], from: &Self, target: &[u8]) -> io::Result<()> {
        from.lift(target)?;
        let from = from.upper()?;
        if let (Some(one), Some(other)) = (disk::look(from, target)?, disk::look(self.upper()?, name)?)
            && (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
        {
            return Ok(());
        }
        self.make_other(name, |upper| rustix::fs::linkat(from, target, upper, name, AtFlags::empty()))
    }

    /// Copies a file or link from below into the upper directory, if it is not there.
    fn lift(&self, name: &[u8]) -> io::Result<()> {
        let stat = match self.look(name)? {
            Found::Other(Other { stat, is_upper: false }) => stat,
            Found::Other(_) => return Ok(()),
            Found::Directory(_) => return Err(Errno::ISDIR.into()),
            Found::Nothing => return Err(Errno::NOENT.into()),
        };
        let (below, upper) = (self.side(false)?, self.upper()?);
        match disk::kind(&stat) {
            FileType::Symlink => self.make_link(name, &disk::read_link(below, name)?)?,
            FileType::RegularFile => {
                let from = disk::open_file(below, name)?;
                let to = self.make_file(name, 0o600)?;
                io::copy(&mut std::fs::File::from(from.try_clone()?), &mut std::fs::File::from(to.try_clone()?))?;
                return crate::normalise::take_attributes(to.as_fd(), from.as_fd());
            }
            _ => return Err(Errno::INVAL.into()),
        }
        disk::set_owner_at(upper, name, (stat.st_uid, stat.st_gid))?;
        disk::set_time_at(upper, name, stat.st_mtime)
    }

    /// Removes a name with all that is in it. Returns whether there was something.
    pub(crate) fn remove(&self, name: &[u8]) -> io::Result<bool> {
        if let Found::Nothing = self.look(name)? {
            return Ok(false);
        }
        let is_hidden = self.hidden(name)?.is_some();
        let upper = self.upper()?;
        match disk::remove_tree(upper, name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if is_hidden {
            disk::make_whiteout(upper, name)?;
        }
        Ok(true)
    }
}
