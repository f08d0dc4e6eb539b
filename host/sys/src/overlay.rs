// SPDX-License-Identifier: Apache-2.0
//! One file system made of layer directories.
//!
//! The result is a *detached* mount: a descriptor that serves as a directory handle, can be attached in a mount
//! namespace, and unmounts itself when it is closed. Device nodes inside are inert (`nodev`), whoever makes them.
//!
//! Options that would make an upper directory more than a plain diff are off: no redirects, no metadata-only copies,
//! no index. A directory of a lower layer therefore cannot be renamed in one piece (`EXDEV`; `mv` copies instead).
//!
//! A writable overlay is `volatile`: `fsync` inside it does nothing, and unmounting it does not flush the whole disk.
//! Durability is the business of whoever keeps the upper directory (see [`crate::fsync`]), and an upper directory that
//! was mounted when the machine went down must not be used again.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, open_tree,
};
use serde::{Deserialize, Serialize};

mod classic;
mod foundations;
mod nested;
#[cfg(test)]
mod tests;

pub use foundations::Foundations;

/// How many lower directories the kernel stacks (`OVL_MAX_STACK`).
const MAX_STACK: usize = 500;

/// How many lower directories an overlay can have: a full stack, whose lowest directory is a full stack.
pub const MAX_LOWERS: usize = 2 * MAX_STACK - 1;

/// The longest string that `fsconfig` takes, without its final zero byte.
const MAX_VALUE: usize = 255;

/// Directories that together are one file system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Layers that are only read, the lowest first. At least one, at most [`MAX_LOWERS`]. One that is there twice counts
    /// once, at its highest place: all that it shows lower down is hidden by itself.
    pub lowers: Vec<PathBuf>,
    /// Where changes go; `None` makes the mount read-only.
    pub upper: Option<PathBuf>,
    /// Scratch space of the kernel, on the file system of `upper`; needed when there is an `upper`.
    pub work: Option<PathBuf>,
}

/// Why an overlay was not mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// An overlay needs something to lie over.
    #[error("an overlay without a lower directory")]
    NoLower,
    /// More than the kernel stacks.
    #[error("{count} lower directories, and the kernel stacks at most {most}")]
    TooManyLowers {
        /// How many there are.
        count: usize,
        /// How many this kernel takes: before 6.7, half as many.
        most: usize,
    },
    /// `upper` and `work` go together.
    #[error("an overlay with an upper directory needs a work directory, and the other way round")]
    UpperWithoutWork,
    /// A directory could not become a part of the overlay.
    #[error("cannot use `{path}` as {role} of an overlay", path = path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// `lower directory`, `upper directory` or `work directory`.
        role: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel refused a step that concerns no single directory.
    #[error("cannot mount an overlay: {stage} refused{said}")]
    Refused {
        /// The system call.
        stage: &'static str,
        /// The kernel's own words, with a leading colon, when it had any.
        said: String,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl Overlay {
    /// Mounts the overlay, attached nowhere. One lower directory without an upper one becomes a read-only view of it.
    pub fn mount(&self) -> Result<OwnedFd, MountError> {
        let (upper, work) = (self.upper.clone(), self.work.clone());
        Self { lowers: without_repeats(&self.lowers), upper, work }.mount_distinct()
    }

    /// As [`Self::mount`], of lower directories each of which is there once.
    fn mount_distinct(&self) -> Result<OwnedFd, MountError> {
        self.check()?;
        if let ([lower], None) = (self.lowers.as_slice(), &self.upper) {
            return view(lower);
        }
        if !can_add_lowers() {
            classic::mount_in_private(self)
        } else if self.lowers.len() > MAX_STACK {
            nested::mount_in_private(self)
        } else {
            self.mount_by_descriptor()
        }
    }

    fn check(&self) -> Result<(), MountError> {
        let most = if can_add_lowers() { MAX_LOWERS } else { MAX_STACK };
        match self.lowers.len() {
            0 => return Err(MountError::NoLower),
            count if count > most => return Err(MountError::TooManyLowers { count, most }),
            _ => {}
        }
        if self.upper.is_some() != self.work.is_some() {
            return Err(MountError::UpperWithoutWork);
        }
        Ok(())
    }

    fn mount_by_descriptor(&self) -> Result<OwnedFd, MountError> {
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(refused("fsopen", String::new))?;
        for lower in self.lowers.iter().rev() {
            append(&fs, "lowerdir+", lower, LOWER)?;
        }
        if let (Some(upper), Some(work)) = (&self.upper, &self.work) {
            append(&fs, "upperdir", upper, UPPER)?;
            append(&fs, "workdir", work, WORK)?;
            forget_volatile(work)?;
            fsconfig_set_flag(&fs, "volatile").map_err(refused("volatile", || log_of(&fs)))?;
        }
        for (key, value) in PLAIN_DIFF {
            fsconfig_set_string(&fs, *key, *value).map_err(refused(key, || log_of(&fs)))?;
        }
        if !crate::userns::is_initial() {
            fsconfig_set_flag(&fs, "userxattr").map_err(refused("userxattr", || log_of(&fs)))?;
        }
        fsconfig_create(&fs).map_err(refused("fsconfig", || log_of(&fs)))?;
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV;
        if self.upper.is_none() {
            attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(refused("fsmount", String::new))
    }
}

/// Leaves of each directory the highest place, since the kernel takes none twice.
fn without_repeats(lowers: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<PathBuf> = lowers.iter().rev().filter(|lower| seen.insert(lower.as_os_str())).cloned().collect();
    kept.reverse();
    kept
}

/// Whether lower directories can be added one by one: since 6.7. Trying would not tell: older kernels take any option and
/// refuse all of them together in the end.
fn can_add_lowers() -> bool {
    crate::kernel::is_at_least(6, 7)
}

/// What keeps an upper directory a plain diff, whatever the kernel was configured to.
const PLAIN_DIFF: &[(&str, &str)] = &[("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off")];

const LOWER: &str = "lower directory";
const UPPER: &str = "upper directory";
const WORK: &str = "work directory";

/// A read-only view of one directory.
fn view(lower: &Path) -> Result<OwnedFd, MountError> {
    let directory = |source: Errno| MountError::Directory { path: lower.into(), role: LOWER, source: source.into() };
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, lower, flags).map_err(directory)?;
    crate::mount::restrict(&tree, crate::mount::Restrictions { read_only: true, no_dev: true, ..Default::default() })
        .map_err(|source| MountError::Refused { stage: "mount_setattr", said: String::new(), source })?;
    Ok(tree)
}

/// Adds one directory to the configuration.
///
/// A path that is too long for `fsconfig`, or that holds a character that overlay unescapes, is named through a
/// descriptor instead. The kernel resolves the name within this call, so the descriptor may go afterwards.
fn append(fs: &OwnedFd, key: &'static str, path: &Path, role: &'static str) -> Result<(), MountError> {
    let directory = |source: Errno| MountError::Directory { path: path.into(), role, source: source.into() };
    let bytes = path.as_os_str().as_bytes();
    let set = if bytes.len() <= MAX_VALUE && !bytes.contains(&b'\\') {
        fsconfig_set_string(fs, key, path)
    } else {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())).map_err(directory)?;
        fsconfig_set_string(fs, key, crate::mount::name_of(&fd))
    };
    set.map_err(directory)
}

/// Removes the mark of an earlier volatile mount, without which the kernel would not use the directories again.
fn forget_volatile(work: &Path) -> Result<(), MountError> {
    let marks = [
        ("work/incompat/volatile/dirty", AtFlags::empty()),
        ("work/incompat/volatile", AtFlags::REMOVEDIR),
        ("work/incompat", AtFlags::REMOVEDIR),
    ];
    for (mark, flags) in marks {
        match rustix::fs::unlinkat(CWD, work.join(mark), flags) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(source) => return Err(MountError::Directory { path: work.into(), role: WORK, source: source.into() }),
        }
    }
    Ok(())
}

fn refused(stage: &'static str, said: impl Fn() -> String) -> impl Fn(Errno) -> MountError {
    move |source| MountError::Refused { stage, said: said(), source: source.into() }
}

/// What the kernel wrote into the descriptor of a configuration, with a leading colon; empty when it wrote nothing.
fn log_of(fs: &OwnedFd) -> String {
    let mut log = String::new();
    let mut line = [0u8; 512];
    while let Ok(length @ 1..) = retry_on_intr(|| rustix::io::read(fs, &mut line)) {
        log.push_str(": ");
        log.push_str(String::from_utf8_lossy(&line[..length]).trim_end());
    }
    log
}
