// SPDX-License-Identifier: Apache-2.0
//! Mounts as descriptors: made, restricted and attached without a path of the host in between.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::raw;

/// What a mount forbids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Nothing can be changed through it.
    pub read_only: bool,
    /// Device nodes in it cannot be opened.
    pub no_dev: bool,
    /// Set-id bits and file capabilities in it mean nothing.
    pub no_suid: bool,
    /// Programs in it cannot be run.
    pub no_exec: bool,
}

impl Restrictions {
    /// No devices, no set-id programs, no programs at all.
    pub const INERT: Self = Self { read_only: false, no_dev: true, no_suid: true, no_exec: true };

    fn flags(self) -> MountAttrFlags {
        let mut flags = MountAttrFlags::empty();
        flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, self.read_only);
        flags.set(MountAttrFlags::MOUNT_ATTR_NODEV, self.no_dev);
        flags.set(MountAttrFlags::MOUNT_ATTR_NOSUID, self.no_suid);
        flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, self.no_exec);
        flags
    }
}

/// Adds restrictions to `tree` and to every mount below it. Restrictions that are there stay.
pub fn restrict(tree: impl AsFd, restrictions: Restrictions) -> io::Result<()> {
    set_attributes(tree, restrictions, 0, libc::AT_RECURSIVE)
}

/// [`restrict`] for the one mount that `top` is on, which must be its root.
pub fn restrict_alone(top: impl AsFd, restrictions: Restrictions) -> io::Result<()> {
    set_attributes(top, restrictions, 0, 0)
}

/// Takes back that device nodes in the one mount that `top` is on cannot be opened.
pub fn allow_devices(top: impl AsFd) -> io::Result<()> {
    let clear = MountAttrFlags::MOUNT_ATTR_NODEV.bits().into();
    let attributes = libc::mount_attr { attr_set: 0, attr_clr: clear, propagation: 0, userns_fd: 0 };
    raw::mount_setattr(top.as_fd(), c"", libc::AT_EMPTY_PATH, &attributes)
}

/// Cuts `tree` and every mount below it off from what is mounted elsewhere, in both directions.
pub fn make_private(tree: impl AsFd) -> io::Result<()> {
    set_attributes(tree, Restrictions::default(), libc::MS_PRIVATE, libc::AT_RECURSIVE)
}

fn set_attributes(tree: impl AsFd, restrictions: Restrictions, propagation: u64, flags: i32) -> io::Result<()> {
    let attributes =
        libc::mount_attr { attr_set: restrictions.flags().bits().into(), attr_clr: 0, propagation, userns_fd: 0 };
    raw::mount_setattr(tree.as_fd(), c"", flags | libc::AT_EMPTY_PATH, &attributes)
}

/// A new file system of a kind that needs no device (`proc`, `sysfs`, `tmpfs`, `devpts`, `mqueue`), detached.
///
/// An option with an empty value is a flag.
pub fn new_file_system(kind: &str, options: &[(&str, &str)], restrictions: Restrictions) -> io::Result<OwnedFd> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() { fsconfig_set_flag(&fs, *key) } else { fsconfig_set_string(&fs, *key, *value) }?;
    }
    fsconfig_create(&fs)?;
    Ok(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, restrictions.flags())?)
}

/// A detached second view of what `path` names below `dir`, following links; an empty `path` means `dir` itself.
///
/// With `deep`, mounts below it come along; without, they are not in the view. A mount that the kernel
/// has locked over something cannot be left out, and asking for that is an error.
pub fn clone_tree(dir: impl AsFd, path: &Path, deep: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, deep);
    Ok(open_tree(dir, path, flags)?)
}

/// [`clone_tree`] of a path of the host.
pub fn clone_path(path: &Path, deep: bool) -> io::Result<OwnedFd> {
    clone_tree(CWD, path, deep)
}

/// Attaches a detached mount over what `target` refers to.
pub fn attach(tree: impl AsFd, target: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, "", target, "", flags)?)
}

/// A path by which this process reaches what `fd` refers to.
pub fn name_of(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}
