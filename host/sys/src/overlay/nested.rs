// SPDX-License-Identifier: Apache-2.0
//! More lower directories than the kernel stacks: the lowest ones become an overlay of their own, which is the lowest
//! directory of the other.
//!
//! Only the lowest can be put together before: what a higher layer says is gone means something only above what it hides.
//! The kernel stacks file systems twice at most, so that one overlay inside another is also the end of it.
//!
//! A file system is used as a lower directory by its path, and not every kernel that adds lower directories one by one takes
//! a path into a mount that is attached nowhere. So the inner overlay is attached over the lowest directory, on a thread that
//! has a mount namespace of its own, which ends with the thread.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{MAX_STACK, MountError, Overlay, classic};

/// Mounts an overlay of more than [`MAX_STACK`] lower directories.
pub(super) fn mount_in_private(overlay: &Overlay) -> Result<OwnedFd, MountError> {
    classic::on_private_thread(|| {
        let (lowest, rest) = overlay.lowers.split_at(MAX_STACK);
        attach_over_lowest(lowest)?;
        let lowers = on_lowest(&lowest[0], rest);
        Overlay { lowers, upper: overlay.upper.clone(), work: overlay.work.clone() }.mount_by_descriptor()
    })
}

/// Attaches an overlay of these directories over the first of them, in the mount namespace of this thread.
pub(super) fn attach_over_lowest(lowest: &[PathBuf]) -> Result<(), MountError> {
    let inner = Overlay { lowers: lowest.to_vec(), upper: None, work: None }.mount_by_descriptor()?;
    attach(&inner, &lowest[0])
}

/// Returns the lower directories of an overlay on what [`attach_over_lowest`] has attached.
pub(super) fn on_lowest(lowest: &Path, rest: &[PathBuf]) -> Vec<PathBuf> {
    std::iter::once(lowest.to_owned()).chain(rest.iter().cloned()).collect()
}

fn attach(mount: &OwnedFd, over: &Path) -> Result<(), MountError> {
    let place = classic::open(over, super::LOWER)?;
    crate::mount::attach(mount, place).map_err(classic::refused("move_mount"))
}
