// SPDX-License-Identifier: Apache-2.0
//! The options that every step has, whatever its kind: they belong to the sandbox around it and not to the tool in it.

mod limits;
mod read;
mod sandbox;
mod secret;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::toml_value::child;
pub(super) use read::{NAME_HINT, is_name};

use super::{Diagnostic, Places};
use crate::{Fragment, Gpu, Mount, MountSource, Network, Run, SandboxOptions};
pub use limits::Limits;
pub use secret::{SecretPlace, SecretUse};

/// The options of every step.
pub(super) const NAMES: [&str; 18] = [
    "cpu",
    "disk",
    "env",
    "extra-hosts",
    "force",
    "gpu",
    "memory",
    "name",
    "network",
    "pids",
    "secrets",
    "security",
    "shm-size",
    "ssh",
    "timeout",
    "ulimits",
    "user",
    "volumes",
];

/// Whether a name is an option of every step. A plugin's option of that name is never reached.
pub(super) fn is_taken(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What surrounds a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ambient {
    /// The name that the definition gives it; [`super::Step::id`] is what it goes by.
    pub name: Option<String>,
    /// Environment of the step's commands; never part of the image.
    pub env: BTreeMap<String, String>,
    /// The network of the step's commands, in place of what its kind asks for.
    pub network: Option<Network>,
    /// The user of the step's commands, in place of what its kind asks for.
    pub user: Option<String>,
    /// Whether the step runs although its result is known.
    pub force: bool,
    /// The GPUs of the step's commands.
    pub gpu: Option<Gpu>,
    /// How much of the machine one command of the step may use.
    pub limits: Limits,
    /// The secrets of the step's commands.
    pub secrets: Vec<SecretUse>,
    /// The ssh agent that the step's commands reach, by id.
    pub ssh: Option<String>,
    /// Named volumes of the step's commands, by the path at which they are mounted.
    pub volumes: BTreeMap<String, String>,
    /// Whether the step's commands are confined, in place of what its kind asks for.
    pub security: Option<Security>,
    /// What the sandbox of the step's commands is like.
    pub sandbox: SandboxOptions,
}

/// Whether commands are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// They are.
    Sandbox,
    /// They may do what their user namespace lets them, where the person who builds grants it.
    Insecure,
}

/// Where commands find the socket of the ssh agent.
pub const SSH_SOCKET: &str = "/run/wythe/ssh-agent";

impl Ambient {
    /// Lays the options over a plan: they win over what the plan says of its commands.
    ///
    /// `force` and the limits are no part of a plan; who runs it reads them here.
    pub fn apply(&self, fragment: &mut Fragment) {
        for run in fragment.runs_mut() {
            run.env.extend(self.env.iter().map(|(name, value)| (name.clone(), value.clone())));
            if let Some(network) = &self.network {
                run.network = network.clone();
            }
            if let Some(gpu) = &self.gpu {
                run.gpu = Some(Box::new(gpu.clone()));
            }
            if let Some(user) = &self.user {
                run.user = Some(user.clone());
            }
            if let Some(security) = self.security {
                run.insecure = security == Security::Insecure;
            }
            self.sandbox.lay_over(&mut run.sandbox);
            self.grant(run);
        }
    }

    fn grant(&self, run: &mut Run) {
        for secret in &self.secrets {
            secret.add_to(run);
        }
        if let Some(id) = &self.ssh {
            run.env.insert("SSH_AUTH_SOCK".to_owned(), SSH_SOCKET.to_owned());
            let source = MountSource::Ssh { id: id.clone(), required: true };
            run.mounts.push(Mount::new(SSH_SOCKET, source));
        }
        for (target, name) in &self.volumes {
            let source = MountSource::Volume { name: name.clone() };
            run.mounts.push(Mount::new(target.clone(), source));
        }
    }
}

/// Takes the options of every step out of a step's table. Those in `own` stay: the kind gives them its own meaning.
pub(super) fn take(
    table: &mut Map<String, Value>,
    own: &[&str],
    pointer: &str,
    places: &Places,
    errors: &mut Vec<Diagnostic>,
) -> Ambient {
    let mut ambient = Ambient::default();
    for name in NAMES.into_iter().filter(|name| !own.contains(name)) {
        let Some(value) = table.remove(name) else { continue };
        let Err(Faults(faults)) = ambient.set(name, &value) else { continue };
        let at = child(pointer, name);
        errors.extend(faults.into_iter().map(|fault| fault.located(&at, places)));
    }
    ambient
}

impl Ambient {
    fn set(&mut self, name: &str, value: &Value) -> Result<(), Faults> {
        match name {
            "name" => self.name = Some(read::name(value)?),
            "env" => self.env = read::environment(value)?,
            "network" => self.network = Some(read::network(value)?),
            "gpu" => self.gpu = Some(read::gpu(value)?),
            "user" => self.user = Some(read::user(value)?),
            "force" => self.force = read::truth("force", value)?,
            "cpu" | "disk" | "memory" | "pids" | "timeout" => self.limits.set(name, value)?,
            "security" => self.security = Some(read::security(value)?),
            "secrets" => self.secrets = secret::secrets(value)?,
            "ssh" => self.ssh = secret::ssh(value)?,
            "volumes" => self.volumes = read::volumes(value)?,
            "extra-hosts" => sandbox::extra_hosts(value)?.into_iter().for_each(|host| self.sandbox.add_host(host)),
            "shm-size" => self.sandbox.set_shm_size(limits::size("shm-size", value)?),
            "ulimits" => sandbox::ulimits(value)?.into_iter().for_each(|limit| self.sandbox.set_ulimit(limit)),
            other => unreachable!("`{other}` is no option of every step"),
        }
        Ok(())
    }
}

/// The part of an option that is wrong.
enum Part {
    Value,
    Member(String),
}

/// What is wrong with an option.
struct Fault {
    part: Part,
    diagnostic: Diagnostic,
}

impl Fault {
    fn located(self, option: &str, places: &Places) -> Diagnostic {
        let pointer = match &self.part {
            Part::Member(name) => child(option, name),
            Part::Value => option.to_owned(),
        };
        let place = places.nearest(&pointer);
        let span = place.map(|place| place.value.clone());
        Diagnostic { span, ..self.diagnostic }
    }
}

/// Everything that is wrong with one option.
struct Faults(Vec<Fault>);

impl Faults {
    /// Reads the members of a list or table, and returns all of them or everything that is wrong.
    fn collect<T>(members: impl Iterator<Item = (String, Result<T, Diagnostic>)>) -> Result<Vec<T>, Self> {
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for (name, member) in members {
            match member {
                Ok(value) => read.push(value),
                Err(diagnostic) => faults.push(Fault { part: Part::Member(name), diagnostic }),
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(Self(faults)) }
    }
}

impl From<Diagnostic> for Faults {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![Fault { part: Part::Value, diagnostic }])
    }
}

#[cfg(test)]
mod tests {
    use super::Ambient;
    use crate::{Command, Fragment, Label, Network, Run, Vertex, VertexId};

    #[test]
    fn the_person_wins_over_the_plan() {
        let mut fragment = Fragment::new();
        let mut run = Run::new(VertexId::BASE, Command::Shell("true".into()));
        run.env = [("A".into(), "plan".into()), ("B".into(), "plan".into())].into();
        run.network = Network::Host;
        let head = fragment.add(Vertex::Run(run.clone()), Label::default());
        fragment.set_head(head);

        let ambient = Ambient {
            env: [("A".into(), "person".into()), ("C".into(), "person".into())].into(),
            network: Some(Network::None),
            gpu: Some("H100:2".parse().unwrap()),
            user: Some("app".into()),
            ..Ambient::default()
        };
        ambient.apply(&mut fragment);

        run.env = [("A", "person"), ("B", "plan"), ("C", "person")].map(|(a, b)| (a.into(), b.into())).into();
        run.network = Network::None;
        run.gpu = Some(Box::new("H100:2".parse().unwrap()));
        run.user = Some("app".into());
        assert_eq!(fragment.vertex(head), &Vertex::Run(run));
    }

    #[test]
    fn nothing_given_changes_nothing() {
        let mut fragment = Fragment::new();
        let run = Run::new(VertexId::BASE, Command::Shell("true".into()));
        fragment.add(Vertex::Run(run), Label::default());
        let before = fragment.clone();
        Ambient::default().apply(&mut fragment);
        assert_eq!(fragment, before);
    }
}
