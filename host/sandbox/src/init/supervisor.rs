// SPDX-License-Identifier: Apache-2.0
//! The process that has an OCI runtime run the command: process 1 of a namespace around that of the command.
//!
//! Whatever ends it ends the runtime, what the runtime has started, and the command. The bundle is in memory, in a mount
//! namespace of its own: variables are in it, and some of them are secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::Pid;
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use wythe_sys::mount::{self, Restrictions};
use wythe_sys::process::{self, Ended, Fork};
use wythe_sys::root::Root;

use super::command::{Lines, die_with, enter_network, strings};
use super::input::Descriptors;
use super::mounts::{self, open_directory};
use super::{confine, groups, has_devices, insecure, program};
use crate::cgroup::Group;
use crate::oci::{Flavor, Runtime, Surroundings, options, runtime_spec};
use crate::wire::{self, Input, Receiver, Report};
use crate::{Network, RunInputs, SetupError, User, UserError, rlimit};

/// Where the bundle is: a directory that every machine has and no runtime looks at.
const BUNDLE: &str = "/run";

/// The name of the container to the runtime, in a place that nobody else has.
const NAME: &str = "command";

/// The longest host name (uname(2)).
const LONGEST_HOST_NAME: usize = 64;

/// What the caller asks for.
pub(super) struct Order<'a> {
    pub(super) inputs: &'a RunInputs,
    pub(super) runtime: &'a Runtime,
    pub(super) input: Input,
    pub(super) stdin: Option<OwnedFd>,
    /// Its group, with its limits.
    pub(super) group: Option<&'a Group>,
    /// Whether that has any.
    pub(super) is_limited: bool,
}

/// Runs the command to its end.
pub(super) fn supervise(lines: Lines<'_>, order: Order<'_>) -> Result<Ended, SetupError> {
    let inputs = order.inputs;
    strings(inputs)?;
    die_with(lines.keeper)?;
    rlimit::check(&inputs.rlimits)?;
    // Before its place may be hidden.
    let open = || rustix::fs::open(&order.runtime.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let opened = retry_on_intr(open).map_err(|error| SetupError::system("open the runtime")(error.into()))?;
    let root = lay_out(inputs)?;
    let mut user = User::find(&inputs.user, &root)?;
    user.groups.extend(&inputs.groups);
    check_ids(&user)?;
    check_place(&root, inputs, &user)?;
    let bundle = Bundle { runtime: order.runtime, opened };
    let terminal = matches!(order.input, Input::Terminal { .. });
    if terminal {
        // The runtime lays the terminal over it, and crun does not make it where `/dev` is there.
        let made = root.create_file(Path::new("dev/console"), 0o600);
        made.map_err(SetupError::system("make /dev/console"))?;
    }
    // One of gVisor's is of its own kernel.
    let of_machine = order.group.filter(|_| order.runtime.flavor != Flavor::Runsc);
    let (group, groups) = match of_machine.map(|group| groups::keep_namespace(group, &at("groups"))) {
        // It goes without one that is only for it to change.
        Some(Err(_)) if inputs.insecure && !order.is_limited => (None, None),
        kept => (order.group, kept.transpose()?),
    };
    let around = Surroundings { root: &at("root"), user: &user, has_terminal: terminal, groups: groups.as_deref() };
    bundle.write(&runtime_spec(inputs, &around)).map_err(SetupError::system("write the runtime's bundle"))?;
    drop(root);
    groups::keep_from_runtime(order.runtime.flavor)?;
    confine::scope_sockets(inputs)?;
    match order.input {
        Input::Terminal { rows, columns } => bundle.create_with_terminal(lines.socket, rows, columns)?,
        input => {
            let descriptors = Descriptors { input, stdin: order.stdin, content: &inputs.stdin, owner: user.uid };
            descriptors.arrange_streams()?;
            bundle.finish(bundle.create(&[])?)?;
        }
    }
    bundle.start_and_wait(inputs, group, groups.is_some())
}

fn at(name: &str) -> PathBuf {
    Path::new(BUNDLE).join(name)
}

/// Makes the root file system with all mounts in it, in a mount namespace of our own.
fn lay_out(inputs: &RunInputs) -> Result<Root, SetupError> {
    // The runtime is called in it, and leaves the command there.
    enter_network(inputs)?;
    // Message queues are mounted here, and not by the runtime: they are of this namespace, which the command stays in.
    process::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWIPC).map_err(SetupError::system("create namespaces"))?;
    let placed = || {
        // The runtime looks its processes up by their numbers in this namespace.
        let proc = mount::new_file_system("proc", &[], Restrictions::INERT)?;
        mount::attach(proc, open_directory("/proc")?)?;
        let memory = mount::new_file_system(
            "ramfs",
            &[("mode", "700")],
            Restrictions { no_exec: false, ..Restrictions::INERT },
        )?;
        mount::attach(&memory, open_directory(BUNDLE)?)?;
        Root::from_fd(memory).mkdir_all(Path::new("root"), 0o755)
    };
    let place = || placed().map_err(SetupError::system("make a place for the runtime's bundle"));
    let root = mounts::assemble(inputs, place)?;
    // They were there for what is mounted into them or is not to be; the runtime makes those of its own namespaces.
    let mut hidden = vec!["root/proc"];
    if inputs.network == Network::None {
        hidden.push("root/sys");
    }
    for name in hidden {
        unmount(at(name), UnmountFlags::DETACH).map_err(|error| SetupError::system("unmount a place")(error.into()))?;
    }
    Ok(root)
}

/// Does in the namespaces of `container` what only that has to do with.
fn inside(container: Pid, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let open = |name: &str| File::open(format!("/proc/{}/ns/{name}", container.as_raw_nonzero()));
    let namespaces = [(open("cgroup")?, LinkNameSpaceType::ControlGroup), (open("mnt")?, LinkNameSpaceType::Mount)];
    let act = || {
        for (namespace, kind) in &namespaces {
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(*kind))?;
        }
        act()
    };
    match process::fork()? {
        // Nothing to look up: all places are directories of ours.
        Fork::Child => process::exit_now(i32::from(act().is_err())),
        Fork::Parent(child) => match process::wait(child)?.code {
            Some(0) => Ok(()),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        },
    }
}

/// Mounts control groups for a command that may have to do with them.
fn complete(container: Pid, group: Option<&Group>) -> io::Result<()> {
    // The container's `/proc` does not know who comes from outside.
    let hierarchies = insecure::hierarchies(&container.as_raw_nonzero().to_string(), group)?;
    inside(container, || {
        let root = Root::from_fd(open_directory("/")?);
        insecure::mount_groups(&root, &hierarchies).map_err(io::Error::other)
    })
}

/// Makes sure that no node works but those of `/dev` that are mounts of their own, whatever the runtime has made of the
/// mounts that it was given: crun takes restrictions of the root file system away.
fn seal(container: Pid) -> io::Result<()> {
    inside(container, || {
        let no_dev = Restrictions { no_dev: true, ..Restrictions::default() };
        ["/", "/dev"].into_iter().try_for_each(|top| mount::restrict_alone(open_directory(top)?, no_dev))
    })
}

/// A user namespace has some ids and not others; the runtime would say so in its own words.
fn check_ids(user: &User) -> Result<(), SetupError> {
    let is_mapped = |id: u32, file: &str| {
        let map = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        let numbers = map.lines().map(|line| line.split_whitespace().filter_map(|part| part.parse().ok()).collect());
        let holds = |range: Vec<u32>| matches!(range[..], [first, _, count] if id >= first && id - first < count);
        numbers.into_iter().any(holds)
    };
    match (is_mapped(user.uid, "uid_map"), is_mapped(user.gid, "gid_map")) {
        (true, true) => Ok(()),
        (false, _) => Err(UserError::NotMapped(user.uid).into()),
        (true, false) => Err(UserError::NotMapped(user.gid).into()),
    }
}

/// Makes sure that there is something to run and a place to run it in.
fn check_place(root: &Root, inputs: &RunInputs, user: &User) -> Result<(), SetupError> {
    if inputs.hostname.len() > LONGEST_HOST_NAME {
        let source = rustix::io::Errno::INVAL.into();
        return Err(SetupError::System { what: format!("set the host name `{}`", inputs.hostname), source });
    }
    let workdir = root.resolve(Path::new(&inputs.workdir), OFlags::PATH | OFlags::DIRECTORY);
    workdir.map_err(|error| SetupError::Workdir { path: inputs.workdir.clone(), source: error.into() })?;
    program::check_in(root, inputs, user)
}

/// The runtime and its files.
struct Bundle<'a> {
    runtime: &'a Runtime,
    opened: OwnedFd,
}

impl Bundle<'_> {
    fn write(&self, spec: &serde_json::Value) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(at("config.json"));
        file?.write_all(spec.to_string().as_bytes())
    }

    fn command(&self, verb: &str) -> Command {
        let state = at("state");
        let mut command = Command::new(mount::name_of(&self.opened));
        command.args(options(self.runtime.flavor, &state).iter().map(|option| &**option));
        command.arg("--log").arg(at("log")).arg(verb).env_clear();
        command.env("PATH", program::DEFAULT_PATH);
        command
    }

    /// Begins to create the container, with the three descriptors of this process.
    fn create(&self, further: &[&str]) -> Result<Child, SetupError> {
        let mut command = self.command("create");
        command.arg("--bundle").arg(BUNDLE).arg("--pid-file").arg(at("pid")).args(further).arg(NAME);
        command.spawn().map_err(SetupError::system("execute the runtime"))
    }

    /// Waits for a call of the runtime.
    fn finish(&self, mut call: Child) -> Result<(), SetupError> {
        let status = call.wait().map_err(SetupError::system("wait for the runtime"))?;
        if status.success() {
            return Ok(());
        }
        let log = std::fs::read_to_string(at("log")).unwrap_or_default();
        let said = log.lines().last().unwrap_or("it does not say why").to_owned();
        Err(SetupError::Runtime { runtime: self.runtime.path.clone(), said })
    }

    /// Creates the container with a terminal, the other end of which goes to the caller.
    fn create_with_terminal(&self, socket: &OwnedFd, rows: u16, columns: u16) -> Result<(), SetupError> {
        let system = || SetupError::system("make a terminal");
        let console = at("console");
        let listener = UnixListener::bind(&console).map_err(system())?;
        let call = self.create(&["--console-socket", &console.to_string_lossy()])?;
        self.finish(call)?;
        // It was sent before the runtime came back.
        listener.set_nonblocking(true).map_err(system())?;
        let (stream, _) = listener.accept().map_err(system())?;
        let mut receiver = Receiver::default();
        receiver.hear(&stream).map_err(system())?;
        let master = receiver.take_fd().ok_or_else(|| system()(io::ErrorKind::UnexpectedEof.into()))?;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).map_err(|error| system()(error.into()))?;
        wire::send(socket, &Report::Terminal, Some(master.as_fd())).map_err(system())
    }

    /// With `is_own` the group is the root of what the container sees of groups.
    fn start_and_wait(&self, inputs: &RunInputs, group: Option<&Group>, is_own: bool) -> Result<Ended, SetupError> {
        let system = || SetupError::system("follow the command");
        let pid = std::fs::read_to_string(at("pid")).map_err(system())?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| system()(io::ErrorKind::InvalidData.into()))?;
        // It waits to be started, and is all there is of the container.
        group.map_or(Ok(()), |group| group.take(pid)).map_err(SetupError::system("enter the control group"))?;
        if inputs.insecure {
            complete(pid, group.filter(|_| is_own)).map_err(SetupError::system("mount /sys/fs/cgroup"))?;
        }
        if !inputs.insecure || !has_devices() {
            seal(pid).map_err(SetupError::system("keep device nodes from working"))?;
        }
        let call = self.command("start").arg(NAME).stdin(Stdio::null()).spawn();
        self.finish(call.map_err(SetupError::system("execute the runtime"))?)?;
        // The runtime has left: what it started is ours.
        let ended = process::wait(pid).map_err(system())?;
        // What it remembers ends with this namespace; what it made elsewhere does not.
        let call = self.command("delete").args(["--force", NAME]).stdin(Stdio::null()).spawn();
        drop(call.and_then(|mut call| call.wait()));
        Ok(ended)
    }
}
