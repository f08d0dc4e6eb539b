// SPDX-License-Identifier: Apache-2.0
//! The tree of mounts that the command sees.
//!
//! Everything is made detached, attached to a place that was found inside the root, and never named by a path of the
//! machine after that. The root is attached over the machine's `/` in a namespace of our own, so that no directory is
//! needed for it, and becomes `/` with the old one detached.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, StatxFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{UnmountFlags, unmount};
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::overlay::{MountError, Overlay};
use wythe_sys::root::Root;

use super::insecure::{self, Hierarchy};
use super::{devices, secret, system};
use crate::{Mount, MountSource, RunInputs, SetupError};

/// What no mount of a request may bring in: working device nodes and set-id programs.
pub(super) const OF_REQUESTS: Restrictions =
    Restrictions { read_only: false, no_dev: true, no_suid: true, no_exec: false };

/// Builds the tree, makes it the root directory of this process, and returns it.
///
/// `hierarchies` are the control groups that are shown to who may have to do with them.
pub(super) fn build(inputs: &RunInputs, hierarchies: &[Hierarchy]) -> Result<Root, SetupError> {
    let root = assemble(inputs, top)?;
    if inputs.insecure {
        insecure::mount_groups(&root, hierarchies)?;
    }
    pivot(&root).map_err(|error| SetupError::system("change the root directory")(error.into()))?;
    Ok(root)
}

/// The root directory of the machine.
fn top() -> Result<OwnedFd, SetupError> {
    open_directory("/").map_err(SetupError::system("open the root directory"))
}

/// Opens a directory of the machine, or of this process's own mount namespace, as a place.
pub(super) fn open_directory(path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
}

/// Builds the tree over the directory that `place` returns, and returns it. `place` is asked when everything that the
/// machine has to show is open.
pub(super) fn assemble(
    inputs: &RunInputs,
    place: impl FnOnce() -> Result<OwnedFd, SetupError>,
) -> Result<Root, SetupError> {
    let machine = top()?;
    mount::make_private(&machine).map_err(SetupError::system("make mounts private"))?;
    let mut sources = Vec::with_capacity(inputs.mounts.len());
    for request in &inputs.mounts {
        sources.push((request, source(request, &machine)?));
    }
    // An outer mount would hide what was mounted inside its target before.
    sources.sort_by_key(|(request, _)| Path::new(&request.target).components().count());

    let tree = overlay(&inputs.root)?;
    if inputs.insecure && insecure::has_devices() {
        mount::allow_devices(&tree).map_err(SetupError::system("let device nodes work"))?;
    }
    mount::attach(&tree, place()?).map_err(SetupError::system("attach the root file system"))?;
    let root = Root::from_fd(tree);
    let mut nothing = system::Nothing::default();
    system::mount_proc(&root, &mut nothing, inputs.insecure)?;
    system::mount_sys(&root, &mut nothing, inputs.insecure)?;
    let devices = devices::mount(&root, inputs)?;
    let mut requested = BTreeSet::new();
    for (request, tree) in sources {
        match &request.source {
            MountSource::Device { .. } => devices.add(&request.target, &tree)?,
            _ => drop(requested.insert(attach(&root, request, &tree, &devices, &requested)?)),
        }
    }
    Ok(root)
}

fn overlay(overlay: &Overlay) -> Result<OwnedFd, SetupError> {
    overlay.mount().map_err(|error| SetupError::Overlay(chain(&error)))
}

/// An error and its causes in one line: the caller gets a value, not a chain.
fn chain(error: &MountError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What a request wants to see, detached.
fn source(request: &Mount, machine: &OwnedFd) -> Result<OwnedFd, SetupError> {
    let refused = |path: &Path| {
        let (target, path) = (request.target.clone(), path.to_owned());
        move |error: std::io::Error| SetupError::MountSource { target, path, source: error.into() }
    };
    match &request.source {
        MountSource::Bind { path, subpath, read_only } => {
            let clone = || {
                let tree = if subpath.is_empty() {
                    mount::clone_path(path, true)?
                } else {
                    mount::clone_tree(Root::open(path)?.locate(Path::new(subpath))?, Path::new(""), true)?
                };
                mount::restrict(&tree, Restrictions { read_only: *read_only, ..OF_REQUESTS })?;
                Ok(tree)
            };
            clone().map_err(refused(&path.join(subpath.trim_start_matches('/'))))
        }
        MountSource::Overlay { overlay: layers, subpath, read_only } => {
            let tree = overlay(layers)?;
            let part = || {
                let tree = if subpath.is_empty() { tree } else { part_of(tree, subpath, machine)? };
                mount::restrict(&tree, Restrictions { read_only: *read_only, ..OF_REQUESTS })?;
                Ok(tree)
            };
            part().map_err(refused(Path::new(subpath)))
        }
        MountSource::Tmpfs { size, mode } => {
            let (mode, size) = (format!("{mode:o}"), size.map(|size| size.to_string()));
            let mut options = vec![("mode", mode.as_str())];
            options.extend(size.as_deref().map(|size| ("size", size)));
            mount::new_file_system("tmpfs", &options, OF_REQUESTS).map_err(refused(Path::new("tmpfs")))
        }
        MountSource::Secret { content, mode, owner } => {
            secret::file(content, *mode, *owner, machine).map_err(refused(Path::new("secret")))
        }
        MountSource::Device { path, number } => {
            let node = devices::node(path).and_then(|node| devices::verify(node, number.as_ref()));
            node.map_err(refused(path))
        }
    }
}

/// A view of a part of a detached tree. Older kernels give one only of what is attached, so it is, for a moment.
pub(super) fn part_of(tree: OwnedFd, subpath: &str, machine: &OwnedFd) -> std::io::Result<OwnedFd> {
    mount::attach(&tree, machine)?;
    let root = Root::from_fd(tree);
    let part = root.locate(Path::new(subpath)).and_then(|part| mount::clone_tree(part, Path::new(""), false));
    unmount(mount::name_of(&root), UnmountFlags::DETACH)?;
    part
}

/// Attaches what a request wants to where it wants it, and returns the number of the mount. `requested` are those before it.
fn attach(
    root: &Root,
    request: &Mount,
    tree: &OwnedFd,
    devices: &devices::Devices,
    requested: &BTreeSet<u64>,
) -> Result<u64, SetupError> {
    let refused =
        |error: std::io::Error| SetupError::MountTarget { target: request.target.clone(), source: error.into() };
    let place = place_of(root, Path::new(&request.target), tree, requested).map_err(refused)?;
    if let Some(reason) = forbidden(root, &place, devices).map_err(refused)? {
        return Err(SetupError::MountForbidden { target: request.target.clone(), reason: reason.into() });
    }
    mount::attach(tree, &place).map_err(refused)?;
    mount_id(tree).map_err(refused)
}

/// Finds the place of a mount. Inside another one of the command nobody has made it before, so it is made there, where that one
/// may be written to.
fn place_of(root: &Root, target: &Path, tree: &OwnedFd, requested: &BTreeSet<u64>) -> io::Result<OwnedFd> {
    match root.locate(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_inside(root, target, requested)? => {}
        found => return found,
    }
    if FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode) == FileType::Directory {
        root.mkdir_all(target, 0o755)?;
    } else if let (Some(parent), Some(name)) = (target.parent(), target.file_name()) {
        let parent = root.mkdir_all(parent, 0o755)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644))) {
            // Another command with the same cache was faster.
            Ok(_) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    root.locate(target)
}

/// Whether what there is of the way to `target` ends in one of the mounts.
fn is_inside(root: &Root, target: &Path, mounts: &BTreeSet<u64>) -> io::Result<bool> {
    for above in target.ancestors().skip(1) {
        match root.locate(above) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return Ok(mounts.contains(&mount_id(found?)?)),
        }
    }
    Ok(false)
}

/// Why nothing may be mounted at `place`. It is asked of what was found there, not of its name: links may have led
/// anywhere inside the root (CVE-2019-19921 and its kind).
fn forbidden(root: &Root, place: &OwnedFd, devices: &devices::Devices) -> std::io::Result<Option<&'static str>> {
    const PROC_SUPER_MAGIC: i64 = 0x9fa0;
    const SYSFS_MAGIC: i64 = 0x6265_6572;
    let magic: i64 = rustix::fs::fstatfs(place)?.f_type;
    let status = rustix::fs::fstat(place)?;
    let (mount, of_root) = (mount_id(place)?, mount_id(root)?);
    let top = rustix::fs::fstat(root)?;
    Ok(match FileType::from_raw_mode(status.st_mode) {
        _ if magic == PROC_SUPER_MAGIC => Some("it is in /proc"),
        _ if magic == SYSFS_MAGIC => Some("it is in /sys"),
        _ if devices.contains(mount) => Some("it is in /dev"),
        _ if mount == of_root && (status.st_dev, status.st_ino) == (top.st_dev, top.st_ino) => Some("it is the root"),
        FileType::Directory | FileType::RegularFile => None,
        _ => Some("it is neither a file nor a directory"),
    })
}

/// The number of the mount that a descriptor is on.
pub(super) fn mount_id(fd: impl AsFd) -> io::Result<u64> {
    let flags = rustix::fs::AtFlags::EMPTY_PATH;
    Ok(rustix::fs::statx(fd, "", flags, StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// Makes `root` the root directory, and the machine's unreachable.
fn pivot(root: &Root) -> rustix::io::Result<()> {
    rustix::process::fchdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    // What is at `.` now is the old root, lying over the new one.
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}
