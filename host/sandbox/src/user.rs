// SPDX-License-Identifier: Apache-2.0
//! Who a command is, by the files of its root file system.
//!
//! The rules are those of Docker: a user made of digits is always a number; the groups of a user are those whose
//! member lists have its name; a group given with the user replaces all of them. Numbers are digits and nothing else.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wythe_sys::root::Root;

use crate::SystemError;

#[cfg(test)]
mod tests;

/// The longest `/etc/passwd` or `/etc/group` that is read: a root file system may hold anything under these names.
const LONGEST: u64 = 16 << 20;

/// The largest id that Docker accepts.
const LARGEST: u32 = i32::MAX.cast_unsigned();

/// A user as the kernel knows it, and its home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one first, none twice.
    pub groups: Vec<u32>,
    /// The home directory, if the user is listed.
    pub home: Option<String>,
}

/// Why a user is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum UserError {
    /// Not listed, and not a number.
    #[error("no user `{0}` in /etc/passwd")]
    NoUser(String),
    /// Not listed, and not a number.
    #[error("no group `{0}` in /etc/group")]
    NoGroup(String),
    /// Larger than any id.
    #[error("`{0}` is not an id: ids end at {LARGEST}")]
    OutOfRange(String),
    /// A list cannot be read.
    #[error("cannot read {path} of the root file system")]
    Unreadable {
        /// Which.
        path: String,
        /// What the kernel said.
        source: SystemError,
    },
    /// The user namespace of an ordinary user has a limited number of ids.
    #[error("the id {0} does not exist for an ordinary user: no subordinate id is mapped to it")]
    NotMapped(u32),
}

impl User {
    /// Looks up `spec`, as in [`crate::RunInputs::user`], in the lists of `root`. A list that is not there is empty.
    pub fn find(spec: &str, root: &Root) -> Result<Self, UserError> {
        Self::find_in(spec, &read(root, "/etc/passwd")?, &read(root, "/etc/group")?)
    }

    fn find_in(spec: &str, passwd: &[u8], group: &[u8]) -> Result<Self, UserError> {
        let (user, group_given) = spec.split_once(':').unwrap_or((spec, ""));
        let number = parse(user)?;
        let wanted = if user.is_empty() { Some(0) } else { number };
        let listed = lines(passwd).filter_map(Account::parse).find(|account| match wanted {
            Some(uid) => account.uid == uid,
            None => account.name == user.as_bytes(),
        });
        let uid = match (&listed, wanted) {
            (Some(account), _) => account.uid,
            (None, Some(uid)) => uid,
            (None, None) => return Err(UserError::NoUser(user.into())),
        };
        let mut groups = vec![];
        if group_given.is_empty() {
            groups.push(listed.as_ref().map_or(0, |account| account.gid));
            if let Some(account) = &listed {
                let member = lines(group).filter_map(Team::parse).filter(|team| team.has(account.name));
                groups.extend(member.map(|team| team.gid));
            }
        } else {
            groups.push(find_group(group_given, group)?);
        }
        let gid = groups[0];
        let mut seen = std::collections::BTreeSet::new();
        groups.retain(|gid| seen.insert(*gid));
        let home = listed.map(|account| String::from_utf8_lossy(account.home).into_owned());
        Ok(Self { uid, gid, groups, home })
    }
}

fn find_group(given: &str, group: &[u8]) -> Result<u32, UserError> {
    match parse(given)? {
        Some(gid) => Ok(gid),
        None => lines(group)
            .filter_map(Team::parse)
            .find(|team| team.name == given.as_bytes())
            .map(|team| team.gid)
            .ok_or_else(|| UserError::NoGroup(given.into())),
    }
}

/// A number, if `text` consists of digits.
fn parse(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|number| *number <= LARGEST);
    number.map(Some).ok_or_else(|| UserError::OutOfRange(text.into()))
}

fn read(root: &Root, path: &str) -> Result<Vec<u8>, UserError> {
    match root.read_bounded(Path::new(path), LONGEST) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(vec![]),
        result => result.map_err(|source| UserError::Unreadable { path: path.into(), source: source.into() }),
    }
}

fn lines(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

fn field_number(field: &[u8]) -> Option<u32> {
    parse(std::str::from_utf8(field).ok()?).ok()?
}

/// A line of `/etc/passwd`.
struct Account<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

impl<'a> Account<'a> {
    /// `None` for a line that is none.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let [name, _, uid, gid, rest @ ..] = fields.as_slice() else { return None };
        let home = rest.get(1).copied().unwrap_or_default();
        Some(Self { name, uid: field_number(uid)?, gid: field_number(gid)?, home })
    }
}

/// A line of `/etc/group`.
struct Team<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

impl<'a> Team<'a> {
    /// `None` for a line that is none.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let [name, _, gid, rest @ ..] = fields.as_slice() else { return None };
        Some(Self { name, gid: field_number(gid)?, members: rest.first().copied().unwrap_or_default() })
    }

    fn has(&self, member: &[u8]) -> bool {
        self.members.split(|byte| *byte == b',').any(|listed| listed == member)
    }
}
