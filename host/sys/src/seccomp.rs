// SPDX-License-Identifier: Apache-2.0
//! The system calls a step may make.
//!
//! [`calls`] is the list, as data. A call that is not on it fails with `EPERM`; one that is newer than the list fails
//! with `ENOSYS`, as on a kernel that does not have it, so that a C library falls back to what it knows. `clone3`
//! fails with `ENOSYS` too, since its flags lie behind a pointer that a filter cannot follow. A 32-bit program of the
//! machine's family gets the same list with its own numbers; a call of any other architecture kills.
//!
//! The compiler turns the numbers into ranges and searches them by halves: some two hundred instructions, of which a
//! call meets about ten.

use std::io;

mod calls;
mod compile;
mod rules;
#[cfg(test)]
mod tests;

pub use rules::{Condition, Rule, rules_of_steps};

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter(Vec<libc::sock_filter>);

impl Filter {
    /// The filter for steps on this machine's architecture.
    #[must_use]
    pub fn of_steps() -> Self {
        Self(compile::program(&compile::NATIVE))
    }

    /// Installs the filter in the calling thread, for good; what the thread starts inherits it. The thread must have
    /// given up new privileges or be root of its user namespace.
    pub fn install(&self) -> io::Result<()> {
        let length = u16::try_from(self.0.len()).expect("a filter of steps is a few hundred instructions");
        let program = libc::sock_fprog { len: length, filter: self.0.as_ptr().cast_mut() };
        // SAFETY: `program` describes `length` instructions that live until the call returns; the kernel copies them
        // and writes nothing.
        let status = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                std::ptr::from_ref(&program),
            )
        };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}
