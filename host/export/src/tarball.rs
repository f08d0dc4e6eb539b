// SPDX-License-Identifier: Apache-2.0
//! A tar archive whose entries are written once, though their names and lengths are known only afterwards.
//!
//! The header's place is left free and filled when the content is there. Owner, mode and time are fixed: an archive is a
//! function of its contents.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use tar::{EntryType, Header};

/// The unit of a tar archive (POSIX.1-1988, ustar).
const BLOCK: u64 = 512;

pub(crate) struct Tarball {
    file: File,
}

impl Tarball {
    pub(crate) fn new(file: File) -> Self {
        Self { file }
    }

    pub(crate) fn add_dir(&mut self, name: &str) -> io::Result<()> {
        self.file.write_all(header(name, 0, EntryType::Directory, 0o755)?.as_bytes())
    }

    pub(crate) fn add_file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let entry = self.begin()?;
        self.file.write_all(content)?;
        self.end(entry, name)
    }

    /// Leaves room for a header and returns where.
    pub(crate) fn begin(&mut self) -> io::Result<u64> {
        let at = self.file.stream_position()?;
        self.file.write_all(&[0; BLOCK as usize])?;
        Ok(at)
    }

    /// Returns where the content of the entry goes.
    pub(crate) fn content(&mut self) -> &mut File {
        &mut self.file
    }

    /// Ends the entry that began at a place: what was written since is its content.
    pub(crate) fn end(&mut self, began: u64, name: &str) -> io::Result<()> {
        let end = self.file.stream_position()?;
        let length = end - began - BLOCK;
        self.file.seek(SeekFrom::Start(began))?;
        self.file.write_all(header(name, length, EntryType::Regular, 0o644)?.as_bytes())?;
        self.file.seek(SeekFrom::Start(end))?;
        let padding = usize::try_from(length.next_multiple_of(BLOCK) - length).expect("a block is small");
        self.file.write_all(&[0; BLOCK as usize][..padding])
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.write_all(&[0; 2 * BLOCK as usize])
    }
}

fn header(name: &str, length: u64, kind: EntryType, mode: u32) -> io::Result<Header> {
    // GNU's form, since it has a way to write lengths of 8 GiB and more.
    let mut header = Header::new_gnu();
    header.set_path(name)?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    header.set_cksum();
    Ok(header)
}
