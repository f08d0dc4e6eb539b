// SPDX-License-Identifier: Apache-2.0
//! Files below one directory, whatever the names say.
//!
//! A [`Root`] resolves every name as if its directory were `/`: `..` stops there, an absolute link leads back to it,
//! and the links of `/proc` that jump elsewhere are refused. Somebody who changes the tree while it is being used can
//! make an operation fail or meet another file of the same tree, and nothing more.

use std::ffi::{OsStr, OsString};
use std::fs::{File, FileType, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

mod remove;
#[cfg(test)]
mod tests;

/// How often a resolution is tried again that the kernel gave up because somebody renamed directories meanwhile.
const RACES: usize = 256;

/// A directory that acts as `/` for the names given to it.
#[derive(Debug)]
pub struct Root(OwnedFd);

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last component of its path.
    pub name: OsString,
    /// What it is; links are not followed.
    pub kind: FileType,
}

impl Root {
    /// Opens a directory of the host, following links.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?))
    }

    /// Uses a descriptor of a directory, such as a detached mount.
    #[must_use]
    pub const fn from_fd(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// The descriptor of the directory.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The descriptor itself, and no root any more.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// The root that `path` names inside this one, following links.
    pub fn descend(&self, path: &Path) -> io::Result<Self> {
        Ok(Self(self.resolve(path, OFlags::PATH | OFlags::DIRECTORY)?))
    }

    /// A descriptor that refers to what `path` names and allows no reading, following links.
    pub fn locate(&self, path: &Path) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::PATH)
    }

    /// Opens a regular file for reading, following links. Anything else is [`io::ErrorKind::InvalidInput`].
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        // A pipe in place of the file must not make us wait for a writer.
        let file = File::from(self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(invalid("not a regular file")) }
    }

    /// Opens a directory for reading, following links.
    pub fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Creates a regular file with exactly this mode and opens it for writing and reading. What had the name is
    /// replaced, also a link, which is not followed; a directory is not, and is an error.
    pub fn create_file(&self, path: &Path, mode: u32) -> io::Result<File> {
        let (directory, name) = self.parent(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..RACES {
            match retry_on_intr(|| rustix::fs::openat(&directory, &name, flags, Mode::RUSR | Mode::WUSR)) {
                Ok(fd) => {
                    rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
                    return Ok(File::from(fd));
                }
                Err(Errno::EXIST) => unlink_present(&directory, &name)?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Reads a whole regular file, following links. A file longer than `limit` is [`io::ErrorKind::FileTooLarge`].
    pub fn read_bounded(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open_file(path)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(content) }
    }

    /// The metadata of what `path` names, following links.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        File::from(self.resolve(path, OFlags::PATH)?).metadata()
    }

    /// The metadata of what `path` names; a link as last component is not followed.
    pub fn symlink_metadata(&self, path: &Path) -> io::Result<Metadata> {
        File::from(self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW)?).metadata()
    }

    /// The target of a link.
    pub fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let link = self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        Ok(OsString::from_vec(rustix::fs::readlinkat(link, "", Vec::new())?.into_bytes()).into())
    }

    /// Whether there is something at `path`, and no link on the way to it or in its place.
    pub fn is_without_links(&self, path: &Path) -> bool {
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        // What a race with somebody else makes of it is found out by who cannot do without an answer.
        rustix::fs::openat2(&self.0, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), inside).is_ok()
    }

    /// The entries of a directory in the order of the bytes of their names, without `.` and `..`.
    pub fn read_dir(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let directory = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        // The standard library reads a directory by path only; this path is our own descriptor.
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(crate::mount::name_of(&directory))? {
            let entry = entry?;
            entries.push(Entry { name: entry.file_name(), kind: entry.file_type()? });
        }
        entries.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(entries)
    }

    /// Creates a directory and the directories above it, and opens it. Those it creates get exactly this mode; those
    /// that exist are left as they are, also when they are reached through links.
    pub fn mkdir_all(&self, path: &Path, mode: u32) -> io::Result<OwnedFd> {
        let open = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.resolve(path, open) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let mut reached = PathBuf::new();
        let mut current = self.resolve(&reached, open)?;
        for component in path.components() {
            reached.push(match component {
                Component::Normal(_) | Component::ParentDir => component.as_os_str(),
                _ => continue,
            });
            current = match self.resolve(&reached, open) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_directory(&current, component.as_os_str(), mode)?;
                    self.resolve(&reached, open)?
                }
                result => result?,
            };
        }
        Ok(current)
    }

    /// The directory that holds the last component of `path`, and that component. Links before it are followed.
    pub fn parent(&self, path: &Path) -> io::Result<(OwnedFd, OsString)> {
        let name = path.file_name().ok_or_else(|| invalid("the path has no last component"))?;
        let directory = self.resolve(path.parent().unwrap_or(Path::new("")), OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok((directory, name.to_owned()))
    }

    /// Creates a link at `path`. What had the name is replaced, unless it is a directory, which is an error.
    pub fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        for _ in 0..RACES {
            match rustix::fs::symlinkat(target, &directory, &name) {
                Err(Errno::EXIST) => unlink_present(&directory, &name)?,
                result => return Ok(result?),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Removes what `path` names: a directory with all below it, anything else by itself, a link without following
    /// it. Nothing below a mount point is touched; meeting one is [`io::ErrorKind::CrossesDevices`].
    pub fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        remove::remove_tree(&directory, &name)
    }

    /// Opens what `path` names, resolved inside the root.
    pub fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..RACES {
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), inside) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn make_directory(parent: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        // Somebody else made it meanwhile: then its mode is theirs.
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = retry_on_intr(|| rustix::fs::openat(parent, name, flags, Mode::empty()))?;
            Ok(rustix::fs::fchmod(made, Mode::from_raw_mode(mode))?)
        }
    }
}

/// Removes a name that stands in the way. That it is gone already is fine.
fn unlink_present(directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
