// SPDX-License-Identifier: Apache-2.0
//! The directory that a store is: whose it is, what must lie in it, and what must not.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Access, AtFlags, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::{DIRECTORIES, NEEDED, OpenError};
use crate::{index, roll, schema};

/// Opens the directory, made with mode 0700 where it was not there.
pub(super) fn open_root(root: &Path) -> Result<File, OpenError> {
    let opened = match File::open(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(root)
                .map_err(|source| OpenError::Create { path: root.to_owned(), source })?;
            File::open(root)
        }
        opened => opened,
    };
    let fail = |source| OpenError::Open { path: root.to_owned(), source };
    let handle = opened.map_err(fail)?;
    let metadata = handle.metadata().map_err(fail)?;
    if !metadata.is_dir() {
        return Err(fail(io::Error::from(Errno::NOTDIR)));
    }
    if metadata.mode() & 0o077 != 0 {
        // Logs and caches may say more than others should read. A directory of somebody else stays as it is.
        let _ = rustix::fs::fchmod(&handle, Mode::RWXU);
    }
    Ok(handle)
}

/// Asks beforehand, since SQLite silently reads where it cannot write.
pub(super) fn check_writable(root: &Path, handle: &File) -> Result<(), OpenError> {
    for name in [".", index::FILE] {
        match rustix::fs::accessat(handle, name, Access::WRITE_OK, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => {
                let path = if name == "." { root.to_owned() } else { root.join(name) };
                return Err(OpenError::NotWritable { path, source: error.into() });
            }
        }
    }
    Ok(())
}

/// The index is made with a store, by who will own its layers. The directory itself may come from an administrator.
pub(super) fn check_owner(root: &Path, handle: &File) -> Result<(), OpenError> {
    match rustix::fs::statat(handle, index::FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if found.st_uid != rustix::process::geteuid().as_raw() => {
            Err(OpenError::OfAnother { path: root.to_owned(), owner: found.st_uid })
        }
        // What is not there yet is about to be made, and what cannot be looked at will not be opened either.
        _ => Ok(()),
    }
}

/// A directory without an index may hold what a store's first moments left, and nothing else: what is not ours must
/// never come near a collection.
pub(super) fn refuse_other_things(root: &Path) -> Result<(), OpenError> {
    let fail = |source| OpenError::Open { path: root.to_owned(), source };
    for entry in std::fs::read_dir(root).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if !DIRECTORIES.contains(&name.as_str()) && !name.starts_with(index::FILE) && !name.starts_with(roll::FILE) {
            return Err(OpenError::NotAStore { path: root.to_owned(), entry: name });
        }
    }
    Ok(())
}

/// An index without the directories that are made before it is somebody else's, and nothing to be made again. An empty one
/// is what a store's first moments may leave.
pub(super) fn refuse_another_index(root: &Path) -> Result<(), OpenError> {
    let mut is_ours = true;
    for name in DIRECTORIES.iter().take(NEEDED) {
        is_ours &= look(&root.join(name))?.is_some_and(|found| found.is_dir());
    }
    if is_ours {
        return Ok(());
    }
    if look(&root.join(index::FILE))?.is_some_and(|found| found.len() == 0) {
        return make_directories(root);
    }
    match index::format_of(&root.join(index::FILE)) {
        Some(found) if found > schema::FORMAT => {
            Err(OpenError::Newer { path: root.to_owned(), found, known: schema::FORMAT })
        }
        _ => Err(OpenError::NotAStore { path: root.to_owned(), entry: index::FILE.to_owned() }),
    }
}

/// Looks at a part of a store, following links; none where there is nothing.
fn look(path: &Path) -> Result<Option<std::fs::Metadata>, OpenError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Open { path: path.to_owned(), source }),
    }
}

pub(super) fn make_directories(root: &Path) -> Result<(), OpenError> {
    for name in DIRECTORIES {
        let path = root.join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(OpenError::NotWritable { path, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Opens a directory of the store, which must not be a link: content would leave the file system that is synced.
pub(super) fn open_part(root: &Path, handle: &File, name: &str) -> Result<OwnedFd, OpenError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || retry_on_intr(|| rustix::fs::openat(handle, name, flags, Mode::empty()));
    let opened = match open() {
        Err(Errno::NOENT) => {
            make_directories(root)?;
            open()
        }
        opened => opened,
    };
    opened.map_err(|error| OpenError::Open { path: root.join(name), source: error.into() })
}

/// Makes a directory that steps of any user look into: mode 0755, whatever the umask. One that is there stays as it is. So it is
/// made where somebody has removed the part of the store that it is in, to free room.
pub(crate) fn ensure_shared_directory(path: &Path) -> io::Result<()> {
    let made = match (std::fs::create_dir(path), path.parent()) {
        (Err(error), Some(part)) if error.kind() == io::ErrorKind::NotFound => {
            match DirBuilder::new().mode(0o700).create(part) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => std::fs::create_dir(path),
            }
        }
        (made, _) => made,
    };
    match made {
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
