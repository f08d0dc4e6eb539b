// SPDX-License-Identifier: Apache-2.0
//! Files that a person names: what is not there is the person's to mend, what a disk does not tell is not.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use wythe_sys::fault::is_of_machine;

use crate::diagnostic::Report;
use crate::exit::Exit;

/// Whether there is a directory of this name.
pub(crate) fn is_dir(path: &Path) -> Result<bool, Report> {
    Ok(look(path)?.is_some_and(|found| found.is_dir()))
}

/// Whether there is a file of this name.
pub(crate) fn is_file(path: &Path) -> Result<bool, Report> {
    Ok(look(path)?.is_some_and(|found| found.is_file()))
}

/// Returns what is there. That nothing can be learned of it is not that nothing is there.
pub(crate) fn look(path: &Path) -> Result<Option<Metadata>, Report> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_of_machine(&error) => {
            Err(Report::caused(Exit::World, format!("cannot look at `{}`", path.display()), &error))
        }
        Err(_) => Ok(None),
    }
}

/// Returns what a look at a place finds that is to be written to: only what is certainly not there is not there.
pub(crate) fn seen<T>(path: &Path, look: impl FnOnce(&Path) -> io::Result<T>) -> Result<Option<T>, Report> {
    match look(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Report::caused(fault(&error), format!("cannot look at `{}`", path.display()), &error)),
    }
}

/// Returns the directory that a file is named in: of a bare name, the current one.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."))
}

/// Whose fault it is that something named by a person cannot be read.
pub(crate) fn fault(error: &io::Error) -> Exit {
    if is_of_machine(error) { Exit::World } else { Exit::Spec }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_is_not_there_is_told_from_what_does_not_answer() {
        assert!(is_dir(Path::new("/")).unwrap() && !is_file(Path::new("/")).unwrap());
        assert!(!is_dir(Path::new("/nowhere/at/all")).unwrap());
        assert!(!is_dir(Path::new("/proc/self/status/below")).unwrap());
        assert_eq!(fault(&Errno::IO.into()), Exit::World);
        assert_eq!(fault(&Errno::MFILE.into()), Exit::World);
        assert_eq!(fault(&Errno::NOENT.into()), Exit::Spec);
        assert_eq!(fault(&Errno::ISDIR.into()), Exit::Spec);
    }
}
