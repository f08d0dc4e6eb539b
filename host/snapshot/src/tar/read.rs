// SPDX-License-Identifier: Apache-2.0
//! Reads an archive that somebody else wrote: strictly, in bounded memory, and with the one reading that GNU tar and
//! Go's `archive/tar` agree on. What they would read differently is refused.
//!
//! The `tar` crate's reader is not used: it reads long names and extended headers into memory whatever their size, and
//! takes what it can of a number that it does not understand.

use std::io::{self, Read};

use super::pax;
use super::write::BLOCK;
use crate::xattrs::{self, Xattr};

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

/// What extended headers say about the next member.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    linkpath: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<i64>,
    xattrs: Vec<Xattr>,
    /// GNU's way; pax records win.
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
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

/// Returns whether the checksum of a block is right. Some archivers summed signed bytes.
fn is_header(block: &[u8; 512]) -> bool {
    let Some(stated) = octal(&block[148..156]) else { return false };
    let bytes = || block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    stated == unsigned || i64::try_from(stated) == Ok(signed)
}

struct Header<'a> {
    block: &'a [u8; 512],
    at: u64,
}

impl Header<'_> {
    fn kind(&self) -> u8 {
        self.block[156]
    }

    fn field(&self, start: usize, length: usize) -> &[u8] {
        &self.block[start..start + length]
    }

    fn number(&self, start: usize, length: usize, field: &'static str) -> Result<u64, TarError> {
        number(self.field(start, length)).ok_or(TarError::Field { at: self.at, field })
    }

    fn size(&self) -> Result<u64, TarError> {
        self.number(124, 12, "size")
    }

    /// A time before 1970 is taken for 1970: a layer cannot hold it.
    fn time(&self) -> Result<i64, TarError> {
        if self.block[136] & 0xC0 == 0xC0 {
            return Ok(0);
        }
        let seconds = self.number(136, 12, "time")?;
        i64::try_from(seconds).map_err(|_| TarError::Field { at: self.at, field: "time" })
    }

    fn path(&self) -> Vec<u8> {
        let name = c_string(self.field(0, 100).to_vec());
        let prefix = c_string(self.field(345, 155).to_vec());
        // Only POSIX's format has a prefix; GNU's keeps other things there.
        if self.field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            return [&prefix[..], b"/", &name].concat();
        }
        name
    }
}

/// Reads a number field: octal, or binary with the highest bit set (GNU's and star's extension).
fn number(field: &[u8]) -> Option<u64> {
    match field[0] {
        0x80 => field[1..]
            .iter()
            .try_fold(0_u64, |value, byte| value.checked_mul(256).map(|value| value | u64::from(*byte))),
        // Negative, or another extension.
        byte if byte & 0x80 != 0 => None,
        _ => octal(field),
    }
}

/// Reads octal digits between blanks; an empty field is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let rest = &field[start..];
    let end = rest.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(rest.len());
    rest[..end].iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8).map(|value| value | u64::from(byte - b'0')),
        _ => None,
    })
}

fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

impl Extended {
    fn read(&mut self, mut records: &[u8], at: u64) -> Result<(), TarError> {
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
fn refuse_global(mut records: &[u8], at: u64) -> Result<(), TarError> {
    while !records.is_empty() {
        let (key, _) = pax::next(&mut records).ok_or(TarError::Field { at, field: "global header" })?;
        if matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid") || key.starts_with(b"GNU.sparse.") {
            return Err(TarError::Field { at, field: "record in a global header" });
        }
    }
    Ok(())
}
