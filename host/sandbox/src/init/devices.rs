// SPDX-License-Identifier: Apache-2.0
//! `/dev`: the devices that everybody has, terminals, and shared memory.
//!
//! Nodes are views of the machine's nodes, each a mount of its own. The file system they appear in does not let nodes
//! work, so what the command makes with `mknod` is inert, here as everywhere in the sandbox.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{FileType, makedev};
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::root::Root;

use super::insecure;
use super::mounts::mount_id;
use super::system::place;
use crate::{DeviceNumber, RunInputs, SetupError};

/// Name, and major and minor number.
const NODES: &[(&str, u32, u32)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// How much shared memory there is where nobody says: Docker's default.
const SHARED_MEMORY: u64 = 64 << 20;

/// A device node that works, and nothing else.
const NODE: Restrictions = Restrictions { read_only: false, no_dev: false, no_suid: true, no_exec: true };

/// A `/dev`.
pub(super) struct Devices {
    tree: Root,
    mounts: Vec<u64>,
}

/// Mounts `/dev`, with what is asked for in it.
pub(super) fn mount(root: &Root, inputs: &RunInputs) -> Result<Devices, SetupError> {
    let system = |what: &str| SetupError::system(format!("make /dev{what}"));
    let options = [("mode", "755"), ("size", "64k")];
    let restrictions = Restrictions { no_dev: !(inputs.insecure && insecure::has_devices()), ..Restrictions::INERT };
    let tree = mount::new_file_system("tmpfs", &options, restrictions).map_err(system(""))?;
    place(root, "dev", &tree)?;
    let mut devices = Devices { mounts: vec![mount_id(&tree).map_err(system(""))?], tree: Root::from_fd(tree) };
    for (name, major, minor) in NODES {
        let number = DeviceNumber { is_block: false, major: *major, minor: *minor };
        let node = node(Path::new("/dev").join(name).as_path()).and_then(|node| verify(node, Some(&number)));
        node.and_then(|node| devices.add_node(Path::new(name), &node)).map_err(system(&format!("/{name}")))?;
    }
    for (name, number) in insecure::nodes().filter(|_| inputs.insecure) {
        // Not every machine has each of them.
        let node = node(&Path::new("/dev").join(&name)).and_then(|node| verify(node, Some(&number)));
        let added = node.map_or(Ok(()), |node| devices.add_node(&name, &node));
        added.map_err(system(&format!("/{}", name.display())))?;
    }
    for (name, target) in LINKS {
        devices.tree.symlink(Path::new(target), Path::new(name)).map_err(system(&format!("/{name}")))?;
    }
    let terminals = new_terminals().and_then(|tree| devices.add_directory("pts", &tree)).map_err(system("/pts"))?;
    let queues = mount::new_file_system("mqueue", &[], Restrictions::INERT);
    // Few kernels lack message queues, and fewer programs want them.
    if let Ok(queues) = queues {
        let id = devices.add_directory("mqueue", &queues).map_err(system("/mqueue"))?;
        devices.mounts.push(id);
    }
    devices.mounts.push(terminals);
    let size = inputs.shared_memory.unwrap_or(SHARED_MEMORY).to_string();
    let options = [("mode", "1777"), ("size", size.as_str())];
    mount::new_file_system("tmpfs", &options, Restrictions::INERT)
        .and_then(|memory| devices.add_directory("shm", &memory))
        .map_err(system("/shm"))?;
    Ok(devices)
}

/// A view of one device node of the machine.
pub(super) fn node(path: &Path) -> io::Result<OwnedFd> {
    let node = mount::clone_path(path, false)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&node)?.st_mode) {
        FileType::CharacterDevice | FileType::BlockDevice => {}
        _ => return Err(io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error())),
    }
    mount::restrict(&node, NODE)?;
    Ok(node)
}

/// Whoever prepared the machine's `/dev` could have put something else in the place of a node (CVE-2025-31133).
pub(super) fn verify(node: OwnedFd, expected: Option<&DeviceNumber>) -> io::Result<OwnedFd> {
    let Some(DeviceNumber { is_block, major, minor }) = expected else { return Ok(node) };
    let status = rustix::fs::fstat(&node)?;
    let kind = if *is_block { FileType::BlockDevice } else { FileType::CharacterDevice };
    if status.st_rdev == makedev(*major, *minor) && FileType::from_raw_mode(status.st_mode) == kind {
        Ok(node)
    } else {
        Err(io::Error::from_raw_os_error(rustix::io::Errno::NODEV.raw_os_error()))
    }
}

fn new_terminals() -> io::Result<OwnedFd> {
    let restrictions = Restrictions { no_dev: false, ..Restrictions::INERT };
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    // Where only one id is mapped there is no group of terminals.
    mount::new_file_system("devpts", &options, restrictions)
        .or_else(|_| mount::new_file_system("devpts", &options[..3], restrictions))
}

impl Devices {
    /// Whether a mount belongs to `/dev`. Shared memory does not: mounts may be put into it.
    pub(super) fn contains(&self, mount: u64) -> bool {
        self.mounts.contains(&mount)
    }

    /// Makes a node of the machine appear at `target`, as in the request.
    pub(super) fn add(&self, target: &str, node: &OwnedFd) -> Result<(), SetupError> {
        let forbidden = |reason: &str| SetupError::MountForbidden { target: target.into(), reason: reason.into() };
        let name = Path::new(target).strip_prefix("/dev").map_err(|_| forbidden("a device belongs into /dev"))?;
        if name.file_name().is_none() || !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(forbidden("a device needs a name in /dev"));
        }
        self.add_node(name, node)
            .map_err(|source| SetupError::MountTarget { target: target.into(), source: source.into() })
    }

    fn add_node(&self, name: &Path, node: &OwnedFd) -> io::Result<()> {
        if let Some(parent) = name.parent() {
            self.tree.mkdir_all(parent, 0o755)?;
        }
        let file = self.tree.create_file(name, 0o644)?;
        mount::attach(node, file)
    }

    fn add_directory(&self, name: &str, tree: &OwnedFd) -> io::Result<u64> {
        let directory = self.tree.mkdir_all(Path::new(name), 0o755)?;
        mount::attach(tree, directory)?;
        mount_id(tree)
    }
}
