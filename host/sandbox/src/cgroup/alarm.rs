// SPDX-License-Identifier: Apache-2.0
//! How the kernel says that a limit was met.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::io::retry_on_intr;

use super::files;
use super::place::Version;
use crate::Resource;

/// Something to poll for one limit.
#[derive(Debug)]
pub(crate) struct Alarm {
    resource: Resource,
    /// The file with the counter, and the counter's name in it.
    counter: (File, &'static str),
    /// What is raised, where that is not the file itself.
    event: Option<OwnedFd>,
    /// Whether nothing is raised at all, and one has to look.
    is_silent: bool,
}

impl Alarm {
    /// Listens to a group. No alarm goes off for what only slows down.
    pub(super) fn of(resource: Resource, version: Version, dir: &Path) -> io::Result<Option<Self>> {
        let (name, word) = match (resource, version) {
            (Resource::Memory, Version::V1) => ("memory.oom_control", "oom_kill"),
            (Resource::Memory, Version::V2) => ("memory.events", "oom"),
            (Resource::Pids, _) => ("pids.events", "max"),
            (Resource::Cpu | Resource::Disk, _) => return Ok(None),
        };
        let file = File::open(dir.join(name))?;
        let event = match (resource, version) {
            (Resource::Memory, Version::V1) => Some(out_of_memory(dir, &file)?),
            _ => None,
        };
        // Kernels count there and wake nobody (seen with 6.18).
        let is_silent = (resource, version) == (Resource::Pids, Version::V1);
        let alarm = Self { resource, counter: (file, word), event, is_silent };
        // Changes of a file are told from what was read last.
        files::count(&alarm.counter.0, word)?;
        Ok(Some(alarm))
    }

    pub(crate) fn resource(&self) -> Resource {
        self.resource
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// What to wait for.
    pub(crate) fn poll(&self) -> PollFd<'_> {
        match &self.event {
            Some(event) => PollFd::new(event, PollFlags::IN),
            // Such a file is always readable; that it has changed is exceptional.
            None => PollFd::from_borrowed_fd(self.counter.0.as_fd(), PollFlags::PRI),
        }
    }

    /// Whether the limit was met since the last look, or a process was ended for it.
    pub(crate) fn has_gone_off(&self) -> bool {
        // The kernel raises the event before it has killed, and so before it has counted.
        let read = |event: &OwnedFd| retry_on_intr(|| rustix::io::read(event, &mut [0; 8]));
        let raised = self.event.as_ref().is_some_and(|event| read(event) == Ok(8));
        raised || files::count(&self.counter.0, self.counter.1).is_ok_and(|count| count > 0)
    }
}

/// A descriptor that counts how often memory was out (Documentation/admin-guide/cgroup-v1/memory.rst, section 10).
fn out_of_memory(dir: &Path, control: &File) -> io::Result<OwnedFd> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    files::set(dir, "cgroup.event_control", &format!("{} {}", event.as_raw_fd(), control.as_raw_fd()))?;
    Ok(event)
}
