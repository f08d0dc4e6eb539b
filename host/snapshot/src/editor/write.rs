// SPDX-License-Identifier: Apache-2.0
//! How files, links and directories get their content and attributes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use wythe_sys::cancel::Cancel;

use super::Editor;
use crate::disk;
use crate::union::{Missing, Place};
use crate::xattrs::{self, Xattr};

/// Bytes moved at a time.
const BUFFER: usize = 512 * 1024;

/// From this length on the kernel is asked to move the bytes: twice as fast as reading and writing them, and free where the file
/// system shares extents. Below, the calls cost more than the bytes.
const LARGE: u64 = 128 * 1024;

/// Most that the kernel moves before somebody may stop it.
const PIECE: u64 = 64 << 20;

/// What something written looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looks {
    pub(super) owner: (u32, u32),
    pub(super) mode: u32,
    /// Seconds since 1970, at most the build's time.
    pub(super) time: i64,
    pub(super) xattrs: Vec<Xattr>,
}

/// Writes the contents of files; each thread has its own.
#[derive(Debug)]
pub(super) struct Writer {
    buffer: Vec<u8>,
    /// Ends long edits.
    pub(super) cancel: Option<Cancel>,
}

impl Writer {
    pub(super) fn new(cancel: Option<Cancel>) -> Self {
        Self { buffer: vec![0; BUFFER], cancel }
    }

    /// Writes a file of exactly `size` bytes.
    pub(super) fn write_file(
        &mut self,
        place: &Place,
        name: &[u8],
        content: &mut dyn Read,
        size: u64,
        looks: &Looks,
    ) -> io::Result<()> {
        self.check_stop()?;
        let mut file = File::from(place.make_file(name, looks.mode)?);
        let mut left = size;
        while left > 0 {
            self.check_stop()?;
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let got = match content.read(&mut self.buffer[..want]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            file.write_all(&self.buffer[..got])?;
            left -= got as u64;
        }
        finish(file.as_fd(), looks)
    }

    /// Writes a file with `size` bytes of another one, from where that stands.
    pub(super) fn write_copy(
        &mut self,
        place: &Place,
        name: &[u8],
        from: &mut File,
        size: u64,
        looks: &Looks,
    ) -> io::Result<()> {
        if size < LARGE {
            return self.write_file(place, name, from, size, looks);
        }
        let to = place.make_file(name, looks.mode)?;
        let mut left = size;
        while left > 0 {
            self.check_stop()?;
            match move_bytes(from.as_fd(), to.as_fd(), left.min(PIECE))? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                moved => left -= moved,
            }
        }
        finish(to.as_fd(), looks)
    }

    fn check_stop(&self) -> io::Result<()> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => Err(io::Error::other("stopped")),
            _ => Ok(()),
        }
    }
}

impl Editor {
    /// Writes a symbolic link.
    pub(super) fn write_link(&mut self, place: &Place, name: &[u8], target: &[u8], looks: &Looks) -> io::Result<()> {
        place.make_link(name, target)?;
        // Paths that went through what was here before may lead elsewhere now.
        self.tree.forget();
        let upper = place.upper()?;
        disk::set_owner_at(upper, name, looks.owner)?;
        disk::set_time_at(upper, name, looks.time)
    }

    /// Makes a named pipe.
    pub(super) fn write_fifo(&mut self, place: &Place, name: &[u8], looks: &Looks) -> io::Result<()> {
        place.make_fifo(name)?;
        let upper = place.upper()?;
        disk::set_owner_at(upper, name, looks.owner)?;
        disk::set_mode_at(upper, name, looks.mode)?;
        disk::set_time_at(upper, name, looks.time)
    }

    /// Gives a directory its attributes. Its time follows when nothing more is put into it.
    pub(super) fn dress(&mut self, place: &Place, looks: &Looks) -> io::Result<()> {
        let dir = place.upper()?;
        disk::set_owner(dir, looks.owner)?;
        disk::set_mode(dir, looks.mode)?;
        xattrs::write(dir, &looks.xattrs)?;
        self.times.insert(place.path(), looks.time);
        Ok(())
    }

    /// Sets the times of the directories that were written to.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        for path in self.tree.take_made() {
            self.times.entry(path).or_insert(self.parent_time);
        }
        for (path, time) in std::mem::take(&mut self.times) {
            match self.tree.directory(&path, Missing::Fail) {
                Ok(place) if place.path() == path => disk::set_time(place.upper()?, time)?,
                // A later entry has replaced it, maybe by a link to another directory.
                Ok(_) => {}
                Err(error) if super::is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Has the kernel move bytes from one file to another. Returns how many; none at the end of the source.
fn move_bytes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, count: u64) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match rustix::fs::copy_file_range(from, None, to, None, count) {
        // Between file systems, and on those that cannot.
        Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) | Ok(0) => {
            Ok(rustix::fs::sendfile(to, from, None, count)? as u64)
        }
        result => Ok(result? as u64),
    }
}

/// Gives a new file its attributes, each with a call only where it is not already so.
///
/// Changing the owner clears the set-id bits and capabilities, so they come after it.
fn finish(file: BorrowedFd<'_>, looks: &Looks) -> io::Result<()> {
    let stat = rustix::fs::fstat(file)?;
    let is_own = (stat.st_uid, stat.st_gid) == looks.owner;
    if !is_own {
        disk::set_owner(file, looks.owner)?;
    }
    if stat.st_mode & disk::MODE_BITS != looks.mode || (!is_own && looks.mode & 0o7000 != 0) {
        disk::set_mode(file, looks.mode)?;
    }
    xattrs::write(file, &looks.xattrs)?;
    disk::set_time(file, looks.time)
}
