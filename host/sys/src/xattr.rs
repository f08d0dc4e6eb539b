// SPDX-License-Identifier: Apache-2.0
//! Extended attributes, all of them, for who looks for something in their values.

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;

/// The longest list or value that the kernel allows (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const LONGEST: usize = 65_536;

/// The names and values of all attributes of an open file or directory, one after the other. A file system without
/// attributes has none.
pub fn all(fd: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = vec![0; LONGEST];
    let length = match rustix::fs::flistxattr(&fd, &mut names) {
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        result => result?,
    };
    names.truncate(length);
    let mut all = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; LONGEST];
        // One that is gone or may not be read holds nothing that anybody else will read.
        if let Ok(length) = rustix::fs::fgetxattr(&fd, name, &mut value) {
            value.truncate(length);
            all.push(value);
        }
        all.push(name.to_vec());
    }
    Ok(all)
}
