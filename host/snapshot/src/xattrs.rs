// SPDX-License-Identifier: Apache-2.0
//! Extended attributes: which belong to a layer, and which belong to the machine.
//!
//! A layer carries `user.*`, `security.capability` and POSIX access lists: what both root and an ordinary user's
//! namespace can set and read back with one value. Labels of security modules (`security.selinux`, `security.ima`), all of
//! `trusted.*`, and overlay's own marks belong to the machine. Overlay keeps its marks below `trusted.overlay.`, or
//! below `user.overlay.` where it is mounted inside a user namespace; neither prefix is ever content.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// A name and its value.
pub(crate) type Xattr = (Vec<u8>, Vec<u8>);

const TRUSTED: &[u8] = b"trusted.overlay.";
const USER: &[u8] = b"user.overlay.";

/// Longest list or value the kernel allows (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const MAX: usize = 65_536;

/// What overlay itself says on a directory or file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Nothing below is seen.
    pub(crate) opaque: bool,
    /// The content lies elsewhere: such a layer is no plain tree.
    pub(crate) redirected: bool,
}

/// The attributes of a file, as far as anybody here is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Xattrs {
    /// Those that belong to a layer, sorted by name.
    pub(crate) carried: Vec<Xattr>,
    /// Overlay's marks, in the name space that it uses on this machine.
    pub(crate) marks: Marks,
    /// Names that a normal layer does not have and that can be removed.
    pub(crate) foreign: Vec<Vec<u8>>,
}

/// Returns whether an attribute belongs to a layer.
///
/// A name with `=` cannot be told from its value in an archive, and is not carried either.
pub(crate) fn is_carried(name: &[u8]) -> bool {
    if name.contains(&b'=') || name.contains(&0) {
        return false;
    }
    (name.starts_with(b"user.") && !name.starts_with(USER))
        || matches!(name, b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default")
}

/// Returns the name of the mark that hides what lies below a directory.
pub(crate) fn opaque_name() -> &'static str {
    if wythe_sys::userns::is_initial() { "trusted.overlay.opaque" } else { "user.overlay.opaque" }
}

/// Reads the attributes of an open file or directory.
pub(crate) fn read(file: BorrowedFd<'_>) -> io::Result<Xattrs> {
    let mut found = Xattrs::default();
    let mut short = [0_u8; 512];
    let long;
    let list = match rustix::fs::flistxattr(file, &mut short) {
        Ok(length) => &short[..length],
        Err(Errno::RANGE) => {
            long = list_long(file)?;
            &long[..]
        }
        Err(Errno::NOTSUP) => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    let own = if wythe_sys::userns::is_initial() { TRUSTED } else { USER };
    for name in list.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if is_carried(name) {
            found.carried.push((name.to_vec(), value(file, name)?));
            continue;
        }
        if let Some(mark) = name.strip_prefix(own) {
            match mark {
                b"opaque" => found.marks.opaque = value(file, name)? == b"y",
                b"redirect" | b"metacopy" => found.marks.redirected = true,
                _ => {}
            }
        }
        if name.starts_with(b"trusted.") || name.starts_with(b"user.") {
            found.foreign.push(name.to_vec());
        }
    }
    found.carried.sort_unstable();
    Ok(found)
}

fn list_long(file: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut list = vec![0; MAX];
    let length = rustix::fs::flistxattr(file, &mut list[..])?;
    list.truncate(length);
    Ok(list)
}

fn value(file: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut short = [0_u8; 256];
    match rustix::fs::fgetxattr(file, name, &mut short) {
        Ok(length) => Ok(short[..length].to_vec()),
        Err(Errno::RANGE) => {
            let mut long = vec![0; MAX];
            let length = rustix::fs::fgetxattr(file, name, &mut long[..])?;
            long.truncate(length);
            Ok(long)
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes what a normal layer does not have. With `opaque`, the mark of that name stays.
pub(crate) fn strip(file: BorrowedFd<'_>, foreign: &[Vec<u8>], opaque: bool) -> io::Result<()> {
    for name in foreign {
        if !(opaque && name == opaque_name().as_bytes()) {
            rustix::fs::fremovexattr(file, name.as_slice())?;
        }
    }
    Ok(())
}

/// Sets attributes that belong to a layer.
pub(crate) fn write(file: impl AsFd, xattrs: &[Xattr]) -> io::Result<()> {
    let file = file.as_fd();
    for (name, value) in xattrs {
        rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty())?;
    }
    Ok(())
}

/// Hides what lies below a directory.
pub(crate) fn set_opaque(dir: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(dir, opaque_name(), b"y", XattrFlags::empty())?)
}

/// Makes the attributes of a layer on a directory exactly these.
pub(crate) fn replace(dir: BorrowedFd<'_>, xattrs: &[Xattr]) -> io::Result<()> {
    for (name, _) in read(dir)?.carried {
        if !xattrs.iter().any(|(kept, _)| *kept == name) {
            rustix::fs::fremovexattr(dir, name.as_slice())?;
        }
    }
    write(dir, xattrs)
}
