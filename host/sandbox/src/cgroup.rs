// SPDX-License-Identifier: Apache-2.0
//! Control groups: the kernel's limits for all processes of a run together.
//!
//! The group of a run lies inside the one that this process is in, so that no limit above it is escaped, in each
//! hierarchy that has a controller it needs:
//!
//! ```text
//! OWN/                      where this process was started
//! ├── wythe.main/           the second interface only: a group with limits for others has no processes itself
//! └── wythe.run-PID-N/      one run; locked as long as its keeper lives
//! ```
//!
//! The keeper removes the group. If it is killed, the next run that finds the group unlocked does.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::process::Pid;

use crate::{Limits, Resource, SetupError, Unlimited};
pub(crate) use alarm::Alarm;
use member::Member;
use place::{Place, Version};

mod alarm;
mod files;
mod member;
mod place;

/// Where the processes are that were in the group before there were others in it.
const MAIN: &str = "wythe.main";

/// The group of one run. Dropping it removes it; its processes must have ended.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    members: Vec<Member>,
    alarms: Vec<Alarm>,
}

/// Whether the limits of a run could be kept here. Nothing is changed.
pub(crate) fn check(limits: &Limits) -> Result<(), SetupError> {
    let tables = Tables::read();
    limits.resources().try_for_each(|resource| tables.place(resource).map(drop).map_err(of(resource)))
}

/// Removes groups of runs whose keepers were killed.
pub(crate) fn sweep() {
    Tables::read().all().iter().for_each(|parent| member::sweep(parent));
}

fn of(resource: Resource) -> impl FnOnce(Unlimited) -> SetupError {
    move |why| SetupError::Limit { resource, why }
}

fn refused(path: &Path) -> impl FnOnce(io::Error) -> Unlimited {
    let path = path.display().to_string();
    move |source| match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Unlimited::NotOurs(path),
        _ => Unlimited::Refused { path, source: source.into() },
    }
}

impl Group {
    /// Makes a group with these limits; none where nothing is limited.
    pub(crate) fn create(limits: &Limits) -> Result<Option<Self>, SetupError> {
        let resources: Vec<Resource> = limits.resources().collect();
        if resources.is_empty() {
            return Ok(None);
        }
        let tables = Tables::read();
        let place = |resource| Ok((resource, tables.place(resource).map_err(of(resource))?));
        let places = resources.into_iter().map(place).collect::<Result<Vec<(Resource, Place)>, SetupError>>()?;
        let second = || places.iter().filter(|(_, place)| place.version == Version::V2);
        // Who makes room may have to take back for a moment what others were just about to use.
        let alone = |(resource, place): &(Resource, Place)| alone(&place.dir).map_err(of(*resource));
        let _alone = second().next().map(alone).transpose()?;
        for (resource, place) in second() {
            delegate(&place.dir, *resource).map_err(of(*resource))?;
        }
        let parents = places.iter().map(|(_, place)| place.dir.clone()).collect();
        let (name, members) = member::create_in(parents).map_err(|(parent, error)| {
            let (resource, _) = places.iter().find(|(_, place)| place.dir == parent).expect("it is of one of them");
            of(*resource)(refused(&parent)(error))
        })?;
        let mut group = Self { name, members, alarms: Vec::new() };
        for (resource, place) in &places {
            group.limit(*resource, place, limits).map_err(of(*resource))?;
        }
        Ok(Some(group))
    }

    /// Makes a group without limits, in each hierarchy where that can be done: one for a command that may change groups.
    pub(crate) fn unlimited() -> io::Result<Self> {
        let parents = Tables::read().all().into_iter().filter(|parent| is_writable(parent)).collect();
        let (name, members) = member::create_in(parents).map_err(|(_, error)| error)?;
        Ok(Self { name, members, alarms: Vec::new() })
    }

    fn limit(&mut self, resource: Resource, place: &Place, limits: &Limits) -> Result<(), Unlimited> {
        let dir = place.dir.join(&self.name);
        let settings = settings(resource, place.version, limits);
        for (file, value, is_everywhere) in settings {
            let set = if is_everywhere { files::set } else { files::set_if_there };
            set(&dir, file, &value).map_err(refused(&dir.join(file)))?;
        }
        let alarm = Alarm::of(resource, place.version, &dir).map_err(refused(&dir))?;
        self.alarms.extend(alarm);
        Ok(())
    }

    /// Its name, in each hierarchy that it is in.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Puts the calling process, which must have one thread, into the group; its children are born there.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.members.iter().try_for_each(|member| member.take("0"))
    }

    /// Takes another process, which must have one thread, into the group.
    pub(crate) fn take(&self, process: Pid) -> io::Result<()> {
        let number = process.as_raw_nonzero().to_string();
        self.members.iter().try_for_each(|member| member.take(&number))
    }

    /// What becomes readable, or has an exceptional condition, when a limit was met.
    pub(crate) fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// What the run wanted more of than it may have.
    pub(crate) fn exceeded(&self) -> Option<Resource> {
        self.alarms.iter().find(|alarm| alarm.has_gone_off()).map(Alarm::resource)
    }
}

fn is_writable(dir: &Path) -> bool {
    rustix::fs::accessat(CWD, dir, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// File, value, and whether every kernel has the file.
fn settings(resource: Resource, version: Version, limits: &Limits) -> Vec<(&'static str, String, bool)> {
    const PERIOD: u64 = 100_000;
    let memory = limits.memory.unwrap_or_default().to_string();
    let quota = u64::from(limits.cpu.unwrap_or_default()) * PERIOD / 1000;
    match (resource, version) {
        (Resource::Cpu, Version::V1) => {
            vec![("cpu.cfs_period_us", PERIOD.to_string(), true), ("cpu.cfs_quota_us", quota.to_string(), true)]
        }
        (Resource::Cpu, Version::V2) => vec![("cpu.max", format!("{quota} {PERIOD}"), true)],
        // Swap counts: else a limit of memory is one of speed.
        (Resource::Memory, Version::V1) => {
            vec![("memory.limit_in_bytes", memory.clone(), true), ("memory.memsw.limit_in_bytes", memory, false)]
        }
        (Resource::Memory, Version::V2) => vec![
            ("memory.max", memory, true),
            ("memory.swap.max", "0".to_owned(), false),
            ("memory.oom.group", "1".to_owned(), false),
        ],
        (Resource::Pids, _) => vec![("pids.max", limits.pids.unwrap_or_default().to_string(), true)],
        (Resource::Disk, _) => vec![],
    }
}

/// What a group lets those inside it limit.
const CONTROL: &str = "cgroup.subtree_control";
const PROCESSES: &str = "cgroup.procs";

/// Lets groups inside `dir` limit a resource. A group that does that has no processes, but for the top of all (cgroups(7), "no
/// internal processes"), so those that it has move one level down. The kernel insists on it for `memory` only: with `cpu` or `pids` it
/// would take the group for the top of a threaded subtree, and nothing could enter the groups inside it (cgroup-v2, "Threads").
fn delegate(dir: &Path, resource: Resource) -> Result<(), Unlimited> {
    let is_top = !dir.join("cgroup.type").exists();
    // Processes may be born while others are moved.
    for _ in 0..16 {
        if !is_top && has_processes(dir) {
            make_room(dir).map_err(refused(&dir.join(MAIN)))?;
        }
        match enable(dir, resource) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
            Err(error) => return Err(refused(&dir.join(CONTROL))(error)),
            Ok(()) if is_top || !has_processes(dir) => return Ok(()),
            Ok(()) => {}
        }
    }
    Err(refused(&dir.join(CONTROL))(rustix::io::Errno::BUSY.into()))
}

/// Waits until nobody else makes a group in `dir`; nobody does as long as what is returned is open.
fn alone(dir: &Path) -> Result<fs::File, Unlimited> {
    // Not the directory: who keeps a group has that.
    files::lock(&dir.join(CONTROL)).map_err(refused(&dir.join(CONTROL)))
}

fn enabled(dir: &Path) -> String {
    fs::read_to_string(dir.join(CONTROL)).unwrap_or_default()
}

fn enable(dir: &Path, resource: Resource) -> io::Result<()> {
    if enabled(dir).split_whitespace().any(|name| name == resource.name()) {
        return Ok(());
    }
    files::set(dir, CONTROL, &format!("+{resource}"))
}

fn has_processes(dir: &Path) -> bool {
    fs::read_to_string(dir.join(PROCESSES)).is_ok_and(|processes| !processes.is_empty())
}

/// Moves the processes of a group one level down. One that is the top of a threaded subtree, as it is where somebody has put a process
/// into it later, stops to be that first.
fn make_room(dir: &Path) -> io::Result<()> {
    match move_down(dir) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {
            for name in enabled(dir).split_whitespace() {
                files::set(dir, CONTROL, &format!("-{name}"))?;
            }
            move_down(dir)
        }
        result => result,
    }
}

fn move_down(dir: &Path) -> io::Result<()> {
    let main = dir.join(MAIN);
    match fs::create_dir(&main) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for process in fs::read_to_string(dir.join(PROCESSES))?.lines() {
        match files::set(&main, PROCESSES, process) {
            // It has ended.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            result => result?,
        }
    }
    Ok(())
}

/// What the kernel says of the groups of this process.
struct Tables {
    groups: String,
    mounts: String,
}

impl Tables {
    /// Without the tables there are no groups.
    fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self { groups: read("/proc/self/cgroup"), mounts: read("/proc/self/mountinfo") }
    }

    /// Where groups for a resource can be made.
    fn place(&self, resource: Resource) -> Result<Place, Unlimited> {
        let first = place::first(resource.name(), &self.groups, &self.mounts);
        let second = || {
            let second = self.second()?;
            let offered = fs::read_to_string(second.dir.join("cgroup.controllers")).unwrap_or_default();
            offered.split_whitespace().any(|name| name == resource.name()).then_some(second)
        };
        let place = first.or_else(second).ok_or(Unlimited::NoController(resource))?;
        match is_writable(&place.dir) {
            true => Ok(place),
            false => Err(Unlimited::NotOurs(place.dir.display().to_string())),
        }
    }

    /// The groups that this process is in, wherever that is to be seen.
    fn all(&self) -> Vec<PathBuf> {
        let first = place::controllers(&self.groups).filter_map(|name| place::first(name, &self.groups, &self.mounts));
        let mut dirs: Vec<PathBuf> = first.chain(self.second()).map(|place| place.dir).collect();
        dirs.sort();
        dirs.dedup();
        dirs
    }

    /// The group in the hierarchy of the second interface, or the one above if we were moved down.
    fn second(&self) -> Option<Place> {
        let mut place = place::second(&self.groups, &self.mounts)?;
        if place.dir.file_name().is_some_and(|name| name == MAIN) {
            place.dir.pop();
        }
        Some(place)
    }
}
