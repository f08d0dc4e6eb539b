// SPDX-License-Identifier: Apache-2.0
//! A program in a finished image: the same sandbox as a step, on a copy that is thrown away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wythe_image::Image;
use wythe_plan::spec::{Limits, SSH_SOCKET};
use wythe_plan::{Gpu, Network};
use wythe_sandbox::{Mount, MountSource, RunInputs, RunRequest};
use wythe_store::{Active, Store, VolumeMount};
use wythe_sys::overlay::Overlay;

use crate::device::{Stock, Wanted};
use crate::error::Cause;
use crate::foreign::check_runs;
use crate::machine::Machine;
use crate::network::{Access, View};
use crate::plumbing::{Asked, Plumbing, Point};
use crate::run::tuning;
use crate::secret::{Agent, Secrets};
use crate::state::{StateFiles, lowers};
use crate::words::{HOSTNAME, SEARCH_PATH};
use crate::{granted, snapshot};

/// A program to run in an image. What is not set is as the image's configuration says.
#[derive(Debug, Default)]
pub struct Program {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Further variables.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Which network it has.
    pub network: Network,
    /// The GPUs it is given.
    pub gpu: Option<Gpu>,
    /// Directories that outlive it.
    pub volumes: Vec<ProgramVolume>,
    /// How much of the machine it may use.
    pub limits: Limits,
    /// What nobody else is to have: each secret is a file below `/run/secrets`, and the agent `default` a socket.
    pub secrets: Secrets,
    /// Variables that have the value of a secret, by its id.
    pub secret_env: BTreeMap<String, String>,
}

/// A program that is ready to run.
#[derive(Debug)]
pub struct ReadyProgram {
    /// What the sandbox is asked for.
    pub request: RunRequest,
    access: Access,
    /// It listens as long as the program is there.
    _agent: Option<Agent>,
}

impl ReadyProgram {
    /// Takes the network away and returns a line for each thing that was refused.
    #[must_use]
    pub fn close(self) -> Vec<String> {
        self.access.close().1
    }
}

/// A directory that a program finds at a path of its image.
#[derive(Debug)]
pub struct ProgramVolume {
    /// What it is.
    pub source: VolumeSource,
    /// Absolute path inside the image.
    pub target: String,
    /// Whether it cannot be changed.
    pub read_only: bool,
}

/// A directory that outlives a program.
#[derive(Debug)]
pub enum VolumeSource {
    /// A volume of the store, in use as long as the value lives.
    Named(VolumeMount),
    /// A directory of the machine.
    Directory(PathBuf),
}

impl ProgramVolume {
    fn mount(&self) -> Mount {
        let path = match &self.source {
            VolumeSource::Named(volume) => volume.dir().to_owned(),
            VolumeSource::Directory(path) => path.clone(),
        };
        let source = MountSource::Bind { path, subpath: String::new(), read_only: self.read_only };
        Mount { target: self.target.clone(), source }
    }
}

/// Returns what the sandbox is asked for, to be called within a runtime. What the program writes goes to `active`, which the
/// caller throws away.
///
/// # Errors
///
/// Fails where the image is for a platform whose programs cannot be run here, where a layer of it is not in the store, or the
/// machine does not let the mounts be made.
pub fn program_request(
    store: &Store,
    machine: &Machine,
    active: &Active,
    image: &Image,
    program: &Program,
) -> Result<ReadyProgram, Cause> {
    check_runs(machine, image.platform(), program.argv.first().map_or("", String::as_str))?;
    let config = image.config();
    let files = StateFiles::mount(store, image)?;
    let mut lowers = lowers(store, image)?;
    let workdir = config.workdir_joined(program.workdir.as_deref().unwrap_or(""));
    snapshot::ensure_directory(active, &files, &workdir, 0)?;
    let user = program.user.clone().unwrap_or_else(|| config.user.clone());
    let owner = granted::owner_of(&user, &files)?;
    let (mut granted, agent) = granted::for_program(&program.secrets, active, owner)?;
    let secret_env = granted::values(&program.secrets, &program.secret_env)?;
    let points = program.volumes.iter().map(|it| Point { target: &it.target, is_file: false });
    let points = points.chain(granted.iter().map(|it| Point { target: &it.target, is_file: true }));
    let devices = Stock::new(machine).supply(&Wanted { gpu: program.gpu.clone(), names: Vec::new() })?;
    let (points, links, none) = (points.chain(devices.points()).collect(), devices.links(), BTreeMap::new());
    let asked = Asked { points, links: &links, view: View::of(&program.network, machine), extra_hosts: &none };
    let lent = Plumbing::new(machine)
        .lay(&active.plumbing(), active.dir(), files.root(), &asked)
        .map_err(Cause::doing("cannot lay out the sandbox"))?;
    let access = Access::open(&program.network, &none, machine)?;
    lowers.push(active.plumbing());
    let mut env = BTreeMap::from([("PATH".to_owned(), SEARCH_PATH.to_owned())]);
    env.extend(config.env_map());
    if agent.is_some() {
        env.insert("SSH_AUTH_SOCK".to_owned(), SSH_SOCKET.to_owned());
    }
    env.extend(program.env.clone());
    let mut env = lent.dress(env, &files, &user)?;
    devices.dress(&mut env);
    granted.extend(devices.mounts()?);
    granted.extend(program.volumes.iter().map(ProgramVolume::mount));
    let request = RunRequest {
        inputs: RunInputs {
            root: Overlay { lowers, upper: Some(active.upper()), work: Some(active.work()) },
            argv: program.argv.clone(),
            env,
            secret_env,
            workdir,
            user,
            groups: devices.groups(),
            stdin: Vec::new(),
            mounts: lent.mounts.into_iter().chain(granted).collect(),
            network: access.of_sandbox(),
            hostname: HOSTNAME.to_owned(),
            set_id_programs: false,
            insecure: false,
            hooks: devices.hooks.clone(),
            ..RunInputs::default()
        },
        tuning: tuning(&program.limits),
    };
    Ok(ReadyProgram { request, access, _agent: agent })
}
