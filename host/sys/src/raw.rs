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

/// The name of a user by the machine's own means, which may ask a directory service.
pub(crate) fn name_of_user(uid: u32) -> Option<String> {
    // SAFETY: `passwd` consists of integers and pointers, for which zero is a value.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    let mut buffer = vec![0; 16 * 1024];
    // SAFETY: the entry, the buffer and its length belong together and outlive the call, which stores pointers into
    // the buffer in the entry, and a pointer to the entry in `found` if there is one.
    let status = unsafe { libc::getpwuid_r(uid, &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found) };
    if status != 0 || found.is_null() {
        return None;
    }
    // SAFETY: after success `pw_name` points to a string in the buffer that ends in a zero byte.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    Some(name.to_string_lossy().into_owned())
}
