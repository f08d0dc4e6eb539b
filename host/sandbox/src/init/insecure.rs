// SPDX-License-Identifier: Apache-2.0
//! What a command has that asked for no confinement and was granted that: all that its user namespace can give, and still
//! nothing of the machine by name.
//!
//! It has a root file system, namespaces and descriptors like any other, and ends with whoever started it. In the machine's
//! own user namespace it can nevertheless do what root can: that is what it asked for.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::thread::{CapabilitySet, CapabilitySets};
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::root::Root;

use super::system::Nothing;
use crate::cgroup::Group;
use crate::{DeviceNumber, SetupError};

/// Devices beyond those that everybody has, where the machine has them: name, major and minor number. BuildKit's list.
const NODES: &[(&str, u32, u32)] = &[
    ("cuse", 10, 203),
    ("fuse", 10, 229),
    ("kmsg", 1, 11),
    ("kvm", 10, 232),
    ("loop-control", 10, 237),
    ("net/tun", 10, 200),
];

/// The driver of block devices that are files.
const LOOP: u32 = 7;

/// How many of these are looked for.
const LOOPS: u32 = 64;

/// Whether nodes that it makes work: not where the kernel keeps devices from a user namespace, whatever a mount says.
pub(crate) fn has_devices() -> bool {
    wythe_sys::userns::is_initial()
}

/// Returns the devices of the machine that it finds in its `/dev`: path, and what has to be there.
pub(super) fn nodes() -> impl Iterator<Item = (PathBuf, DeviceNumber)> {
    let one = |name: &str, is_block, major, minor| (PathBuf::from(name), DeviceNumber { is_block, major, minor });
    let characters = NODES.iter().map(move |(name, major, minor)| one(name, false, *major, *minor));
    let loops = (0..LOOPS).map(move |minor| one(&format!("loop{minor}"), true, LOOP, minor));
    characters.chain(loops).filter(|_| has_devices())
}

/// Returns all capabilities that this process may hand on.
pub(super) fn capabilities() -> rustix::io::Result<CapabilitySet> {
    Ok(rustix::thread::capabilities(None)?.permitted)
}

/// Takes capabilities in such a way that the program has them too, whoever its user is, as in BuildKit.
pub(super) fn take_all(all: CapabilitySet) -> rustix::io::Result<()> {
    let sets = CapabilitySets { effective: all, permitted: all, inheritable: all };
    rustix::thread::set_capabilities(None, sets)?;
    all.iter().try_for_each(|one| rustix::thread::configure_capability_in_ambient_set(one, true))
}

/// A hierarchy of control groups, and where a process is in it.
#[derive(Debug)]
pub(super) struct Hierarchy {
    /// Its controllers, or its name behind `name=`; empty for that of the second interface.
    names: String,
    /// Whether the process is in the command's own group: a group with limits is in the hierarchies that keep these, and in no
    /// other.
    is_own: bool,
}

/// Returns the hierarchies that a process is in, `self` or a number. To be asked before it has a namespace of groups, or from
/// outside of that, and where `/proc` knows it: inside, every group is called the top.
pub(super) fn hierarchies(process: &str, group: Option<&Group>) -> io::Result<Vec<Hierarchy>> {
    let text = std::fs::read_to_string(format!("/proc/{process}/cgroup"))?;
    let one = |line: &str| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        let is_own = group.is_some_and(|group| path.rsplit('/').next() == Some(group.name()));
        Some(Hierarchy { names: names.to_owned(), is_own })
    };
    Ok(text.lines().filter_map(one).collect())
}

/// Mounts the control groups below the group of this process on `/sys/fs/cgroup`, in a cgroup namespace. Nothing can be changed
/// there but in a group of the command's own. Where the kernel shows none there is something empty.
pub(super) fn mount_groups(root: &Root, hierarchies: &[Hierarchy]) -> Result<(), SetupError> {
    const PLACE: &str = "sys/fs/cgroup";
    let system = || SetupError::system("mount /sys/fs/cgroup");
    let mounted = match root.locate(Path::new(PLACE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        place => groups(hierarchies, &place.map_err(system())?),
    };
    match mounted {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Nothing::default().mask(root, PLACE).map_err(system()),
    }
}

/// Whether there were any to mount.
fn groups(hierarchies: &[Hierarchy], place: &OwnedFd) -> io::Result<bool> {
    let restrictions = |one: &Hierarchy| Restrictions { read_only: !one.is_own, ..Restrictions::INERT };
    if let [only] = hierarchies
        && only.names.is_empty()
    {
        mount::attach(mount::new_file_system("cgroup2", &[], restrictions(only))?, place)?;
        return Ok(true);
    }
    let all = mount::new_file_system("tmpfs", &[("mode", "755"), ("size", "64k")], Restrictions::INERT)?;
    mount::attach(&all, place)?;
    let all = Root::from_fd(all);
    let mut has_any = false;
    for hierarchy in hierarchies {
        let names = hierarchy.names.as_str();
        let (kind, directory) = match names.strip_prefix("name=") {
            _ if names.is_empty() => ("cgroup2", "unified"),
            Some(name) => ("cgroup", name),
            None => ("cgroup", names),
        };
        // One that has a name and no controllers is asked for by both (cgroups(7), "Named hierarchies").
        let options: Vec<(&str, &str)> = match names.strip_prefix("name=") {
            _ if names.is_empty() => Vec::new(),
            Some(name) => vec![("none", ""), ("name", name)],
            None => names.split(',').map(|name| (name, "")).collect(),
        };
        // Not every hierarchy can be shown to everybody.
        let Ok(tree) = mount::new_file_system(kind, &options, restrictions(hierarchy)) else { continue };
        mount::attach(tree, all.mkdir_all(Path::new(directory), 0o755)?)?;
        has_any = true;
    }
    Ok(has_any)
}
