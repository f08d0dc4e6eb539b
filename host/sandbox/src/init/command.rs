// SPDX-License-Identifier: Apache-2.0
//! The process that becomes the command: process 1 of its namespace.

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;
use rustix::process::Signal;
use rustix::thread::UnshareFlags;
use wythe_sys::process;
use wythe_sys::root::Root;

use super::input::Descriptors;
use super::insecure::{self, Hierarchy};
use super::supervisor::{self, Order};
use super::{confine, mounts, program};
use crate::cgroup::Group;
use crate::wire::{self, Input, Report, Start};
use crate::{Network, RunInputs, SetupError, SystemError, User};

/// Exit status of a process that did not become the command. The caller does not see it.
const NOT_THE_COMMAND: i32 = 126;

/// How to reach the others.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    /// To the caller.
    pub(super) socket: &'a OwnedFd,
    /// The keeper's life.
    pub(super) keeper: &'a OwnedFd,
    /// To the keeper: a byte says that the command is next.
    pub(super) ready: &'a OwnedFd,
}

/// Becomes the command, or has a runtime run it and ends with it, or says why not and ends.
pub(super) fn become_command(lines: Lines<'_>, group: Option<&Group>, start: Start<'_>, input: Option<OwnedFd>) -> ! {
    let Start { inputs, input: kind, limits, runtime } = start;
    let is_limited = limits.resources().next().is_some();
    let attempt = catch_unwind(AssertUnwindSafe(|| match runtime {
        Some(runtime) => {
            let (inputs, runtime) = (&*inputs, &*runtime);
            let order = Order { inputs, runtime, input: kind, stdin: input, group, is_limited };
            let ended = supervisor::supervise(lines, order)?;
            tell(lines.ready, &wire::write_ended(&ended))
        }
        None => {
            // Before there is a namespace of groups, which is then the group itself.
            if let Err(error) = group.map_or(Ok(()), Group::enter)
                && (is_limited || !inputs.insecure)
            {
                return Err(SetupError::system("enter the control group")(error));
            }
            let shown = if inputs.insecure { insecure::hierarchies("self", group) } else { Ok(Vec::new()) };
            attempt(lines, &inputs, kind, input, &shown.unwrap_or_default()).map(|never| match never {})
        }
    }));
    if let Ok(Err(error)) = attempt {
        // If nobody listens, nobody needs to know.
        drop(wire::send(lines.socket, &Report::Failed(error), None));
    }
    // After a panic the caller hears of an end before anything was ready.
    process::exit_now(NOT_THE_COMMAND)
}

fn tell(keeper: &OwnedFd, what: &[u8]) -> Result<(), SetupError> {
    let told = retry_on_intr(|| rustix::io::write(keeper, what));
    told.map(drop).map_err(|error| SetupError::system("report to the keeper")(error.into()))
}

fn attempt(
    lines: Lines<'_>,
    inputs: &RunInputs,
    input: Input,
    stdin: Option<OwnedFd>,
    hierarchies: &[Hierarchy],
) -> Result<Infallible, SetupError> {
    let (argv, env) = strings(inputs)?;
    if let Some(hook) = inputs.hooks.first() {
        return Err(SetupError::Hook { path: hook.path.clone() });
    }
    die_with(lines.keeper)?;
    enter_namespaces(inputs)?;
    let root = mounts::build(inputs, hierarchies)?;
    let mut user = User::find(&inputs.user, &root)?;
    user.groups.extend(&inputs.groups);
    Descriptors { input, stdin, content: &inputs.stdin, owner: user.uid }.arrange(lines.socket, &root)?;
    enter_workdir(&root, &inputs.workdir)?;
    drop(root);
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    process::close_on_exec_beyond_stdio().map_err(SetupError::system("close descriptors"))?;
    confine::drop_privileges(&user, inputs)?;
    // A change of user takes the order back.
    die_with(lines.keeper)?;
    program::execute(&inputs.argv[0], &argv, &env, inputs.env.get("PATH").map(String::as_str), || {
        tell(lines.ready, &[1])
    })
}

/// The arguments and the environment as the kernel takes them.
pub(super) fn strings(inputs: &RunInputs) -> Result<(Vec<CString>, Vec<CString>), SetupError> {
    if inputs.argv.first().is_none_or(String::is_empty) {
        return Err(SetupError::NoCommand);
    }
    let argv = inputs.argv.iter().map(|argument| {
        CString::new(argument.as_str()).map_err(|_| SetupError::ZeroByte(format!("the argument `{argument}`")))
    });
    let env = inputs.variables().map(|(name, value)| {
        // The value may be a secret; the name says enough.
        let zero = |_| SetupError::ZeroByte(format!("the variable `{name}`"));
        CString::new([name.as_bytes(), b"=", value].concat()).map_err(zero)
    });
    Ok((argv.collect::<Result<_, _>>()?, env.collect::<Result<_, _>>()?))
}

/// Asks the kernel to kill this process when the keeper dies, and makes sure that it has not died before.
pub(super) fn die_with(keeper: &OwnedFd) -> Result<(), SetupError> {
    let system = || SetupError::system("follow the caller in death");
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| system()(error.into()))?;
    let mut fds = [PollFd::new(keeper, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let dead = retry_on_intr(|| poll(&mut fds, Some(&now))).map_err(|error| system()(error.into()))?;
    if dead == 0 { Ok(()) } else { process::exit_now(NOT_THE_COMMAND) }
}

/// Enters the network that somebody has made for the command, if there is one.
pub(super) fn enter_network(inputs: &RunInputs) -> Result<(), SetupError> {
    let Network::Namespace { path } = &inputs.network else { return Ok(()) };
    wythe_sys::net::enter(path).map_err(SetupError::system("enter the network that was made for the command"))
}

fn enter_namespaces(inputs: &RunInputs) -> Result<(), SetupError> {
    let mut namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWCGROUP;
    namespaces.set(UnshareFlags::NEWNET, inputs.network == Network::None);
    enter_network(inputs)?;
    process::unshare(namespaces).map_err(SetupError::system("create namespaces"))?;
    let hostname = inputs.machine_name();
    rustix::system::sethostname(hostname.as_bytes())
        .and_then(|()| rustix::system::setdomainname(b"(none)"))
        .map_err(|error| SetupError::system(format!("set the host name `{hostname}`"))(error.into()))?;
    if inputs.network == Network::None {
        wythe_sys::net::loopback_up().map_err(SetupError::system("turn the loopback interface on"))?;
    }
    Ok(())
}

/// Enters the working directory inside the root. Its name cannot lead through descriptors of ours (CVE-2024-21626).
fn enter_workdir(root: &Root, path: &str) -> Result<(), SetupError> {
    let refused = |source: SystemError| SetupError::Workdir { path: path.into(), source };
    let directory =
        root.resolve(Path::new(path), OFlags::PATH | OFlags::DIRECTORY).map_err(|error| refused(error.into()))?;
    rustix::process::fchdir(directory.as_fd()).map_err(|error| refused(error.into()))
}
