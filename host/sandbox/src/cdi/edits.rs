// SPDX-License-Identifier: Apache-2.0
//! What has to be done to a sandbox for a device to work in it.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, major, minor};

use super::{DeviceError, libraries};
use crate::{DeviceNumber, Mount, MountSource};

/// Where links to the libraries of devices lie: a folder with nothing else in it, so that naming it to the loader changes nothing but
/// that it finds them.
pub const LIBRARIES: &str = "/run/wythe/lib";

/// Who owns, in a user namespace, what belongs to ids that it does not have (user_namespaces(7)).
const NOBODY: u32 = 65534;

/// What has to be done for one or more devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// Device nodes.
    pub nodes: Vec<Node>,
    /// Files and directories.
    pub binds: Vec<Bind>,
    /// Links that the image is to have while the command runs.
    pub links: Vec<Link>,
    /// Further groups of the command.
    pub groups: Vec<u32>,
    /// Programs that run only where the operator allows it.
    pub hooks: Vec<Hook>,
    /// What is asked for and has no effect.
    pub ignored: Vec<String>,
    /// Whose each node is, by its path on the machine: of several devices that have it, the first one.
    pub(super) owners: BTreeMap<PathBuf, Owner>,
}

/// A device that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: String,
    /// Who describes it.
    pub(super) origin: String,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Where it is on the machine.
    pub path: PathBuf,
    /// Where it appears.
    pub target: String,
    /// Whether it has to be of a disk's kind.
    pub is_block: Option<bool>,
    /// The major and minor number that it has to have.
    pub number: Option<(u32, u32)>,
}

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bind {
    /// Where it is on the machine.
    pub path: PathBuf,
    /// Where it appears.
    pub target: String,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Where it lies.
    pub path: String,
    /// Where it leads.
    pub to: String,
}

/// A program that a specification has run with the rights of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Hook {
    /// When: `createContainer` and its kin.
    pub kind: String,
    /// The program.
    pub path: PathBuf,
    /// Its arguments, its own name first.
    pub args: Vec<String>,
    /// Its variables.
    pub env: Vec<String>,
    /// How many seconds it may take.
    pub timeout: Option<u32>,
}

/// Why what is described is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nothing is there, or it cannot be looked at.
    #[error("`{path}` cannot be looked at: {why}", path = path.display())]
    Absent {
        /// What.
        path: PathBuf,
        /// What the kernel said.
        why: String,
    },
    /// It is something else.
    #[error("`{path}` is not {expected}", path = path.display())]
    Other {
        /// What.
        path: PathBuf,
        /// What it should be.
        expected: String,
    },
    /// It is there, and not for this user.
    #[error("`{path}` cannot be opened by this user: it belongs to {owner}, with the mode {mode:o}", path = path.display())]
    Denied {
        /// What.
        path: PathBuf,
        /// User and group.
        owner: String,
        /// Its permissions.
        mode: u32,
    },
}

impl Node {
    /// Whether both are the same node in the same place, however much is said of it.
    fn is_same(&self, other: &Self) -> bool {
        (&self.path, &self.target) == (&other.path, &other.target)
    }

    /// Looks at the node: whether it is one, the one that is meant, and for this user.
    fn look(&self) -> Result<DeviceNumber, Unusable> {
        let path = self.path.clone();
        let found = std::fs::metadata(&path)
            .map_err(|error| Unusable::Absent { path: path.clone(), why: error.to_string() })?;
        let is_block = found.file_type().is_block_device();
        if !is_block && !found.file_type().is_char_device() {
            return Err(Unusable::Other { path, expected: "a device".to_owned() });
        }
        let number = DeviceNumber { is_block, major: major(found.rdev()), minor: minor(found.rdev()) };
        if self.is_block.is_some_and(|wanted| wanted != is_block) {
            let expected = if is_block { "a character device" } else { "a block device" };
            return Err(Unusable::Other { path, expected: expected.to_owned() });
        }
        if let Some((major, minor)) = self.number.filter(|wanted| *wanted != (number.major, number.minor)) {
            return Err(Unusable::Other { path, expected: format!("the device {major}:{minor}") });
        }
        let access = rustix::fs::accessat(CWD, &path, Access::READ_OK | Access::WRITE_OK, AtFlags::EACCESS);
        let owner = match (found.uid(), found.gid()) {
            (NOBODY, NOBODY) => "others".to_owned(),
            (uid, gid) => format!("{uid}:{gid}"),
        };
        access.map_err(|_| Unusable::Denied { path, owner, mode: found.mode() & 0o7777 })?;
        Ok(number)
    }
}

impl Bind {
    pub(super) fn parent(&self) -> Option<&str> {
        Path::new(&self.target).parent()?.to_str()
    }

    /// Whether it is no directory.
    #[must_use]
    pub fn is_file(&self) -> bool {
        !self.path.is_dir()
    }

    fn library(&self) -> Option<&str> {
        self.target.rsplit('/').next().filter(|name| name.ends_with(".so") || name.contains(".so."))
    }
}

impl Edits {
    /// Returns what has to be done for all of them, each thing once.
    pub(super) fn merged<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for edits in all {
            merged.env.extend(edits.env.clone());
            for node in &edits.nodes {
                match merged.nodes.iter_mut().find(|known| known.is_same(node)) {
                    Some(known) => {
                        known.is_block = known.is_block.or(node.is_block);
                        known.number = known.number.or(node.number);
                    }
                    None => merged.nodes.push(node.clone()),
                }
            }
            add(&mut merged.binds, &edits.binds);
            add(&mut merged.links, &edits.links);
            add(&mut merged.groups, &edits.groups);
            add(&mut merged.hooks, &edits.hooks);
            add(&mut merged.ignored, &edits.ignored);
            for (path, owner) in &edits.owners {
                merged.owners.entry(path.clone()).or_insert_with(|| owner.clone());
            }
        }
        merged
    }

    /// Notes whose nodes they are.
    pub(super) fn owned_by(mut self, owner: &Owner) -> Self {
        self.owners = self.nodes.iter().map(|node| (node.path.clone(), owner.clone())).collect();
        self
    }

    /// Whether both are for the same nodes.
    pub(super) fn is_same_device(&self, other: &Self) -> bool {
        let mut pairs = self.nodes.iter().zip(&other.nodes);
        self.nodes.len() == other.nodes.len() && pairs.all(|(one, another)| one.is_same(another))
    }

    /// Returns what has to be done for others, too.
    #[must_use]
    pub fn and(self, others: &Self) -> Self {
        Self::merged([&self, others])
    }

    /// Makes sure that what is described is there, and that this user may have it.
    pub(super) fn check(&self) -> Result<(), Unusable> {
        self.nodes.iter().try_for_each(|node| node.look().map(drop))?;
        self.binds.iter().try_for_each(|bind| match std::fs::metadata(&bind.path) {
            Ok(_) => Ok(()),
            Err(error) => Err(Unusable::Absent { path: bind.path.clone(), why: error.to_string() }),
        })
    }

    /// Returns the mounts. What is bound cannot be changed: it is the machine's.
    ///
    /// # Errors
    ///
    /// Fails where a node is not there any more.
    pub fn mounts(&self) -> Result<Vec<Mount>, DeviceError> {
        let node = |node: &Node| {
            let number = node.look().map_err(|why| {
                let Owner { name, origin } = self.owners[&node.path].clone();
                DeviceError::Unusable { name, why, origin }
            })?;
            let source = MountSource::Device { path: node.path.clone(), number: Some(number) };
            Ok(Mount { target: node.target.clone(), source })
        };
        let bind = |bind: &Bind| {
            let source = MountSource::Bind { path: bind.path.clone(), subpath: String::new(), read_only: true };
            Ok(Mount { target: bind.target.clone(), source })
        };
        self.nodes.iter().map(node).chain(self.binds.iter().map(bind)).collect()
    }

    /// Returns the links by which loaders and linkers find the libraries, and those that the specification asks for.
    ///
    /// A loader looks for the name that a library calls itself (its *soname*); that links of this name lie beside it is what
    /// `ldconfig` is run for elsewhere.
    #[must_use]
    pub fn all_links(&self) -> Vec<Link> {
        let mut links = self.links.clone();
        let is_taken = |links: &[Link], path: &str| {
            links.iter().any(|link| link.path == path) || self.binds.iter().any(|bind| bind.target == path)
        };
        for bind in &self.binds {
            let Some(name) = bind.library() else { continue };
            let soname = libraries::soname(&bind.path).filter(|soname| soname != name);
            if let (Some(soname), Some(folder)) = (&soname, bind.parent()) {
                let path = format!("{}/{soname}", folder.trim_end_matches('/'));
                if !is_taken(&links, &path) {
                    links.push(Link { path, to: name.to_owned() });
                }
            }
            for name in [Some(name), soname.as_deref()].into_iter().flatten() {
                let path = format!("{LIBRARIES}/{name}");
                if !is_taken(&links, &path) {
                    links.push(Link { path, to: bind.target.clone() });
                }
            }
        }
        links
    }

    /// Adds the variables to those of a command. What it sets itself holds, but for the loader's path, which grows.
    pub fn dress(&self, env: &mut BTreeMap<String, String>) {
        const LOADER: &str = "LD_LIBRARY_PATH";
        for (name, value) in self.env.iter().filter(|(name, _)| *name != LOADER) {
            env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let own = env.get(LOADER).cloned().filter(|own| !own.is_empty());
        let ours = self.binds.iter().any(|bind| bind.library().is_some()).then(|| LIBRARIES.to_owned());
        let all: Vec<String> = [ours, self.env.get(LOADER).cloned(), own].into_iter().flatten().collect();
        if !all.is_empty() {
            env.insert(LOADER.to_owned(), all.join(":"));
        }
    }
}

fn add<T: Clone + PartialEq>(to: &mut Vec<T>, from: &[T]) {
    for each in from {
        if !to.contains(each) {
            to.push(each.clone());
        }
    }
}
