// SPDX-License-Identifier: Apache-2.0
//! What stands before a header and changes what it says.

use super::TarError;
use crate::tar::pax;
use crate::xattrs::{self, Xattr};

/// What extended headers say about the next member.
#[derive(Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<i64>,
    pub(super) xattrs: Vec<Xattr>,
    /// GNU's way; pax records win.
    pub(super) long_name: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
}

impl Extended {
    pub(super) fn read(&mut self, mut records: &[u8], at: u64) -> Result<(), TarError> {
        while !records.is_empty() {
            let wrong = |field| TarError::Field { at, field };
            let (key, value) = pax::next(&mut records).ok_or(wrong("extended header"))?;
            // An empty value takes an earlier record back.
            let text = || (!value.is_empty()).then(|| value.to_vec());
            let number = |field| match value {
                b"" => Ok(None),
                digits => pax::decimal(digits).map(Some).ok_or(wrong(field)),
            };
            match key {
                b"path" => self.path = text(),
                b"linkpath" => self.linkpath = text(),
                b"size" => self.size = number("size record")?,
                b"uid" => self.uid = number("uid record")?,
                b"gid" => self.gid = number("gid record")?,
                b"mtime" => self.mtime = Some(seconds(value).ok_or(wrong("mtime record"))?),
                _ if key.starts_with(b"GNU.sparse.") => return Err(wrong("type (a sparse file)")),
                _ => self.xattr(key, value),
            }
        }
        Ok(())
    }

    fn xattr(&mut self, key: &[u8], value: &[u8]) {
        let Some(name) = key.strip_prefix(pax::XATTR) else { return };
        // Marks of overlay and labels of the machine that made the archive mean nothing here, or something else.
        if xattrs::is_carried(name) {
            self.xattrs.retain(|(known, _)| known != name);
            self.xattrs.push((name.to_vec(), value.to_vec()));
        }
    }
}

/// Reads a time with an optional fraction, which is dropped. One before 1970 is taken for 1970.
fn seconds(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let mut parts = digits.splitn(2, |byte| *byte == b'.');
    let whole = pax::decimal(parts.next()?)?;
    if parts.next().is_some_and(|fraction| !fraction.iter().all(u8::is_ascii_digit)) {
        return None;
    }
    if is_negative { Some(0) } else { i64::try_from(whole).ok() }
}

/// A global header may comment; it may not say what the members after it are, which readers take differently.
pub(super) fn refuse_global(mut records: &[u8], at: u64) -> Result<(), TarError> {
    while !records.is_empty() {
        let (key, _) = pax::next(&mut records).ok_or(TarError::Field { at, field: "global header" })?;
        if matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid") || key.starts_with(b"GNU.sparse.") {
            return Err(TarError::Field { at, field: "record in a global header" });
        }
    }
    Ok(())
}
