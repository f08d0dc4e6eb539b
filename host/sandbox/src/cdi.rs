// SPDX-License-Identifier: Apache-2.0
//! The devices of this machine that a command can be given, and what has to be done for each: the Container Device Interface
//! (<https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md>).
//!
//! Specifications lie in directories; of two that describe a device, the one in the later directory holds, and two in the same directory
//! make the device unusable. Where a vendor has installed none, one is made from its driver's files. Hooks run only where the
//! operator allows it: what those of the common vendor do (links to libraries, the loader's cache) is done by [links and a
//! variable](Edits::all_links).
//!
//! An image has no say in any of it: nothing here sees one.

mod driver;
mod edits;
mod hooks;
mod libraries;
mod rules;
mod spec;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edits::Owner;
pub use edits::{Bind, Edits, Hook, LIBRARIES, Link, Node, Unusable};

/// Where this machine tells of its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Directories of specifications, those that count more last.
    pub specs: Vec<PathBuf>,
    /// Below what the driver's files are: `/`.
    pub root: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { specs: ["/etc/cdi", "/var/run/cdi"].map(PathBuf::from).into(), root: "/".into() }
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its whole name, as `nvidia.com/gpu=0`.
    pub name: String,
    /// What it is, where that is known: `NVIDIA H100 80GB HBM3`.
    pub model: Option<String>,
    /// The class that its specification puts it into, by an annotation.
    pub class: Option<String>,
    /// Who describes it: a file, or the driver.
    pub origin: String,
    edits: Edits,
}

impl Device {
    /// Makes sure that what it consists of is there, and that this user may have it.
    ///
    /// # Errors
    ///
    /// Says what is not.
    pub fn check(&self) -> Result<(), Unusable> {
        self.edits.check()
    }

    /// Its kind, as `nvidia.com/gpu`.
    fn kind(&self) -> &str {
        self.name.split_once('=').map_or("", |(kind, _)| kind)
    }
}

/// The devices of a machine.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    found: BTreeMap<String, Device>,
    /// Names that are described twice.
    disputed: BTreeMap<String, [String; 2]>,
    /// Specifications that cannot be used, and why.
    pub broken: Vec<(PathBuf, String)>,
    places: Places,
}

/// Why a device cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There are none, or too few.
    #[error("{wanted} asked for, and this machine has {found}")]
    TooFew {
        /// ``a GPU is``, ``2 GPUs `H100` are``.
        wanted: String,
        /// `none`, or a list.
        found: String,
        /// What was looked at.
        looked: Vec<String>,
    },
    /// Nothing has that name.
    #[error("this machine has no device `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// What was looked at.
        looked: Vec<String>,
    },
    /// Two files of the same weight describe it.
    #[error("the device `{name}` is described twice, in `{}` and in `{}`", .files[0], .files[1])]
    Disputed {
        /// The name.
        name: String,
        /// The files.
        files: [String; 2],
    },
    /// It is described, and is not what is described.
    #[error("the device `{name}` cannot be used: {why}")]
    Unusable {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: Unusable,
        /// Who describes it.
        origin: String,
    },
}

impl Devices {
    /// Looks at the machine. What cannot be read is remembered and no error: other devices may be meant.
    #[must_use]
    pub fn look(places: &Places) -> Self {
        let mut devices = Self { places: places.clone(), ..Self::default() };
        let models = driver::models(&places.root);
        for directory in &places.specs {
            devices.add_directory(directory, &models);
        }
        if !devices.found.keys().any(|name| name.starts_with(driver::KIND)) {
            let made = driver::devices(&places.root, &models);
            devices.found.extend(made.into_iter().map(|device| (device.name.clone(), device)));
        }
        devices
    }

    fn add_directory(&mut self, directory: &Path, models: &BTreeMap<u32, String>) {
        let mut here: BTreeMap<String, Device> = BTreeMap::new();
        let mut disputed = BTreeMap::new();
        for file in spec::files(directory) {
            let described = match spec::read(&file) {
                Ok(described) => described,
                Err(error) => {
                    self.broken.push((file, error.to_string()));
                    continue;
                }
            };
            for spec::Described { name, edits, model, class } in described {
                let origin = file.display().to_string();
                let model = model
                    .or_else(|| edits.nodes.iter().find_map(|node| models.get(&driver::minor(&node.target)?).cloned()));
                match here.get(&name) {
                    Some(other) => drop(disputed.insert(name, [other.origin.clone(), origin])),
                    None => drop(here.insert(name.clone(), Device { name, model, class, origin, edits })),
                }
            }
        }
        // What this directory says takes the place of what those before say, a dispute of theirs included.
        self.disputed.retain(|name, _| !here.contains_key(name));
        self.disputed.extend(disputed);
        self.found.extend(here);
    }

    /// Returns all devices, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Device> {
        self.found.values().filter(|device| !self.disputed.contains_key(&device.name))
    }

    /// Returns the devices that two specifications of the same weight describe, and those.
    pub fn disputed(&self) -> impl Iterator<Item = DeviceError> {
        let one =
            |(name, files): (&String, &[String; 2])| DeviceError::Disputed { name: name.clone(), files: files.clone() };
        self.disputed.iter().map(one)
    }

    /// Returns each GPU once, whatever number of names it has.
    fn gpus(&self) -> Vec<&Device> {
        let mut gpus: Vec<&Device> = Vec::new();
        for device in self.all() {
            let is_known = gpus.iter().any(|known| known.edits.is_same_device(&device.edits));
            if device.kind().ends_with("/gpu") && !device.name.ends_with("=all") && !is_known {
                gpus.push(device);
            }
        }
        gpus
    }

    /// Returns what has to be done for so many GPUs of which `is_meant` says that they will do; `wanted` says in words what that is.
    ///
    /// # Errors
    ///
    /// Fails where there are not so many, or this user may not have them.
    pub fn choose(
        &self,
        wanted: &str,
        count: usize,
        is_meant: impl Fn(Option<&str>) -> bool,
    ) -> Result<Edits, DeviceError> {
        let gpus = self.gpus();
        let chosen: Vec<&Device> =
            gpus.iter().copied().filter(|gpu| is_meant(gpu.model.as_deref())).take(count).collect();
        if chosen.len() == count {
            return usable(chosen);
        }
        let named =
            gpus.iter().map(|gpu| gpu.model.clone().unwrap_or_else(|| format!("{}, of an unknown model", gpu.name)));
        let named: Vec<String> = named.collect();
        let found = if named.is_empty() { "none".to_owned() } else { named.join("; ") };
        Err(DeviceError::TooFew { wanted: wanted.to_owned(), found, looked: self.looked() })
    }

    /// Returns what has to be done for devices by their names: `vendor/class=name` for one or for a class of them,
    /// `vendor/class=*` for all of a kind, `vendor/class` for the first.
    ///
    /// # Errors
    ///
    /// Fails where one is not there, or this user may not have it.
    pub fn named(&self, names: &[String]) -> Result<Edits, DeviceError> {
        let mut chosen: Vec<&Device> = Vec::new();
        for name in names {
            for device in self.find(name)? {
                if !chosen.iter().any(|known| known.name == device.name) {
                    chosen.push(device);
                }
            }
        }
        usable(chosen)
    }

    fn find(&self, wanted: &str) -> Result<Vec<&Device>, DeviceError> {
        let (kind, name) = wanted.split_once('=').map_or((wanted, None), |(kind, name)| (kind, Some(name)));
        let of_kind = || self.found.values().filter(|device| device.kind() == kind);
        let found: Vec<&Device> = match name {
            None => of_kind().take(1).collect(),
            Some("*") => of_kind().collect(),
            Some(name) => match self.found.get(wanted) {
                Some(device) => vec![device],
                None => of_kind().filter(|device| device.class.as_deref() == Some(name)).collect(),
            },
        };
        if found.is_empty() {
            return Err(DeviceError::Unknown { name: wanted.to_owned(), looked: self.looked() });
        }
        match found.iter().find_map(|device| self.disputed.get_key_value(&device.name)) {
            Some((name, files)) => Err(DeviceError::Disputed { name: name.clone(), files: files.clone() }),
            None => Ok(found),
        }
    }

    /// Says what was looked at, for who misses something.
    fn looked(&self) -> Vec<String> {
        let directories = self.places.specs.iter().map(|directory| match spec::files(directory).len() {
            _ if !directory.is_dir() => format!("{}: there is no such directory", directory.display()),
            1 => format!("{}: one specification", directory.display()),
            count => format!("{}: {count} specifications", directory.display()),
        });
        let broken = self.broken.iter().map(|(file, why)| format!("{} cannot be used: {why}", file.display()));
        directories.chain(broken).chain([driver::looked(&self.places.root)]).collect()
    }
}

/// Returns what has to be done for devices that can be used.
fn usable(devices: Vec<&Device>) -> Result<Edits, DeviceError> {
    let mut all = Vec::new();
    for device in devices {
        let owner = Owner { name: device.name.clone(), origin: device.origin.clone() };
        let unusable = |why| DeviceError::Unusable { name: owner.name.clone(), why, origin: owner.origin.clone() };
        device.check().map_err(unusable)?;
        all.push(device.edits.clone().owned_by(&owner));
    }
    Ok(Edits::merged(&all))
}

#[cfg(test)]
mod tests;
