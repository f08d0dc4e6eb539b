// SPDX-License-Identifier: Apache-2.0
//! `/proc` and `/sys`: new ones, without what tells about the machine or changes it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::retry_on_intr;
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::root::Root;

use crate::SetupError;

/// What reads as empty: Docker's list. Memory, keys, timers, interrupts and hardware of the machine.
pub(crate) const MASKED_IN_PROC: &[&str] = &[
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

/// What can be read and not be changed: Docker's list.
pub(crate) const READ_ONLY_IN_PROC: &[&str] = &["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What reads as empty. The second tells by the power that is used what is computed (CVE-2020-8694); the third is not
/// there but where the machine's own `/sys` has to serve.
pub(crate) const MASKED_IN_SYS: &[&str] = &["firmware", "devices/virtual/powercap", "fs/cgroup"];

const READ_ONLY: Restrictions = Restrictions { read_only: true, ..Restrictions::INERT };

/// Mounts `/proc` of this process id namespace.
pub(super) fn mount_proc(root: &Root, nothing: &mut Nothing, insecure: bool) -> Result<(), SetupError> {
    let fresh = mount::new_file_system("proc", &[], Restrictions::INERT)
        .map_err(SetupError::system("mount /proc; if this is itself a container, it hides parts of its own /proc"))?;
    place(root, "proc", &fresh)?;
    if insecure {
        return Ok(());
    }
    let proc = Root::from_fd(fresh);
    for name in MASKED_IN_PROC {
        nothing.mask(&proc, name).map_err(SetupError::system(format!("mask /proc/{name}")))?;
    }
    for name in READ_ONLY_IN_PROC {
        protect(&proc, name).map_err(SetupError::system(format!("protect /proc/{name}")))?;
    }
    Ok(())
}

/// Mounts `/sys`, of the network namespace of this process where its owner may do that.
///
/// What the machine's own shows is not for a command that can look below what lies over it: then there is nothing.
pub(super) fn mount_sys(root: &Root, nothing: &mut Nothing, insecure: bool) -> Result<(), SetupError> {
    let restrictions = Restrictions { read_only: !insecure, ..Restrictions::INERT };
    let tree = mount::new_file_system("sysfs", &[], restrictions).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied if insecure => nothing.get(),
        io::ErrorKind::PermissionDenied => {
            let machine = mount::clone_path(Path::new("/sys"), true)?;
            mount::restrict(&machine, READ_ONLY)?;
            Ok(machine)
        }
        _ => Err(error),
    });
    let tree = tree.map_err(SetupError::system("mount /sys"))?;
    place(root, "sys", &tree)?;
    if insecure {
        return Ok(());
    }
    let sys = Root::from_fd(tree);
    for name in MASKED_IN_SYS {
        nothing.mask(&sys, name).map_err(SetupError::system(format!("mask /sys/{name}")))?;
    }
    Ok(())
}

/// Attaches `tree` to a directory of the root that is there and is no link: the root may be hostile, and these mounts
/// must be where everybody believes them to be (CVE-2023-27561).
pub(super) fn place(root: &Root, name: &str, tree: &OwnedFd) -> Result<(), SetupError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let refused = |error: io::Error| SetupError::MountTarget { target: format!("/{name}"), source: error.into() };
    let target = retry_on_intr(|| rustix::fs::openat2(root, name, flags, Mode::empty(), resolve));
    let target = target.map_err(|error| refused(error.into()))?;
    mount::attach(tree, target).map_err(refused)
}

/// An empty directory that lies over others, once it lies over one.
#[derive(Default)]
pub(super) struct Nothing(Option<OwnedFd>);

impl Nothing {
    /// Returns something empty, detached.
    fn get(&self) -> io::Result<OwnedFd> {
        match &self.0 {
            Some(attached) => mount::clone_tree(attached, Path::new(""), false),
            None => mount::new_file_system("tmpfs", &[("size", "0"), ("nr_inodes", "1")], READ_ONLY),
        }
    }

    /// Lays something empty over a file or directory, if it is there.
    pub(super) fn mask(&mut self, system: &Root, name: &str) -> io::Result<()> {
        let Some(target) = present(system, name)? else { return Ok(()) };
        if FileType::from_raw_mode(rustix::fs::fstat(&target)?.st_mode) != FileType::Directory {
            return mount::attach(super::devices::node(Path::new("/dev/null"))?, target);
        }
        let directory = self.get()?;
        mount::attach(&directory, target)?;
        self.0 = Some(directory);
        Ok(())
    }
}

/// Lays a read-only view of a file or directory over itself, if it is there.
fn protect(system: &Root, name: &str) -> io::Result<()> {
    let Some(target) = present(system, name)? else { return Ok(()) };
    let view = mount::clone_tree(&target, Path::new(""), true)?;
    mount::restrict(&view, READ_ONLY)?;
    mount::attach(view, target)
}

fn present(system: &Root, name: &str) -> io::Result<Option<OwnedFd>> {
    match system.locate(Path::new(name)) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
