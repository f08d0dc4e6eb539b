// SPDX-License-Identifier: Apache-2.0
//! The way into a user namespace of one's own.

use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, getgid, getpid, getuid};
use rustix::thread::UnshareFlags;

use super::{SubordinateIds, mapping_tools};
use crate::process::{self, Fork};

/// Why this process did not become root of a user namespace.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The kernel did not create one; [`super::obstacle`] may know why.
    #[error("the kernel refused to create a user namespace")]
    Refused(#[source] io::Error),
    /// The namespace is there, and nobody is root in it.
    #[error("cannot write {file} of the user namespace")]
    Map {
        /// Which file.
        file: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process that writes the map from outside could not be used.
    #[error("cannot prepare a user namespace: {what}")]
    Prepare {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program could not be executed again.
    #[error("cannot execute this program again")]
    Execute(#[source] io::Error),
}

/// Executes this program again, with the same arguments and environment, as root of a new user namespace that has a
/// mount namespace of its own. It stays the same process, so signals, the terminal and the exit status need no care.
///
/// With subordinate ids and the mapping tools there are many ids inside, otherwise one. To be called before the
/// process has threads, and not when [`super::standing`] is something else than [`super::Standing::Ordinary`]. After an
/// error the process may be inside of a namespace in which it can do nothing, and should end.
///
/// # Panics
///
/// When the process has other threads.
pub fn enter() -> Result<Infallible, EnterError> {
    let ids = SubordinateIds::of_this_user();
    let single = [getuid().as_raw(), getgid().as_raw()];
    let tools = mapping_tools().filter(|_| ids.suffice());
    let mapper = tools.map(|tools| Mapper::fork(&tools, &ids)).transpose()?;
    process::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(EnterError::Refused)?;
    let mapped = mapper.map(Mapper::map).transpose()?.unwrap_or(false);
    // Tools that are there and do not work (no set-id bit, a file system without them) are as good as none.
    if !mapped {
        map_single(single)?;
    }
    execute_again()
}

/// A process that stays outside, where the mapping tools have their privileges.
struct Mapper {
    child: Pid,
    go: OwnedFd,
}

impl Mapper {
    fn fork(tools: &[PathBuf; 2], ids: &SubordinateIds) -> Result<Self, EnterError> {
        let prepare = |what| move |source| EnterError::Prepare { what, source };
        let target = getpid().as_raw_nonzero().to_string();
        let (wait, go) = pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from).map_err(prepare("create a pipe"))?;
        match process::fork().map_err(prepare("create a process"))? {
            Fork::Parent(child) => Ok(Self { child, go }),
            Fork::Child => {
                drop(go);
                let unshared = retry_on_intr(|| rustix::io::read(&wait, &mut [0; 1])) == Ok(1);
                let write = |(tool, map): (&PathBuf, Vec<u32>)| {
                    let map = map.iter().map(u32::to_string);
                    Command::new(tool).arg(&target).args(map).env_clear().stderr(Stdio::null()).spawn()
                };
                // Both at once: each takes its time to become root and to look the user up.
                let tools: Vec<_> = tools.iter().zip(ids.maps()).filter(|_| unshared).map(write).collect();
                let succeeded =
                    |tool: io::Result<Child>| tool.and_then(|mut tool| tool.wait()).is_ok_and(|s| s.success());
                let ends: Vec<bool> = tools.into_iter().map(succeeded).collect();
                let done = unshared && ends.iter().all(|succeeded| *succeeded);
                process::exit_now(i32::from(!done))
            }
        }
    }

    /// Has the maps written, now that this process is in its namespace. False if that did not work.
    fn map(self) -> Result<bool, EnterError> {
        let prepare = |what| move |source| EnterError::Prepare { what, source };
        let told = retry_on_intr(|| rustix::io::write(&self.go, &[1]));
        told.map_err(io::Error::from).map_err(prepare("start the mapping"))?;
        let ended = process::wait(self.child).map_err(prepare("wait for the mapping"))?;
        Ok(ended.code == Some(0))
    }
}

/// Makes this user root, and nobody else anybody.
fn map_single([uid, gid]: [u32; 2]) -> Result<(), EnterError> {
    let write = |file: &'static str, content: String| {
        std::fs::OpenOptions::new()
            .write(true)
            .open(Path::new("/proc/self").join(file))
            .and_then(|mut opened| io::Write::write_all(&mut opened, content.as_bytes()))
            .map_err(|source| EnterError::Map { file, source })
    };
    write("uid_map", format!("0 {uid} 1"))?;
    write("setgroups", "deny".into())?;
    write("gid_map", format!("0 {gid} 1"))
}

fn execute_again() -> Result<Infallible, EnterError> {
    let zero = |error: std::ffi::NulError| EnterError::Execute(error.into());
    let strings = |strings: Vec<Vec<u8>>| strings.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
    let arguments = std::env::args_os().map(|argument| argument.as_bytes().to_vec()).collect();
    let variables = std::env::vars_os();
    let environment = variables.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat()).collect();
    let (arguments, environment) = (strings(arguments).map_err(zero)?, strings(environment).map_err(zero)?);
    process::execute(c"/proc/self/exe", &arguments, &environment).map_err(EnterError::Execute)
}
