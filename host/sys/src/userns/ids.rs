// SPDX-License-Identifier: Apache-2.0
//! Subordinate ids: what the machine's administrator lets a user hand out.

use std::path::{Path, PathBuf};

use rustix::process::{getgid, getuid};

use crate::raw;

/// Where the mapping tools are, on the distributions that have them.
const DIRECTORIES: &[&str] = &["/usr/bin", "/bin", "/usr/sbin", "/usr/local/bin", "/run/wrappers/bin"];

/// A run of ids of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// The ids of a user beyond its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubordinateIds {
    /// From `/etc/subuid`.
    pub uids: Vec<Range>,
    /// From `/etc/subgid`.
    pub gids: Vec<Range>,
}

impl SubordinateIds {
    /// Those of the user that this process runs as. A list that cannot be read is empty.
    #[must_use]
    pub fn of_this_user() -> Self {
        Self::of(getuid().as_raw())
    }

    /// Those of the user that root of this user namespace is outside, where that is the only id that the namespace has.
    #[must_use]
    pub fn of_user_outside() -> Self {
        // user_namespaces(7): first id inside, first id outside, how many.
        let outside = super::uid_map().split_whitespace().nth(1).and_then(|uid| uid.parse().ok());
        Self::of(outside.unwrap_or_else(|| getuid().as_raw()))
    }

    fn of(uid: u32) -> Self {
        let name = raw::name_of_user(uid);
        let read = |path| {
            let list = std::fs::read(path).unwrap_or_default();
            ranges(&String::from_utf8_lossy(&list), name.as_deref(), uid)
        };
        Self { uids: read("/etc/subuid"), gids: read("/etc/subgid") }
    }

    /// Whether there are enough of both for a map.
    #[must_use]
    pub fn suffice(&self) -> bool {
        !self.uids.is_empty() && !self.gids.is_empty()
    }

    /// Arguments of `newuidmap` and `newgidmap`, after the process id: this user is root, the others follow.
    pub(super) fn maps(&self) -> [Vec<u32>; 2] {
        [map(getuid().as_raw(), &self.uids), map(getgid().as_raw(), &self.gids)]
    }
}

fn ranges(list: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let number = uid.to_string();
    let parse = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if owner != number && name != Some(owner) {
            return None;
        }
        let range = Range { start: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
        (range.count > 0).then_some(range)
    };
    list.lines().filter_map(parse).collect()
}

fn map(own: u32, ranges: &[Range]) -> Vec<u32> {
    let mut arguments = vec![0, own, 1];
    let mut inside = 1u32;
    for range in ranges {
        arguments.extend([inside, range.start, range.count]);
        inside = inside.saturating_add(range.count);
    }
    arguments
}

/// `newuidmap` and `newgidmap`, if the machine has both.
#[must_use]
pub fn mapping_tools() -> Option<[PathBuf; 2]> {
    let find = |tool| DIRECTORIES.iter().map(|directory| Path::new(directory).join(tool)).find(|path| path.is_file());
    Some([find("newuidmap")?, find("newgidmap")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_name_and_of_the_number() {
        let list = "app:100000:65536\nother:1:2\n1000:200000:10\napp:broken:1\napp:5:0\napplication:7:7\n";
        let expected = [Range { start: 100_000, count: 65536 }, Range { start: 200_000, count: 10 }];
        assert_eq!(ranges(list, Some("app"), 1000), expected);
        assert_eq!(ranges(list, None, 1000), expected[1..]);
        assert_eq!(map(1000, &expected), [0, 1000, 1, 1, 100_000, 65536, 65537, 200_000, 10]);
    }
}
