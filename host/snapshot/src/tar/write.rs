// SPDX-License-Identifier: Apache-2.0
//! The one way in which an entry becomes bytes.
//!
//! A ustar header, preceded by a pax extended header where ustar cannot say it: a name over 100 bytes or not ASCII, a
//! number that does not fit its field, an extended attribute. No user or group names, no access or change times.

use tar::{EntryType, Header};

use super::pax;
use crate::xattrs::Xattr;

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 512;

/// Largest number in a field of eight bytes: seven octal digits.
const MAX_ID: u64 = 0o7_777_777;
/// Largest number in a field of twelve bytes: eleven octal digits.
const MAX_LONG: u64 = 0o77_777_777_777;
/// Bytes of the name fields.
const MAX_NAME: usize = 100;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind<'a> {
    /// A directory; its path ends in `/`.
    Directory,
    /// A file whose content of this length follows.
    File(u64),
    /// Another name of an earlier entry.
    HardLink(&'a [u8]),
    /// A symbolic link that says this.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
}

/// An entry of an archive without its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Relative path.
    pub(crate) path: &'a [u8],
    pub(crate) kind: EntryKind<'a>,
    /// Permission bits.
    pub(crate) mode: u32,
    /// User and group.
    pub(crate) owner: (u32, u32),
    /// Seconds since 1970, not negative.
    pub(crate) mtime: u64,
    /// Sorted by name.
    pub(crate) xattrs: &'a [Xattr],
}

/// Appends the blocks that stand before the entry's content.
pub(crate) fn append_header(bytes: &mut Vec<u8>, entry: &Entry<'_>) {
    let mut header = Header::new_ustar();
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for (name, value) in entry.xattrs {
        records.push(([pax::XATTR, name].concat(), value.clone()));
    }
    let (flag, target, size) = match entry.kind {
        EntryKind::Directory => (EntryType::Directory, &b""[..], 0),
        EntryKind::File(size) => (EntryType::Regular, &b""[..], size),
        EntryKind::HardLink(target) => (EntryType::Link, target, 0),
        EntryKind::Symlink(target) => (EntryType::Symlink, target, 0),
        EntryKind::Fifo => (EntryType::Fifo, &b""[..], 0),
    };
    header.set_entry_type(flag);
    header.set_mode(entry.mode);
    header.set_size(field(size, MAX_LONG, b"size", &mut records));
    header.set_mtime(field(entry.mtime, MAX_LONG, b"mtime", &mut records));
    header.set_uid(field(entry.owner.0.into(), MAX_ID, b"uid", &mut records));
    header.set_gid(field(entry.owner.1.into(), MAX_ID, b"gid", &mut records));
    let old = header.as_old_mut();
    put_name(&mut old.name, entry.path, b"path", &mut records);
    put_name(&mut old.linkname, target, b"linkpath", &mut records);
    header.set_cksum();
    if !records.is_empty() {
        append_extended(bytes, records);
    }
    bytes.extend_from_slice(header.as_bytes());
}

/// Returns the number for the field, zero where only a record can hold it.
fn field(number: u64, max: u64, key: &[u8], records: &mut Vec<(Vec<u8>, Vec<u8>)>) -> u64 {
    if number <= max {
        return number;
    }
    records.push((key.to_vec(), number.to_string().into_bytes()));
    0
}

fn put_name(field: &mut [u8; MAX_NAME], name: &[u8], key: &[u8], records: &mut Vec<(Vec<u8>, Vec<u8>)>) {
    let fits = name.len() <= MAX_NAME;
    if !fits || !name.is_ascii() {
        records.push((key.to_vec(), name.to_vec()));
    }
    // What a reader without pax sees: the beginning of the name, with a question mark for what is not ASCII.
    for (at, byte) in field.iter_mut().zip(name) {
        *at = if byte.is_ascii() { *byte } else { b'?' };
    }
}

fn append_extended(bytes: &mut Vec<u8>, mut records: Vec<(Vec<u8>, Vec<u8>)>) {
    records.sort_unstable();
    let mut block = Vec::new();
    for (key, value) in &records {
        pax::append(&mut block, key, value);
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.as_old_mut().name[..EXTENDED_NAME.len()].copy_from_slice(EXTENDED_NAME);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(block.len() as u64);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&block);
    pad(bytes, block.len() as u64);
}

/// Name of extended headers. Readers that know pax ignore it; those that do not extract a file of this name.
const EXTENDED_NAME: &[u8] = b"PaxHeaders/entry";

/// Fills up the last block of a content of this length.
pub(crate) fn pad(bytes: &mut Vec<u8>, length: u64) {
    let rest = (BLOCK - length % BLOCK) % BLOCK;
    bytes.resize(bytes.len() + usize::try_from(rest).expect("a block fits into memory"), 0);
}

/// The end of an archive.
pub(crate) const END: [u8; 1024] = [0; 1024];
