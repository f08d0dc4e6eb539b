// SPDX-License-Identifier: Apache-2.0
//! Owners by number or by the names that a tree knows.

use std::io;

use super::Editor;
use crate::tar::pax::decimal;
use crate::tar::read::MAX_ID;

/// Most that is read of a list of users or groups: a defence against trees made to exhaust memory.
const MAX_LIST: u64 = 1 << 20;

/// Why an owner is none.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The text is neither a number nor a name, or has more than two parts.
    #[error("`{0}` is not an owner of the form `user`, `uid`, `user:group` or `uid:gid`")]
    Malformed(String),
    /// A number that no part of a container stack can hold.
    #[error("the id {0} is larger than {MAX_ID}")]
    TooLarge(String),
    /// The tree has no such user.
    #[error("the image has no user `{0}`")]
    NoUser(String),
    /// The tree has no such group.
    #[error("the image has no group `{0}`")]
    NoGroup(String),
    /// The lists of the tree could not be read.
    #[error("cannot read the image's `{path}`")]
    Read {
        /// In the tree.
        path: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl Editor {
    /// Returns the numbers of an owner: `user`, `uid`, `user:group`, `uid:gid`, names as the tree's own lists have them.
    ///
    /// Without a group it is that of the user, by the tree's list, and for a number the one of the same number.
    ///
    /// # Errors
    ///
    /// When the text is no owner, or names somebody whom the tree does not know.
    pub fn resolve_owner(&mut self, owner: &str) -> Result<(u32, u32), OwnerError> {
        let mut parts = owner.splitn(2, ':');
        let (user, group) = (parts.next().unwrap_or(""), parts.next());
        if user.is_empty() || group.is_some_and(|group| group.is_empty() || group.contains(':')) {
            return Err(OwnerError::Malformed(owner.to_owned()));
        }
        let (uid, own) = match number(user)? {
            Some(uid) => (uid, uid),
            None => {
                let ids = self.listed::<2>("etc/passwd", user)?.ok_or_else(|| OwnerError::NoUser(user.to_owned()))?;
                (ids[0], ids[1])
            }
        };
        let gid = match group {
            None => own,
            Some(group) => match number(group)? {
                Some(gid) => gid,
                None => {
                    let known = self.listed::<1>("etc/group", group)?;
                    known.ok_or_else(|| OwnerError::NoGroup(group.to_owned()))?[0]
                }
            },
        };
        Ok((uid, gid))
    }

    /// Returns the numbers that begin with the third field of the line whose first field is `name`: passwd(5) has two there,
    /// group(5) has one.
    fn listed<const N: usize>(&mut self, path: &'static str, name: &str) -> Result<Option<[u32; N]>, OwnerError> {
        let bytes = self
            .read(path.as_bytes(), MAX_LIST)
            .map_err(|source| OwnerError::Read { path, source })?
            .unwrap_or_default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            if fields.next() != Some(name.as_bytes()) {
                continue;
            }
            let mut ids = [0; N];
            for (id, field) in ids.iter_mut().zip(fields.skip(1)) {
                let Some(known) = std::str::from_utf8(field).ok().map(number).transpose()?.flatten() else {
                    return Ok(None);
                };
                *id = known;
            }
            return Ok(Some(ids));
        }
        Ok(None)
    }
}

fn number(text: &str) -> Result<Option<u32>, OwnerError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let id = decimal(text.as_bytes()).filter(|id| *id <= MAX_ID).and_then(|id| u32::try_from(id).ok());
    id.map(Some).ok_or_else(|| OwnerError::TooLarge(text.to_owned()))
}
