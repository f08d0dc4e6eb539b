// SPDX-License-Identifier: Apache-2.0
//! Where the control group of this process is, for each controller: what the kernel's tables say (cgroups(7)).

use std::path::{Path, PathBuf};

/// Which of the kernel's two interfaces a hierarchy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// A hierarchy for a few controllers.
    V1,
    /// The one for all others.
    V2,
}

/// The group of this process in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) dir: PathBuf,
}

/// Finds the group that a controller of the first interface has for this process, from `/proc/self/cgroup` and
/// `/proc/self/mountinfo`.
pub(super) fn first(controller: &str, groups: &str, mounts: &str) -> Option<Place> {
    let own = lines(groups).find(|(controllers, _)| controllers.split(',').any(|name| name == controller))?.1;
    let has_it = |mount: &Mount<'_>| mount.kind == "cgroup" && mount.options.split(',').any(|name| name == controller);
    found(Version::V1, own, mounts, has_it)
}

/// Finds the group of this process in the hierarchy of the second interface.
pub(super) fn second(groups: &str, mounts: &str) -> Option<Place> {
    let own = lines(groups).find(|(controllers, _)| controllers.is_empty())?.1;
    found(Version::V2, own, mounts, |mount| mount.kind == "cgroup2")
}

/// The controllers of all hierarchies of the first interface, one of each.
pub(super) fn controllers(groups: &str) -> impl Iterator<Item = &str> {
    lines(groups).filter_map(|(controllers, _)| controllers.split(',').next()).filter(|name| !name.is_empty())
}

fn found(version: Version, own: &str, mounts: &str, fits: impl Fn(&Mount<'_>) -> bool) -> Option<Place> {
    let mut fitting = mounts.lines().filter_map(Mount::parse).filter(|mount| fits(mount));
    let dir = fitting.find_map(|mount| mount.shows(own))?;
    Some(Place { version, dir })
}

/// The controllers and the path of each line.
fn lines(groups: &str) -> impl Iterator<Item = (&str, &str)> {
    groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'))
}

/// A line of the table of mounts (proc_pid_mountinfo(5)).
struct Mount<'a> {
    root: &'a str,
    target: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let before: Vec<&str> = before.split(' ').collect();
        let [kind, _, options] = after.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { root: before.get(3)?, target: before.get(4)?, kind, options })
    }

    /// Where a group is in the tree, if this mount shows that part of the hierarchy.
    fn shows(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        let is_plain = |part| matches!(part, std::path::Component::Normal(_));
        // A group outside of our namespace's has a path with `..`.
        below.components().all(is_plain).then(|| Path::new(self.target).join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Version, first, second};

    const HYBRID: &str = "\
30 20 0:24 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:25 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:26 /outer /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
33 30 0:27 / /sys/fs/cgroup/unified rw,relatime shared:10 master:2 - cgroup2 cgroup2 rw
broken
";

    fn at(version: Version, dir: &str) -> Option<Place> {
        Some(Place { version, dir: dir.into() })
    }

    #[test]
    fn groups_are_found_where_the_mounts_show_them() {
        let groups = "3:memory:/outer/inner\n2:cpu,cpuacct:/\n1:name=systemd:/x\n0::/user/a b\n";
        assert_eq!(first("memory", groups, HYBRID), at(Version::V1, "/sys/fs/cgroup/memory/inner"));
        assert_eq!(first("cpu", groups, HYBRID), at(Version::V1, "/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(first("pids", groups, HYBRID), None);
        assert_eq!(second(groups, HYBRID), at(Version::V2, "/sys/fs/cgroup/unified/user/a b"));
    }

    #[test]
    fn groups_that_no_mount_shows_are_not_found() {
        assert_eq!(first("memory", "3:memory:/other\n", HYBRID), None);
        assert_eq!(second("0::/../beside\n", HYBRID), None);
        assert_eq!(second("0::/a\n", ""), None);
        assert_eq!(second("", HYBRID), None);
    }
}
