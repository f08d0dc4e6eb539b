// SPDX-License-Identifier: Apache-2.0
//! The devices of commands: what the machine has of what was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use wythe_plan::{Fragment, Gpu, Run, Vertex};
use wythe_sandbox::Mount;
use wythe_sandbox::cdi::{DeviceError, Devices, Edits, Hook, Link};

use crate::error::Cause;
use crate::machine::Machine;
use crate::plumbing::Point;

/// The machine's devices, looked for when the first command asks for one.
#[derive(Debug)]
pub(crate) struct Stock {
    machine: Machine,
    devices: OnceLock<Devices>,
}

/// What a command asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// GPUs, of whichever name.
    pub(crate) gpu: Option<Gpu>,
    /// Names of devices.
    pub(crate) names: Vec<String>,
}

impl Wanted {
    /// Returns what a command of a plan asks for.
    pub(crate) fn of(run: &Run) -> Self {
        Self { gpu: run.gpu.as_deref().cloned(), names: run.devices.clone() }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.gpu.is_none() && self.names.is_empty()
    }

    /// Returns what the commands of a plan ask for.
    pub(crate) fn of_plan(fragment: &Fragment) -> impl Iterator<Item = Self> {
        let one = |vertex: &Vertex| match vertex {
            Vertex::Run(run) => Some(Self::of(run)),
            _ => None,
        };
        fragment.vertices().iter().filter_map(one).filter(|wanted| !wanted.is_nothing())
    }

    fn in_words(gpu: &Gpu) -> String {
        match (&gpu.model, gpu.count.get()) {
            (None, 1) => "a GPU is".to_owned(),
            (None, count) => format!("{count} GPUs are"),
            (Some(model), 1) => format!("a GPU `{model}` is"),
            (Some(model), count) => format!("{count} GPUs `{model}` are"),
        }
    }
}

impl Stock {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self { machine: machine.clone(), devices: OnceLock::new() }
    }

    /// Returns what has to be done for what a command asks for.
    pub(crate) fn supply(&self, wanted: &Wanted) -> Result<Supplied, Cause> {
        let edits = if wanted.is_nothing() { Ok(Edits::default()) } else { self.edits(wanted) };
        let mut edits = edits.map_err(|missing| Cause::NoDevice { missing: Box::new(missing) })?;
        let hooks = std::mem::take(&mut edits.hooks);
        let (hooks, omitted) = if self.machine.device_hooks { (hooks, Vec::new()) } else { (Vec::new(), hooks) };
        Ok(Supplied { edits, hooks, omitted })
    }

    fn edits(&self, wanted: &Wanted) -> Result<Edits, DeviceError> {
        let devices = self.devices.get_or_init(|| Devices::look(&self.machine.devices));
        let named = devices.named(&wanted.names)?;
        let Some(gpu) = &wanted.gpu else { return Ok(named) };
        let count = usize::try_from(gpu.count.get()).unwrap_or(usize::MAX);
        // Of a GPU of an unknown model nobody can say that it is the right one.
        let is_meant = |model: Option<&str>| gpu.model.is_none() || model.is_some_and(|model| gpu.is_like(model));
        Ok(devices.choose(&Wanted::in_words(gpu), count, is_meant)?.and(&named))
    }
}

/// What a command gets for its devices.
#[derive(Debug, Default)]
pub(crate) struct Supplied {
    edits: Edits,
    /// Programs that the operator allows.
    pub(crate) hooks: Vec<Hook>,
    /// Those that nobody allows.
    omitted: Vec<Hook>,
}

impl Supplied {
    /// Returns the places of what appears.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point<'_>> {
        self.edits.binds.iter().map(|bind| Point { target: &bind.target, is_file: bind.is_file() })
    }

    /// Returns the links to libraries. Each library is opened for that.
    pub(crate) fn links(&self) -> Vec<Link> {
        self.edits.all_links()
    }

    pub(crate) fn mounts(&self) -> Result<Vec<Mount>, Cause> {
        self.edits.mounts().map_err(|missing| Cause::NoDevice { missing: Box::new(missing) })
    }

    pub(crate) fn groups(&self) -> Vec<u32> {
        self.edits.groups.clone()
    }

    /// Adds the variables to those of a command.
    pub(crate) fn dress(&self, env: &mut BTreeMap<String, String>) {
        self.edits.dress(env);
    }

    /// Says what of the specification is not done.
    pub(crate) fn omissions(&self) -> Option<String> {
        let hook = |hook: &Hook| {
            // The second argument says what such a program is to do, by the vendors' habit.
            let word = hook.args.get(1).map(|word| format!(" {word}")).unwrap_or_default();
            format!("`{}{word}`", hook.path.display())
        };
        let all: BTreeSet<String> = self.edits.ignored.iter().cloned().chain(self.omitted.iter().map(hook)).collect();
        let all: Vec<String> = all.into_iter().collect();
        let hint = if self.omitted.is_empty() { "" } else { " (hooks run with `--allow-device-hooks`)" };
        (!all.is_empty())
            .then(|| format!("left out of what the device's specification asks for: {}{hint}", all.join(", ")))
    }
}
