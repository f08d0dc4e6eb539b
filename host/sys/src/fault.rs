// SPDX-License-Identifier: Apache-2.0
//! Whose fault an error is: the machine's, or of who named a file that is not there.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// Errors that say nothing about the file they are met at: the disk, the memory or the table of descriptors has given out.
/// Trying again later may give another answer.
const MACHINE: [Errno; 12] = [
    Errno::IO,
    Errno::NOMEM,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::INTR,
    Errno::AGAIN,
    Errno::STALE,
    Errno::NODEV,
    Errno::NOBUFS,
];

/// Whether an error, or one that caused it, is the machine's. "No such file" is an answer; "too many open files" is none.
#[must_use]
pub fn is_of_machine(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        // The source of an error that was put into an `io::Error` is the source of what was put in, not that itself.
        if io.and_then(io::Error::get_ref).is_some_and(|inner| is_of_machine(inner)) {
            return true;
        }
        let errno = io.and_then(Errno::from_io_error);
        if errno.or_else(|| error.downcast_ref().copied()).is_some_and(|errno| MACHINE.contains(&errno)) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_decides() {
        assert!(is_of_machine(&io::Error::from(Errno::MFILE)));
        assert!(is_of_machine(&Errno::IO));
        assert!(is_of_machine(&io::Error::other(io::Error::from(Errno::NOSPC))));
        assert!(!is_of_machine(&io::Error::from(Errno::NOENT)));
        assert!(!is_of_machine(&io::Error::from(Errno::ACCESS)));
        assert!(!is_of_machine(&io::Error::other("no such package")));
    }
}
