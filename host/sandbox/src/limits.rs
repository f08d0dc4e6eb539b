// SPDX-License-Identifier: Apache-2.0
//! How much of the machine the processes of a run may use together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Exceeded, SystemError};

/// Limits of all processes of a run together. What is not set is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processors, in thousandths of one.
    pub cpu: Option<u32>,
    /// Bytes of memory, swapped out or not. Files that were read or written count as far as the kernel keeps them in memory.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub pids: Option<u32>,
}

impl Limits {
    /// Says how much of a resource was too much.
    pub(crate) fn exceeded(&self, resource: Option<Resource>) -> Option<Exceeded> {
        let resource = resource?;
        let limit = match resource {
            Resource::Memory => self.memory?,
            Resource::Pids => self.pids?.into(),
            Resource::Cpu | Resource::Disk => return None,
        };
        Some(Exceeded { resource, limit })
    }

    /// What is limited.
    pub(crate) fn resources(&self) -> impl Iterator<Item = Resource> {
        let set = [self.cpu.is_some(), self.memory.is_some(), self.pids.is_some()];
        Resource::OF_GROUPS.into_iter().zip(set).filter_map(|(resource, is_set)| is_set.then_some(resource))
    }
}

/// Something that a run can use too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Processors.
    Cpu,
    /// Memory.
    Memory,
    /// Processes and threads.
    Pids,
    /// Files. No driver limits them; who lays out the root file system may.
    Disk,
}

impl Resource {
    /// Those that the kernel limits by groups of processes.
    const OF_GROUPS: [Self; 3] = [Self::Cpu, Self::Memory, Self::Pids];

    /// Its name, by which the kernel knows it too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Disk => "disk",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a limit cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Unlimited {
    /// The kernel offers no control group for it.
    #[error("no control group with the controller `{0}` is in reach")]
    NoController(Resource),
    /// The group that this process is in belongs to somebody else.
    #[error("the control group `{0}` is not this user's")]
    NotOurs(String),
    /// The kernel refused.
    #[error("cannot set `{path}`")]
    Refused {
        /// Which file or directory.
        path: String,
        /// What it said.
        source: SystemError,
    },
}
