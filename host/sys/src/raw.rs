// SPDX-License-Identifier: Apache-2.0
//! System calls that `rustix` does not wrap.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Changes the attributes of the mount that `path`, relative to `dir`, names; an empty `path` means `dir` itself.
pub(crate) fn mount_setattr(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: libc::c_int,
    attributes: &libc::mount_attr,
) -> io::Result<()> {
    // SAFETY: `path` ends in a zero byte and `attributes` is a whole `mount_attr` of the size that is passed along;
    // both outlive the call, and the kernel only reads them.
    let status = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
