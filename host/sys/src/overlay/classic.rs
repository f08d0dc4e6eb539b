// SPDX-License-Identifier: Apache-2.0
//! Overlay through `mount(2)`, for kernels that cannot add lower directories one by one.
//!
//! `mount` takes one page of options and attaches at once, both of which are in the way: a hundred paths of layers do
//! not fit into a page, and nothing should be attached. So the call is made on a thread of its own that has a private
//! mount namespace and a working directory in which the layers have short names (the numbers of their descriptors).
//! What it mounts is cloned as a detached mount, and the namespace ends with the thread.

use std::ffi::CString;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

use super::{LOWER, MountError, Overlay, PLAIN_DIFF, UPPER, WORK};

/// Mounts `overlay` as [`Overlay::mount`] does.
pub(super) fn mount_in_private(overlay: &Overlay) -> Result<OwnedFd, MountError> {
    on_private_thread(|| mount_here(overlay))
}

/// Mounts on a thread that has a mount namespace and a working directory of its own, which end with it.
pub(super) fn on_private_thread(
    mount: impl FnOnce() -> Result<OwnedFd, MountError> + Send,
) -> Result<OwnedFd, MountError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("overlay".into());
        let enter_and_mount = || enter_private_namespace().map_err(refused("unshare")).and_then(|()| mount());
        let running = thread.spawn_scoped(scope, enter_and_mount).map_err(refused("clone"))?;
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn mount_here(overlay: &Overlay) -> Result<OwnedFd, MountError> {
    let mut lowers = Vec::with_capacity(overlay.lowers.len());
    for lower in &overlay.lowers {
        lowers.push(open(lower, LOWER)?);
    }
    let numbers: Vec<String> = lowers.iter().rev().map(|fd| fd.as_raw_fd().to_string()).collect();
    let mut options = format!("lowerdir={}", numbers.join(":"));
    let mut changes = Vec::new();
    if let (Some(upper), Some(work)) = (&overlay.upper, &overlay.work) {
        for (key, path, role) in [("upperdir", upper, UPPER), ("workdir", work, WORK)] {
            let fd = open(path, role)?;
            write!(options, ",{key}={}", fd.as_raw_fd()).expect("a string takes everything");
            changes.push(fd);
        }
        super::forget_volatile(work)?;
        options.push_str(",volatile");
    }
    for (key, value) in PLAIN_DIFF {
        write!(options, ",{key}={value}").expect("a string takes everything");
    }
    if !crate::userns::is_initial() {
        options.push_str(",userxattr");
    }
    // Any directory will do as a mount point: what it hides is hidden in this thread's namespace only.
    let target = crate::mount::name_of(&lowers[0]);
    rustix::process::chdir("/proc/thread-self/fd").map_err(Into::into).map_err(refused("chdir"))?;
    let mut flags = MountFlags::NODEV;
    flags.set(MountFlags::RDONLY, overlay.upper.is_none());
    let options = CString::new(options).expect("numbers and letters hold no zero byte");
    mount("overlay", target.as_str(), "overlay", flags, options.as_c_str())
        .map_err(Into::into)
        .map_err(refused("mount"))?;
    crate::mount::clone_path(&overlay.lowers[0], false).map_err(refused("open_tree"))
}

/// Gives this thread, and no other, a mount namespace and a working directory of its own.
///
/// What is mounted here is seen here only. What the machine unmounts meanwhile goes here, too: a disk is not kept busy.
pub(super) fn enter_private_namespace() -> io::Result<()> {
    // SAFETY: neither flag touches what other threads of the process rely on: the descriptor table stays shared, and
    // the working directory and mounts of the others stay as they are.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS | UnshareFlags::NEWNS) }?;
    Ok(mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

pub(super) fn open(path: &Path, role: &'static str) -> Result<OwnedFd, MountError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())).map_err(|source: Errno| MountError::Directory {
        path: path.into(),
        role,
        source: source.into(),
    })
}

pub(super) fn refused(stage: &'static str) -> impl Fn(io::Error) -> MountError {
    move |source| MountError::Refused { stage, said: String::new(), source }
}
