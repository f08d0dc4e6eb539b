// SPDX-License-Identifier: Apache-2.0
//! Members of a zip archive in the terms of a tar archive.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ::zip::read::{ZipArchive, ZipFile};
use ::zip::result::ZipError as Broken;

use crate::tar::read::{Member, MemberKind};

/// Bits of a Unix mode that say what a file is.
const TYPE_BITS: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;

/// Longest text of a link (`PATH_MAX`).
const MAX_LINK: u64 = 4096;

/// Why a zip archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// The file could not be opened.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It is no zip archive, or uses what is not supported.
    #[error("cannot make sense of the archive")]
    Broken(#[source] Broken),
    /// Several members share compressed bytes, which only archives made to exhaust a machine do.
    #[error("members of the archive overlap")]
    Overlap,
    /// Its members cannot be read without a password.
    #[error("member {0} is encrypted")]
    Encrypted(usize),
    /// A kind of member that is not supported.
    #[error("member {at} is of the unsupported type {kind:o}")]
    Unsupported {
        /// Its number.
        at: usize,
        /// The type bits of its Unix mode.
        kind: u32,
    },
}

/// An open zip archive.
pub(crate) struct Zip(ZipArchive<BufReader<File>>);

impl Zip {
    pub(crate) fn open(path: &Path) -> Result<Self, ZipError> {
        let file = File::open(path).map_err(ZipError::Read)?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(ZipError::Broken)?;
        if archive.has_overlapping_entries().map_err(ZipError::Broken)? {
            return Err(ZipError::Overlap);
        }
        Ok(Self(archive))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the name of a member as the archive says it: not to be trusted.
    pub(crate) fn untrusted_name(&mut self, at: usize) -> Result<Vec<u8>, ZipError> {
        name_of(&self.0.by_index_raw(at).map_err(ZipError::Broken)?)
    }

    /// Returns a member and a reader of its content, which checks length and checksum.
    pub(crate) fn member(&mut self, at: usize) -> Result<(Member, impl Read + '_), ZipError> {
        if self.0.by_index_raw(at).map_err(ZipError::Broken)?.encrypted() {
            return Err(ZipError::Encrypted(at));
        }
        let mut file = self.0.by_index(at).map_err(ZipError::Broken)?;
        let untrusted_path = name_of(&file)?;
        let mode = file.unix_mode().unwrap_or(0);
        let is_directory = untrusted_path.ends_with(b"/");
        let kind = match mode & TYPE_BITS {
            _ if is_directory => MemberKind::Directory,
            DIRECTORY => MemberKind::Directory,
            0 | REGULAR => MemberKind::File,
            SYMLINK => {
                let mut target = Vec::new();
                file.by_ref().take(MAX_LINK + 1).read_to_end(&mut target).map_err(ZipError::Read)?;
                MemberKind::Symlink(target)
            }
            kind => return Err(ZipError::Unsupported { at, kind }),
        };
        // An archive made elsewhere says nothing about modes.
        let fallback = if kind == MemberKind::Directory { 0o755 } else { 0o644 };
        let member = Member {
            untrusted_path,
            mode: if mode & 0o7777 == 0 { fallback } else { mode & 0o7777 },
            owner: (0, 0),
            mtime: time_of(&file),
            size: if kind == MemberKind::File { file.size() } else { 0 },
            kind,
            xattrs: Vec::new(),
        };
        Ok((member, file))
    }
}

fn name_of<R: Read>(file: &ZipFile<'_, R>) -> Result<Vec<u8>, ZipError> {
    let raw = file.name_raw();
    if std::str::from_utf8(raw).is_ok() {
        return Ok(raw.to_vec());
    }
    // Neither flagged nor by accident UTF-8: then it is the character set of the first PCs (APPNOTE, appendix D).
    Ok(file.name().map_err(ZipError::Broken)?.into_owned().into_bytes())
}

/// Returns when a member was written. Zip says so in local time without saying where; it is taken for UTC.
fn time_of<R: Read>(file: &ZipFile<'_, R>) -> i64 {
    let Some(time) = file.last_modified() else { return 0 };
    let days = days_since_1970(time.year().into(), time.month().into(), time.day().into());
    days * 86_400 + i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

/// Counts days in the Gregorian calendar, with years that begin in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::days_since_1970;

    #[test]
    fn counts_days() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1980, 1, 1), 3_652),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 1), 20_758),
            ((2107, 12, 31), 50_402),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }
}
