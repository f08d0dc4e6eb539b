// SPDX-License-Identifier: Apache-2.0
//! What namespaces leave open.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The kernel's `landlock_ruleset_attr` as of its sixth version.
#[repr(C)]
struct Rules {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1;

/// Cuts this thread, and what it starts, off from sockets with abstract names that others have bound. Such names
/// belong to a network namespace, so whoever shares the machine's network reaches services of the machine by them
/// (CVE-2020-15257). The thread must have given up new privileges or be root of its user namespace.
///
/// False if the kernel cannot do that: it came with Linux 6.12, and may be turned off.
pub fn scope_abstract_sockets() -> io::Result<bool> {
    let rules = Rules { handled_access_fs: 0, handled_access_net: 0, scoped: SCOPE_ABSTRACT_UNIX_SOCKET };
    // SAFETY: `rules` is a whole attribute structure of the size that is passed along, and outlives the call.
    let created = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(&rules), size_of::<Rules>(), 0u32)
    };
    if created < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // Absent, turned off, or too old to know the last field.
            Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::E2BIG | libc::EINVAL | libc::ENOMSG) => Ok(false),
            _ => Err(error),
        };
    }
    let number = i32::try_from(created).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows of it.
    let ruleset = unsafe { OwnedFd::from_raw_fd(number) };
    // SAFETY: the call takes numbers only.
    let status = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0u32) };
    if status == 0 { Ok(true) } else { Err(io::Error::last_os_error()) }
}
