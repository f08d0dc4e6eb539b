// SPDX-License-Identifier: Apache-2.0
//! From the name of a program to the program.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FileType, OFlags};
use rustix::io::Errno;
use wythe_sys::fault::is_of_machine;
use wythe_sys::root::Root;

use crate::{RunInputs, SetupError, User};

/// Where programs are if the environment does not say: Docker's default.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    let file = search(name, path, |file| executable(file).map(|()| file.to_owned()))?;
    CString::new(file).map_err(|_| SetupError::ZeroByte("the variable `PATH`".into()))
}

/// Tries what a name may mean: itself where it has a slash, else the files of that name in the directories of `path`.
fn search<T>(name: &str, path: &str, attempt: impl Fn(&str) -> Result<T, Errno>) -> Result<T, SetupError> {
    if name.contains('/') {
        return match attempt(name) {
            Ok(found) => Ok(found),
            Err(Errno::ACCESS) => Err(SetupError::ProgramDenied { program: name.into() }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(SetupError::NoProgram { program: name.into(), path: None }),
            Err(error) => Err(SetupError::Execute { program: name.into(), source: error.into() }),
        };
    }
    let mut denied = false;
    for directory in path.split(':') {
        // An empty entry is the working directory.
        let file = format!("{}/{name}", if directory.is_empty() { "." } else { directory });
        match attempt(&file) {
            Ok(found) => return Ok(found),
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

/// Makes sure that a program is there for `user` in a tree that is not the root directory yet, as far as can be told
/// without executing it.
pub(super) fn check_in(root: &Root, inputs: &RunInputs, user: &User) -> Result<(), SetupError> {
    let name = inputs.argv[0].as_str();
    // What the kernel shows there is not there yet.
    if name.starts_with("/proc/") {
        return Ok(());
    }
    let tree = Tree { root, workdir: Path::new(&inputs.workdir), user };
    let path = inputs.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    let file = search(name, path, |file| tree.executable(Path::new(file)))?;
    check_format(root, &file, name)
}

/// A root file system as a user in a directory of it sees it.
struct Tree<'a> {
    root: &'a Root,
    workdir: &'a Path,
    user: &'a User,
}

impl Tree<'_> {
    fn executable(&self, file: &Path) -> Result<OwnedFd, Errno> {
        let opened = self.root.resolve(&self.workdir.join(file), OFlags::PATH);
        let opened = opened.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOENT))?;
        let status = rustix::fs::fstat(&opened)?;
        let User { uid, groups, .. } = self.user;
        let bits = match () {
            () if *uid == 0 => 0o111,
            () if status.st_uid == *uid => 0o100,
            () if groups.contains(&status.st_gid) => 0o010,
            () => 0o001,
        };
        let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        if is_file && status.st_mode & bits != 0 { Ok(opened) } else { Err(Errno::ACCESS) }
    }
}

/// Looks at the first bytes: a program of the kernel's format, or a script whose interpreter is there.
fn check_format(root: &Root, file: &OwnedFd, name: &str) -> Result<(), SetupError> {
    let mut first = [0; 256];
    let read = File::open(wythe_sys::mount::name_of(file)).and_then(|file| file.read_at(&mut first, 0));
    // Executable and not readable: the kernel will say.
    let Ok(length) = read else { return Ok(()) };
    let program = name.to_owned();
    match &first[..length] {
        [0x7f, b'E', b'L', b'F', ..] => Ok(()),
        [b'#', b'!', rest @ ..] => {
            let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
            let interpreter = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
            let interpreter = Path::new(OsStr::from_bytes(interpreter));
            let is_there = interpreter.starts_with("/proc") || root.resolve(interpreter, OFlags::PATH).is_ok();
            if is_there { Ok(()) } else { Err(SetupError::NoInterpreter { program }) }
        }
        _ => Err(SetupError::NotAProgram { program }),
    }
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
