// SPDX-License-Identifier: Apache-2.0
//! From the name of a program to the program.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;

use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;
use wythe_sys::fault::is_of_machine;

use crate::SetupError;

/// Where programs are if the environment does not say: Docker's default.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Calls `ready` and becomes the program, or says why not.
pub(super) fn execute(
    name: &str,
    argv: &[CString],
    env: &[CString],
    path: Option<&str>,
    ready: impl FnOnce() -> Result<(), SetupError>,
) -> Result<Infallible, SetupError> {
    let file = find(name, path.unwrap_or(DEFAULT_PATH))?;
    ready()?;
    match wythe_sys::process::execute(&file, argv, env) {
        Ok(never) => match never {},
        Err(error) => Err(explain(name, &file, &error)),
    }
}

/// The file that a name means to the user that this process has become.
fn find(name: &str, path: &str) -> Result<CString, SetupError> {
    let zero = |_| SetupError::ZeroByte("the variable `PATH`".into());
    if name.contains('/') {
        return match executable(name) {
            Ok(()) => CString::new(name).map_err(zero),
            Err(Errno::ACCESS) => Err(SetupError::ProgramDenied { program: name.into() }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(SetupError::NoProgram { program: name.into(), path: None }),
            Err(error) => Err(SetupError::Execute { program: name.into(), source: error.into() }),
        };
    }
    let mut denied = false;
    for directory in path.split(':') {
        // An empty entry is the working directory.
        let file = format!("{}/{name}", if directory.is_empty() { "." } else { directory });
        match executable(&file) {
            Ok(()) => return CString::new(file).map_err(zero),
            Err(Errno::ACCESS) => denied = true,
            // That the disk does not answer is no sign that the program is elsewhere.
            Err(error) if is_of_machine(&error) => {
                return Err(SetupError::Execute { program: name.into(), source: error.into() });
            }
            Err(_) => {}
        }
    }
    Err(if denied {
        SetupError::ProgramDenied { program: name.into() }
    } else {
        SetupError::NoProgram { program: name.into(), path: Some(path.into()) }
    })
}

fn executable(file: &str) -> Result<(), Errno> {
    rustix::fs::accessat(CWD, file, Access::EXEC_OK, AtFlags::EACCESS)?;
    // Directories can be "executed" too.
    let found = rustix::fs::stat(file)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile { Ok(()) } else { Err(Errno::ACCESS) }
}

fn explain(name: &str, file: &CString, error: &io::Error) -> SetupError {
    let program = name.to_owned();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ACCESS | Errno::PERM) => SetupError::ProgramDenied { program },
        Some(Errno::NOEXEC) => SetupError::NotAProgram { program },
        Some(Errno::NOENT) if rustix::fs::access(file, Access::EXISTS).is_ok() => SetupError::NoInterpreter { program },
        Some(Errno::NOENT) => SetupError::NoProgram { program, path: None },
        errno => {
            let errno = errno.unwrap_or(Errno::INVAL);
            SetupError::Execute { program, source: errno.into() }
        }
    }
}
