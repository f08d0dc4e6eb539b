// SPDX-License-Identifier: Apache-2.0
//! Reads an archive that somebody else wrote: strictly, in bounded memory, and with the one reading that GNU tar and
//! Go's `archive/tar` agree on. What they would read differently is refused.
//!
//! The `tar` crate's reader is not used: it reads long names and extended headers into memory whatever their size, and
//! takes what it can of a number that it does not understand.

use std::io::{self, Read};

use super::write::BLOCK;
use crate::xattrs::Xattr;

mod extended;
mod header;

use extended::{Extended, refuse_global};
use header::{Header, c_string, is_header};

/// Longest extended header or long name, as in Go's reader: a defence against archives made to exhaust memory.
const MAX_EXTENDED: u64 = 1 << 20;
/// Longest path (`PATH_MAX`).
const MAX_PATH: usize = 4096;
/// Largest user or group id that every part of a container stack can hold.
pub(crate) const MAX_ID: u64 = i32::MAX as u64;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberKind {
    Directory,
    /// The content follows.
    File,
    /// Another name of the member of this name.
    HardLink(Vec<u8>),
    /// A link that says this.
    Symlink(Vec<u8>),
    Fifo,
    /// A block or character device.
    Device,
}

/// A member of an archive without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// As the archive says it: not to be trusted.
    pub(crate) untrusted_path: Vec<u8>,
    pub(crate) kind: MemberKind,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    /// Bytes of content.
    pub(crate) size: u64,
    /// Those that belong to a layer, sorted by name.
    pub(crate) xattrs: Vec<Xattr>,
}

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The bytes could not be read or decompressed.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It ends inside a member.
    #[error("the archive ends inside a member")]
    Truncated,
    /// This is no header.
    #[error("no tar header at byte {0}: the checksum is wrong")]
    Checksum(u64),
    /// A field or record of a header makes no sense.
    #[error("the header at byte {at} has an unacceptable {field}")]
    Field {
        /// Where the header begins in the uncompressed archive.
        at: u64,
        /// Which field or record.
        field: &'static str,
    },
    /// A kind of member that is not supported.
    #[error("the member at byte {at} is of the unsupported type `{}`", char::from(*.kind).escape_default())]
    Unsupported {
        /// Where its header begins in the uncompressed archive.
        at: u64,
        /// The type flag.
        kind: u8,
    },
}

/// A strict reader of tar archives. Reading from it gives the content of the current member.
pub(crate) struct TarReader<R> {
    input: R,
    /// Bytes of the archive read so far.
    at: u64,
    /// Bytes of the current member's content that are still to come.
    left: u64,
    /// Bytes after it up to the next header.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, at: 0, left: 0, padding: 0 }
    }

    /// Returns the next member, none at the end. What is left of the content of the one before is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, TarError> {
        let mut extended = Extended::default();
        loop {
            self.skip_rest()?;
            let at = self.at;
            let Some(block) = self.block()? else {
                self.drain()?;
                return Ok(None);
            };
            let header = Header { block: &block, at };
            let size = header.size()?;
            match header.kind() {
                b'x' => {
                    let records = self.special(at, size)?;
                    extended.read(&records, at)?;
                }
                b'g' => {
                    let records = self.special(at, size)?;
                    refuse_global(&records, at)?;
                }
                b'L' => extended.long_name = Some(c_string(self.special(at, size)?)),
                b'K' => extended.long_link = Some(c_string(self.special(at, size)?)),
                _ => return self.member(header, extended).map(Some),
            }
        }
    }

    fn member(&mut self, header: Header<'_>, extended: Extended) -> Result<Member, TarError> {
        let at = header.at;
        let untrusted_path = match extended.path.or(extended.long_name) {
            Some(path) => path,
            // GNU tar and Go take it for the root.
            None if header.path().is_empty() => b".".to_vec(),
            None => header.path(),
        };
        let target =
            extended.linkpath.or(extended.long_link).unwrap_or_else(|| c_string(header.field(157, 100).to_vec()));
        let kind = match header.kind() {
            // An archive of Version 7 has no other way to say that a member is a directory.
            0 if untrusted_path.ends_with(b"/") => MemberKind::Directory,
            b'0' | b'7' | 0 => MemberKind::File,
            b'1' => MemberKind::HardLink(target),
            b'2' => MemberKind::Symlink(target),
            b'3' | b'4' => MemberKind::Device,
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Fifo,
            kind => return Err(TarError::Unsupported { at, kind }),
        };
        // Whatever their size field says, only files have content.
        let size = if kind == MemberKind::File { extended.size.map_or_else(|| header.size(), Ok)? } else { 0 };
        let check = |name: &[u8], field| {
            if name.is_empty() || name.len() > MAX_PATH || name.contains(&0) {
                return Err(TarError::Field { at, field });
            }
            Ok(())
        };
        check(&untrusted_path, "name")?;
        if let MemberKind::HardLink(target) | MemberKind::Symlink(target) = &kind {
            check(target, "link target")?;
        }
        self.expect_content(size, at)?;
        let id = |record: Option<u64>, start, field| {
            let id = record.map_or_else(|| header.number(start, 8, field), Ok)?;
            u32::try_from(id).ok().filter(|id| u64::from(*id) <= MAX_ID).ok_or(TarError::Field { at, field })
        };
        let mut xattrs = extended.xattrs;
        xattrs.sort_unstable();
        Ok(Member {
            mode: u32::try_from(header.number(100, 8, "mode")? & 0o7777).unwrap_or(0),
            owner: (id(extended.uid, 108, "user id")?, id(extended.gid, 116, "group id")?),
            mtime: extended.mtime.map_or_else(|| header.time(), Ok)?,
            untrusted_path,
            kind,
            size,
            xattrs,
        })
    }

    fn expect_content(&mut self, size: u64, at: u64) -> Result<(), TarError> {
        if size > i64::MAX as u64 {
            return Err(TarError::Field { at, field: "size" });
        }
        self.left = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
        Ok(())
    }

    /// Reads the content of a header that is about another one.
    fn special(&mut self, at: u64, size: u64) -> Result<Vec<u8>, TarError> {
        if size > MAX_EXTENDED {
            return Err(TarError::Field { at, field: "extended header (too long)" });
        }
        self.expect_content(size, at)?;
        let mut content = Vec::new();
        self.content().read_to_end(&mut content).map_err(TarError::Read)?;
        if content.len() as u64 == size { Ok(content) } else { Err(TarError::Truncated) }
    }

    /// Returns where the bytes come from.
    pub(crate) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// The content of the current member.
    pub(crate) fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }

    fn skip_rest(&mut self) -> Result<(), TarError> {
        let rest = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.input).take(rest), &mut io::sink()).map_err(TarError::Read)?;
        self.at += skipped;
        (self.left, self.padding) = (0, 0);
        if skipped == rest { Ok(()) } else { Err(TarError::Truncated) }
    }

    /// Returns the next header block, none at the end of the archive.
    fn block(&mut self) -> Result<Option<[u8; 512]>, TarError> {
        let mut block = [0; 512];
        let mut used = 0;
        while used < block.len() {
            match self.input.read(&mut block[used..]) {
                // Many archives end without the two blocks of zeros.
                Ok(0) if used == 0 => return Ok(None),
                Ok(0) => return Err(TarError::Truncated),
                Ok(count) => used += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TarError::Read(error)),
            }
        }
        self.at += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if is_header(&block) { Ok(Some(block)) } else { Err(TarError::Checksum(self.at - BLOCK)) }
    }

    /// Reads to the end, so that what decompresses the archive checks its checksum too.
    fn drain(&mut self) -> Result<(), TarError> {
        io::copy(&mut self.input, &mut io::sink()).map(|_| ()).map_err(TarError::Read)
    }
}

/// The content of a member.
pub(crate) struct Content<'a, R>(&'a mut TarReader<R>);

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.0.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.0.input.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.left -= got as u64;
        self.0.at += got as u64;
        Ok(got)
    }
}
