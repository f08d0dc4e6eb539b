// SPDX-License-Identifier: Apache-2.0
//! All plugins of this run, and the port through which steps become plans.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use wasmtime::Store;
use wasmtime::component::InstancePre;
use wythe_image::to_canonical_json;
use wythe_plan::{
    CORE_KINDS, Fragment, Inventory, Kind, Package, PlanError, Problem, Severity, StepCall, StepPlanner, World,
    plan_core_step,
};

use crate::ending::explain;
use crate::guest::{Guest, Phase};
use crate::inventory::{self, inventories};
use crate::machine::Machine;
use crate::plugin::{ComponentError, Plugin, Prepared};
use crate::surroundings::{SURROUNDINGS, Surroundings};
use crate::v0_1::{Exports, Failure, error_of};
use crate::{Limits, bundled};

/// How to load plugins.
#[derive(Debug, Default)]
pub struct PluginOptions {
    /// Directory of compiled code; made, private to its owner. None compiles anew in every process.
    pub compiled_cache: Option<PathBuf>,
    /// What a plugin may take.
    pub limits: Limits,
    /// Plugins beside the bundled ones. A kind of one of these takes the place of a bundled kind of the same name.
    pub extra: Vec<ExtraPlugin>,
    /// Leaves the bundled plugins out.
    pub no_bundled: bool,
}

/// A plugin that does not come with wythe.
#[derive(Debug, Clone)]
pub struct ExtraPlugin {
    /// Its component.
    pub code: Code,
    /// What it may fetch from.
    pub hosts: Granted,
}

/// Where a component's bytes are.
#[derive(Debug, Clone)]
pub enum Code {
    /// In a file.
    Path(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

/// Hosts that a plugin may fetch from while resolving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// Those that its metadata asks for.
    AsAsked,
    /// These patterns and no others: `host`, `*.host`, or `*`.
    Hosts(Vec<String>),
}

impl From<PathBuf> for ExtraPlugin {
    fn from(path: PathBuf) -> Self {
        Self { code: Code::Path(path), hosts: Granted::AsAsked }
    }
}

impl From<Vec<u8>> for ExtraPlugin {
    fn from(code: Vec<u8>) -> Self {
        Self { code: Code::Bytes(code), hosts: Granted::AsAsked }
    }
}

/// Why plugins cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the plugin {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The component is no plugin, or asks for what it cannot be given.
    #[error("cannot load the plugin {name}")]
    Component {
        /// Its file, or its number.
        name: String,
        /// Why.
        source: ComponentError,
    },
    /// Two extra plugins provide one kind, or one provides a core kind.
    #[error("the kind `{kind}` of plugin `{plugin}` is already provided by `{other}`")]
    Taken {
        /// The kind.
        kind: String,
        /// The later plugin.
        plugin: String,
        /// The earlier one, or `core`.
        other: String,
    },
}

/// The loaded plugins. Nothing is compiled and no engine is made before a plugin is asked for a plan.
#[derive(Debug)]
pub struct Plugins {
    kinds: Vec<Kind>,
    plugins: Vec<Plugin>,
    /// Kind → place in `plugins`.
    places: BTreeMap<String, usize>,
    inventories: Vec<Inventory>,
    limits: Arc<Limits>,
    compiled_cache: Option<PathBuf>,
    machine: OnceLock<Result<Machine, String>>,
}

impl Plugins {
    /// Loads the bundled plugins and the extra ones.
    ///
    /// # Errors
    ///
    /// The first extra plugin that cannot be read, is no plugin, or asks for what no plugin gets.
    pub fn load(options: PluginOptions) -> Result<Self, LoadError> {
        let PluginOptions { compiled_cache, limits, extra, no_bundled } = options;
        let mut loaded = Self {
            kinds: Vec::new(),
            plugins: Vec::new(),
            places: BTreeMap::new(),
            inventories: Vec::new(),
            limits: Arc::new(limits),
            compiled_cache,
            machine: OnceLock::new(),
        };
        let bundled = if no_bundled { &[] } else { bundled::BUNDLED };
        for (plugin, kinds) in bundled.iter().map(bundled::Bundled::open) {
            loaded.add(plugin, kinds);
        }
        let first_extra = loaded.plugins.len();
        for (number, extra) in extra.into_iter().enumerate() {
            let (plugin, kinds) = open_extra(extra, number, &loaded.limits)?;
            loaded.check_free(&kinds, first_extra)?;
            loaded.add(plugin, kinds);
        }
        loaded.kinds.sort_by(|a, b| a.name.cmp(&b.name));
        loaded.inventories = inventories(&loaded.plugins, first_extra);
        Ok(loaded)
    }

    fn check_free(&self, kinds: &[Kind], first_extra: usize) -> Result<(), LoadError> {
        for kind in kinds {
            let other = match self.places.get(&kind.name) {
                Some(&place) if place >= first_extra => Some(self.plugins[place].name.to_string()),
                _ => CORE_KINDS.iter().find(|core| core.name == kind.name).map(|core| core.plugin.clone()),
            };
            if let Some(other) = other {
                return Err(LoadError::Taken { kind: kind.name.clone(), plugin: kind.plugin.clone(), other });
            }
        }
        Ok(())
    }

    fn add(&mut self, plugin: Plugin, kinds: Vec<Kind>) {
        for kind in kinds {
            if self.places.insert(kind.name.clone(), self.plugins.len()).is_some() {
                self.kinds.retain(|known| known.name != kind.name);
            }
            self.kinds.push(kind);
        }
        self.plugins.push(plugin);
    }

    /// Compiles the plugin of a kind into the directory of compiled code, so that no build waits for it.
    ///
    /// # Errors
    ///
    /// [`PlanError::Broken`] where it cannot be compiled, [`PlanError::World`] where the engine cannot be started.
    pub fn compile(&self, kind: &str) -> Result<(), PlanError> {
        let plugin = self.plugin(kind)?;
        self.prepared(plugin).map(drop)
    }

    pub(crate) fn plugin(&self, kind: &str) -> Result<&Plugin, PlanError> {
        let place = self.places.get(kind);
        place
            .map(|&place| &self.plugins[place])
            .ok_or_else(|| PlanError::Failed(format!("there is no step kind `{kind}`")))
    }

    /// Returns the plugins that know commands and whose kinds are not taken by others, in the order of their names.
    pub(crate) fn recognisers(&self) -> impl Iterator<Item = &Plugin> {
        let mut all: Vec<&Plugin> = self.plugins.iter().filter(|plugin| plugin.provides().recogniser).collect();
        all.retain(|plugin| self.kinds_of(plugin).next().is_some());
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all.into_iter()
    }

    /// Returns the kinds that a plugin provides here.
    pub(crate) fn kinds_of<'a>(&'a self, plugin: &'a Plugin) -> impl Iterator<Item = &'a str> {
        let is_its = |place: usize| std::ptr::eq(&raw const self.plugins[place], plugin);
        self.places.iter().filter(move |(_, place)| is_its(**place)).map(|(kind, _)| kind.as_str())
    }

    fn machine(&self) -> Result<&Machine, PlanError> {
        let start =
            || Machine::start(self.compiled_cache.as_deref(), &self.limits).map_err(|error| format!("{error:#}"));
        let machine = self.machine.get_or_init(start).as_ref();
        machine.map_err(|why| PlanError::World(format!("the plugin engine cannot be started: {why}")))
    }

    fn prepared<'a>(&'a self, plugin: &'a Plugin) -> Result<(&'a Machine, &'a Prepared), PlanError> {
        let machine = self.machine()?;
        let prepared = plugin.prepared(machine).map_err(|why| PlanError::Broken {
            plugin: plugin.name.to_string(),
            what: format!("cannot be compiled: {why}"),
            frames: Vec::new(),
        })?;
        Ok((machine, prepared))
    }

    /// Plans a step that a plugin asked for, core kinds included.
    pub(crate) fn plan_within(&self, step: StepCall<'_>, world: &dyn World, depth: u32) -> Result<Fragment, PlanError> {
        if depth >= self.limits.depth {
            let most = self.limits.depth;
            return Err(PlanError::Failed(format!("steps are made of steps more than {most} deep (limit `depth`)")));
        }
        let mut known = CORE_KINDS.iter().chain(&self.kinds);
        let Some(kind) = known.find(|kind| kind.name == step.kind) else {
            return Err(PlanError::Failed(format!("there is no step kind `{}`", step.kind)));
        };
        if kind.resolves {
            let kind = step.kind;
            return Err(PlanError::Failed(format!(
                "the kind `{kind}` has a lock entry and so cannot be part of a step"
            )));
        }
        check_options(kind, step.options)?;
        if kind.is_core() {
            return plan_core_step(step, world);
        }
        self.plan_at(step, world, depth)
    }

    fn plan_at(&self, step: StepCall<'_>, world: &dyn World, depth: u32) -> Result<Fragment, PlanError> {
        let plugin = self.plugin(step.kind)?;
        let options = options_text(plugin, step);
        let surroundings = Surroundings { world, plugins: self, depth };
        let plan = |exports: &Exports, store: &mut Store<Guest>, component: &InstancePre<Guest>| {
            exports.plan(store, component, &options, step.lock)
        };
        self.call(Phase::Plan, plugin, surroundings, plan).map(|((), guest)| guest.draft.fragment)
    }

    /// Runs one call of a plugin in a store of its own.
    pub(crate) fn call<T>(
        &self,
        phase: Phase,
        plugin: &Plugin,
        surroundings: Surroundings<'_>,
        call: impl FnOnce(&Exports, &mut Store<Guest>, &InstancePre<Guest>) -> wasmtime::Result<Result<T, Failure>>,
    ) -> Result<(T, Guest), PlanError> {
        let (machine, prepared) = self.prepared(plugin)?;
        let guest = Guest::new(Arc::clone(&plugin.name), Arc::clone(&plugin.hosts), phase, Arc::clone(&self.limits));
        let mut store = guest_store(machine, guest);
        let ticking = machine.ticker.tick_while();
        let answer = SURROUNDINGS.set(surroundings, || call(&prepared.exports, &mut store, &prepared.component));
        drop(ticking);
        match answer {
            Ok(Ok(value)) => Ok((value, store.into_data())),
            Ok(Err(failure)) => Err(error_of(failure, &store.data().draft.errors)),
            Err(error) => Err(explain(store.data_mut(), &error)),
        }
    }
}

impl StepPlanner for Plugins {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn plan(&self, call: StepCall<'_>, world: &dyn World) -> Result<Fragment, PlanError> {
        self.plan_at(call, world, 0)
    }

    fn resolve(&self, step: StepCall<'_>, world: &dyn World) -> Result<String, PlanError> {
        if !self.kinds.iter().any(|kind| kind.name == step.kind && kind.resolves) {
            return Err(PlanError::Failed(format!("the kind `{}` has nothing to resolve", step.kind)));
        }
        let plugin = self.plugin(step.kind)?;
        let options = options_text(plugin, step);
        let surroundings = Surroundings { world, plugins: self, depth: 0 };
        let resolve = |exports: &Exports, store: &mut Store<Guest>, component: &InstancePre<Guest>| {
            exports.resolve(store, component, &options, step.lock)
        };
        let (entry, guest) = self.call(Phase::Resolve, plugin, surroundings, resolve)?;
        match serde_json::from_str::<serde::de::IgnoredAny>(&entry) {
            Ok(_) => Ok(entry),
            Err(error) => Err(PlanError::Broken {
                plugin: guest.plugin.to_string(),
                what: format!("returned a lock entry that is not JSON ({error})"),
                frames: Vec::new(),
            }),
        }
    }

    fn inventories(&self) -> &[Inventory] {
        &self.inventories
    }

    fn packages(&self, inventory: &Inventory, world: &dyn World) -> Result<Vec<Package>, PlanError> {
        let plugin = self.plugins.iter().find(|plugin| plugin.digest == inventory.digest);
        let plugin = plugin.ok_or_else(|| PlanError::Failed(format!("there is no plugin `{}`", inventory.plugin)))?;
        let surroundings = Surroundings { world, plugins: self, depth: 0 };
        let (listed, _) = self.call(Phase::Packages, plugin, surroundings, Exports::packages)?;
        inventory::checked(plugin, listed, &inventory.types)
    }
}

/// Options of a step that a plugin asked for, against the schema of its kind. (Those of a definition were checked with it.)
fn check_options(kind: &Kind, options: &serde_json::Value) -> Result<(), PlanError> {
    let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&kind.schema);
    let validator = validator.map_err(|error| PlanError::Broken {
        plugin: kind.plugin.clone(),
        what: format!("has a schema that cannot be used: {error}"),
        frames: Vec::new(),
    })?;
    let problem = |error: jsonschema::ValidationError<'_>| Problem {
        severity: Severity::Error,
        path: error.instance_path().as_str().to_owned(),
        message: error.to_string(),
        hint: None,
        place: None,
    };
    let problems: Vec<Problem> = validator.iter_errors(options).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(PlanError::Declined(problems)) }
}

/// A fresh store with all limits set. Nothing of one call is left for the next.
fn guest_store(machine: &Machine, guest: Guest) -> Store<Guest> {
    let limits = Arc::clone(guest.meter.limits());
    let mut store = Store::new(&machine.engine, guest);
    store.limiter(|guest| &mut guest.meter);
    // The guest's own count of handles, which names the limit, comes first; this one bounds handles that the host does not make.
    store.set_max_component_handles(limits.handles.saturating_add(1024));
    // One call may hand over what all together may, and is then told so; a multiple of it is not even copied.
    let copied = limits.call_bytes.saturating_mul(8).min(limits.memory);
    store.set_hostcall_fuel(usize::try_from(copied).unwrap_or(usize::MAX));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| {
        context.data_mut().meter.check_clock()?;
        Ok(wasmtime::UpdateDeadline::Continue(1))
    });
    store
}

/// The options as a plugin gets them: canonical, and with the kind where it provides several.
pub(crate) fn options_text(plugin: &Plugin, step: StepCall<'_>) -> String {
    let bytes = match step.options {
        serde_json::Value::Object(members) if plugin.names_kind => {
            let mut members = members.clone();
            members.insert("kind".to_owned(), step.kind.into());
            to_canonical_json(&members)
        }
        options => to_canonical_json(options),
    };
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

fn open_extra(extra: ExtraPlugin, number: usize, limits: &Limits) -> Result<(Plugin, Vec<Kind>), LoadError> {
    let (name, code) = match extra.code {
        Code::Path(path) => (path.display().to_string(), read(&path, limits.component_bytes)?),
        Code::Bytes(code) => (format!("number {}", number + 1), code),
    };
    let refuse = |source| LoadError::Component { name: name.clone(), source };
    if code.len() as u64 > limits.component_bytes {
        return Err(refuse(ComponentError::TooLarge { length: code.len() as u64, most: limits.component_bytes }));
    }
    let (mut plugin, mut kinds) = Plugin::open(code).map_err(refuse)?;
    if let Granted::Hosts(hosts) = extra.hosts {
        for kind in &mut kinds {
            kind.hosts.clone_from(&hosts);
        }
        plugin.hosts = hosts.into();
    }
    Ok((plugin, kinds))
}

/// Reads a file, and no more of it than shows that it is too large.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path);
    file.and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}
