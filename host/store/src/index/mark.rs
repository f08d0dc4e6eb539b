// SPDX-License-Identifier: Apache-2.0
//! The mark that an index is damaged, a file beside it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::FILE;

/// Its name.
const MARK: &str = "index.db-damaged";

/// What it says where damage is only one reason for what was seen.
const UNSURE: &str = "cannot be written\n";

/// What it says else.
const SURE: &str = "damaged\n";

/// Leaves it. Where that cannot be done, the next one to meet the damage tries again.
pub(super) fn leave(index: &Path, is_sure: bool) {
    if index.file_name().is_some_and(|name| name == FILE) {
        drop(fs::write(index.with_file_name(MARK), if is_sure { SURE } else { UNSURE }));
    }
}

/// Leaves it in a store's directory.
pub(crate) fn leave_in(root: &Path) {
    leave(&root.join(FILE), true);
}

/// Whether it is there.
pub(crate) fn is_there(root: &Path) -> bool {
    root.join(MARK).exists()
}

/// Whether the index is damaged indeed. To be asked by who alone has it open.
pub(crate) fn is_confirmed(root: &Path) -> bool {
    match fs::read_to_string(root.join(MARK)) {
        Ok(text) if text == UNSURE => !has_sound_header(&root.join(FILE)),
        Ok(_) => true,
        Err(_) => false,
    }
}

/// Removes it.
pub(crate) fn remove(root: &Path) {
    // One that stays costs the next opening a look.
    drop(fs::remove_file(root.join(MARK)));
}

/// The fields of a database's header that never change, by their places (sqlite.org/fileformat2.html, 1.3): page size, WAL
/// twice, fractions, schema format, text encoding.
pub(crate) const HEADER: [(usize, &[u8]); 5] = [
    (0, b"SQLite format 3\0\x10\0\x02\x02\0\x40\x20\x20"),
    (44, &[0, 0, 0, 4]),
    (56, &[0, 0, 0, 1]),
    (60, &[0, 0, 0, 1]),
    (68, b"wyth"),
];

fn has_sound_header(path: &Path) -> bool {
    let read = || -> io::Result<[u8; 100]> {
        let mut header = [0; 100];
        File::open(path)?.read_exact(&mut header)?;
        Ok(header)
    };
    read().is_ok_and(|header| HEADER.iter().all(|(at, bytes)| header[*at..].starts_with(bytes)))
}
