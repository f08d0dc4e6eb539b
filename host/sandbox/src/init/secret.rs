// SPDX-License-Identifier: Apache-2.0
//! A secret as a file.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::root::Root;

use super::mounts::{OF_REQUESTS, part_of};
use crate::Secret;

/// The only name in the file system of a secret.
const NAME: &str = "secret";

/// A file in memory, detached. The file system is one whose pages are never swapped out, and it ends with the run.
pub(super) fn file(content: &Secret, mode: u32, owner: (u32, u32), machine: &OwnedFd) -> io::Result<OwnedFd> {
    let tree = mount::new_file_system("ramfs", &[("mode", "700")], Restrictions::INERT)?;
    let root = Root::from_fd(tree);
    let mut file = root.create_file(Path::new(NAME), mode)?;
    file.write_all(content.bytes())?;
    rustix::fs::fchown(&file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))?;
    drop(file);
    let view = part_of(root.into_fd(), NAME, machine)?;
    mount::restrict(&view, Restrictions { read_only: true, ..OF_REQUESTS })?;
    Ok(view)
}
