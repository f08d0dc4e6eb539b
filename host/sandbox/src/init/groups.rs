// SPDX-License-Identifier: Apache-2.0
//! What an OCI runtime gets of control groups: to read them, and a namespace of them that it leaves the command in.
//!
//! A runtime that finds groups that it may change makes one of its own, in a place of its choosing (runc, with the second
//! interface: beside ours, out of reach of our limits, and with controllers turned on above it). And it would make the
//! namespace before the command is in the group with its limits, which then is not the root of what the command sees.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::thread::UnshareFlags;
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::process::{self, Fork};

use super::mounts::open_directory;
use crate::SetupError;
use crate::cgroup::Group;
use crate::oci::Flavor;

/// Where control groups are mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// Where the second interface is beside the first.
const SECOND: &str = "/sys/fs/cgroup/unified";

/// Makes a namespace of which `group` is the root, and `file`, which stands for it and keeps it. Returns the file.
pub(super) fn keep_namespace(group: &Group, file: &Path) -> Result<PathBuf, SetupError> {
    let kept = || {
        File::create_new(file)?;
        // This process stays outside: what it and the runtime need is not the command's.
        match process::fork()? {
            Fork::Child => process::exit_now(i32::from(make_namespace(group, file).is_err())),
            Fork::Parent(child) => match process::wait(child)?.code {
                Some(0) => Ok(file.to_owned()),
                _ => Err(io::ErrorKind::PermissionDenied.into()),
            },
        }
    };
    kept().map_err(SetupError::system("make a namespace of the control group"))
}

fn make_namespace(group: &Group, file: &Path) -> io::Result<()> {
    group.enter()?;
    process::unshare(UnshareFlags::NEWCGROUP)?;
    let namespace = mount::clone_path(Path::new("/proc/self/ns/cgroup"), false)?;
    mount::attach(namespace, File::open(file)?)
}

/// Takes the means to change groups from this mount namespace. Who holds a descriptor of a group still can.
pub(super) fn keep_from_runtime(flavor: Flavor) -> Result<(), SetupError> {
    let kept = || {
        // crun refuses to run where this has a controller, also when it is told to leave groups alone.
        if let (Flavor::Crun, Ok(place)) = (flavor, open_directory(SECOND)) {
            mount::attach(mount::new_file_system("tmpfs", &[("size", "0")], Restrictions::INERT)?, place)?;
        }
        let read_only = Restrictions { read_only: true, ..Restrictions::default() };
        match open_directory(GROUPS).and_then(|top| mount::restrict(top, read_only)) {
            // Nothing is mounted there.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            restricted => restricted,
        }
    };
    kept().map_err(SetupError::system("keep control groups from the runtime"))
}
