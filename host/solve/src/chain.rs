// SPDX-License-Identifier: Apache-2.0
//! The states of one image: a graph that grows step by step, and the state of each vertex, solved once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt as _, try_join_all};
use tokio::sync::OnceCell;
use wythe_image::{Config, Image, Platform};
use wythe_plan::spec::{Ambient, Security};
use wythe_plan::{ConfigEdit, Fragment, Graph, Label, PlanError, Severity, Vertex, VertexId};

use crate::context::Context;
use crate::device::Wanted;
use crate::engine::Engine;
use crate::error::Cause;
use crate::foreign::Foresight;
use crate::machine::Pretence;
use crate::operation::Operation;
use crate::reference::image_name;
use crate::why::OpNow;
use crate::{Event, Forced, How, Order, StepId, granted};

/// Whether missing results are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// What is missing is run.
    Build,
    /// What is missing stays unknown: the plan is looked at, nothing runs.
    Look,
    /// The same, and what is missing is explained.
    Foresee,
    /// What is missing stays unknown, and every plan is made anew: what planners say is what is wanted.
    Check,
}

/// What every vertex of one image shares.
pub(crate) struct Chain {
    pub(crate) engine: Arc<Engine>,
    pub(crate) context: Arc<Context>,
    pub(crate) pretence: Pretence,
    /// The platform of the image. Parts of it may be made on another one.
    pub(crate) platform: Platform,
    pub(crate) mode: Mode,
    /// Names the definition in the store's memory of earlier builds.
    pub(crate) definition: String,
    /// Parts of steps, as their own texts call them, whose results are made again even where they exist.
    pub(crate) forced_parts: Vec<String>,
    graph: Mutex<Graph>,
    states: Mutex<BTreeMap<VertexId, Arc<OnceCell<Arc<Image>>>>>,
    foresight: Mutex<Foresight>,
    /// What steps that are not done need to be granted.
    wants: Mutex<Vec<Want>>,
}

/// Something that a step cannot do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) step: StepId,
    pub(crate) what: Need,
}

/// What it cannot do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// The secret of this id.
    Secret(String),
    /// The ssh agent of this id.
    Agent(String),
    /// Devices of the machine.
    Devices(Wanted),
    /// That its commands run without what confines others.
    Insecure,
}

/// A command before which a step is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The first whose result is not known.
    Missing,
    /// The first.
    First,
}

/// The step on whose behalf a vertex is solved.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) step: StepId,
    /// Results of this step are made again even where they exist, because somebody asked for it.
    pub(crate) force: Option<Forced>,
    /// What the definition says of the step's commands, whatever its kind.
    pub(crate) ambient: Ambient,
    /// Where it stops without an error of its own.
    pub(crate) halt: Option<Halt>,
    ran: AtomicBool,
    hit: AtomicBool,
    size: AtomicU64,
    logs: AtomicU64,
    operations: Mutex<Vec<OpNow>>,
}

impl Turn {
    pub(crate) fn new(step: StepId, force: Option<Forced>, ambient: &Ambient) -> Arc<Self> {
        let (ran, hit, size) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
        let (logs, operations) = (AtomicU64::new(0), Mutex::default());
        let ambient = ambient.clone();
        Arc::new(Self { step, force, ambient, halt: None, ran, hit, size, logs, operations })
    }

    /// A turn that stops before a command.
    pub(crate) fn halting(step: StepId, ambient: &Ambient, halt: Halt) -> Arc<Self> {
        let turn = Self::new(step, None, ambient);
        Arc::new(Self { halt: Some(halt), ..Arc::into_inner(turn).expect("nobody else has it yet") })
    }

    /// Writes down an operation that has its result, or is about to run.
    pub(crate) fn note(&self, operation: OpNow) {
        let mut operations = self.operations.lock().expect("no note panics");
        operations.retain(|known| known.place != operation.place);
        operations.push(operation);
    }

    /// Whether an operation has run, or would.
    pub(crate) fn has_run(&self) -> bool {
        self.operations.lock().expect("no note panics").iter().any(|operation| operation.ran)
    }

    /// Returns what was written down, in the order of the plan. It may be long, and is handed over.
    pub(crate) fn take_operations(&self) -> Vec<OpNow> {
        let mut operations = std::mem::take(&mut *self.operations.lock().expect("no note panics"));
        operations.sort_by_key(|operation| operation.place);
        operations
    }

    /// Returns a name for the next log of the step.
    pub(crate) fn next_log(&self) -> String {
        format!("{}.{}", self.step, self.logs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(crate) fn count(&self, how: How, size: u64) {
        self.size.fetch_add(size, Ordering::Relaxed);
        match how {
            How::Run => self.ran.store(true, Ordering::Relaxed),
            How::Hit => self.hit.store(true, Ordering::Relaxed),
            How::Config => {}
        }
    }

    pub(crate) fn how(&self) -> How {
        if self.ran.load(Ordering::Relaxed) {
            How::Run
        } else if self.hit.load(Ordering::Relaxed) {
            How::Hit
        } else {
            How::Config
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }
}

impl Chain {
    pub(crate) fn new(
        engine: Arc<Engine>,
        context: Arc<Context>,
        (pretence, platform): (Pretence, Platform),
        mode: Mode,
        order: &Order,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            context,
            pretence,
            platform,
            mode,
            definition: order.definition.clone(),
            forced_parts: order.force.parts.clone(),
            graph: Mutex::new(Graph::new()),
            states: Mutex::default(),
            foresight: Mutex::default(),
            wants: Mutex::default(),
        })
    }

    /// Writes down what a step needs to be granted.
    pub(crate) fn want(&self, step: &StepId, ambient: &Ambient) {
        let secrets = ambient.secrets.iter().filter(|secret| secret.required).map(|it| Need::Secret(it.id.clone()));
        let gpu = ambient.gpu.clone().map(|gpu| Need::Devices(Wanted { gpu: Some(gpu), names: Vec::new() }));
        let insecure = (ambient.security == Some(Security::Insecure)).then_some(Need::Insecure);
        self.add_wants(step, secrets.chain(ambient.ssh.clone().map(Need::Agent)).chain(gpu).chain(insecure));
    }

    /// Writes down what devices the commands of a step's plan need.
    pub(crate) fn want_devices(&self, step: &StepId, fragment: &Fragment) {
        self.add_wants(step, Wanted::of_plan(fragment).map(Need::Devices));
    }

    fn add_wants(&self, step: &StepId, needs: impl Iterator<Item = Need>) {
        let mut wants = self.wants.lock().expect("no look at the wants panics");
        for want in needs.map(|what| Want { step: step.clone(), what }) {
            // The commands of a step mostly need the same.
            if !wants.contains(&want) {
                wants.push(want);
            }
        }
    }

    /// Refuses a plan with commands that ask to run without what confines others, where nobody has granted that: also where their
    /// results are known, since it is about who is trusted and not about what is there.
    pub(crate) fn check_insecure(&self, fragment: &Fragment) -> Result<(), Cause> {
        if self.mode != Mode::Build {
            return Ok(());
        }
        fragment.vertices().iter().zip(fragment.labels()).try_for_each(|(vertex, label)| match vertex {
            Vertex::Run(run) => granted::check_insecure(&self.engine, run).map_err(|cause| cause.placed(label.place())),
            _ => Ok(()),
        })
    }

    /// Forgets what a step needed: it is done.
    pub(crate) fn want_no_more(&self, step: &StepId) {
        self.wants.lock().expect("no look at the wants panics").retain(|want| want.step != *step);
    }

    /// Makes sure, before something runs, that what this and later steps need is granted: an hour of work is no good
    /// without it.
    pub(crate) fn check_wants(&self) -> Result<(), Cause> {
        let wants = self.wants.lock().expect("no look at the wants panics");
        match wants.iter().find_map(|want| Some((want, granted::lacking(&self.engine, want)?))) {
            None => Ok(()),
            Some((want, cause)) => Err(Cause::OfStep { step: want.step.clone(), cause: Box::new(cause) }),
        }
    }

    /// Says, before something runs, which commands that are planned cannot be run here.
    pub(crate) fn warn_of_foreign(&self, turn: &Turn) {
        let mut foresight = self.foresight.lock().expect("no look ahead panics");
        for foreign in foresight.look(self) {
            let text = format!(
                "commands for {} cannot be run on this machine, which is {}: {}; a build that has their results goes on",
                foreign.platform, foreign.machine, foreign.why
            );
            self.engine.tell(Event::Message { step: turn.step.clone(), severity: Severity::Warning, text });
        }
    }

    /// Changes the graph.
    pub(crate) fn with_graph<T>(&self, change: impl FnOnce(&mut Graph) -> T) -> T {
        change(&mut self.graph.lock().expect("no change of the graph panics"))
    }

    fn vertex(&self, id: VertexId) -> (Arc<Vertex>, Label) {
        self.with_graph(|graph| (Arc::clone(graph.vertex(id)), graph.label(id).clone()))
    }

    /// Returns the state of a vertex. Two who ask for the same vertex wait for one answer.
    pub(crate) fn state(
        self: &Arc<Self>,
        turn: &Arc<Turn>,
        id: VertexId,
    ) -> BoxFuture<'static, Result<Arc<Image>, Cause>> {
        let cell = Arc::clone(self.states.lock().expect("no look at the states panics").entry(id).or_default());
        let (chain, turn) = (Arc::clone(self), Arc::clone(turn));
        async move { cell.get_or_try_init(|| chain.solve(&turn, id)).await.cloned() }.boxed()
    }

    async fn solve(self: &Arc<Self>, turn: &Arc<Turn>, id: VertexId) -> Result<Arc<Image>, Cause> {
        self.engine.check_stop()?;
        let (vertex, label) = self.vertex(id);
        let inputs = try_join_all(vertex.inputs().into_iter().map(|input| self.state(turn, input))).await?;
        match &*vertex {
            Vertex::Base => Err(Cause::Bug("a fragment was solved before it was linked".to_owned())),
            Vertex::Scratch => Ok(Arc::new(Image::scratch(self.platform.clone()))),
            Vertex::ScratchFor { platform } => Ok(Arc::new(Image::scratch(platform.clone()))),
            Vertex::Image { reference } => self.stored_image(reference).map(Arc::new),
            Vertex::Configure { edit, .. } => {
                turn.count(How::Config, 0);
                Ok(Arc::new(configured(&inputs[0], edit.clone())))
            }
            Vertex::Files(_) | Vertex::Run(_) => {
                let by_vertex = vertex.inputs().into_iter().zip(inputs).collect();
                let operation = Operation {
                    chain: self,
                    turn,
                    vertex: &vertex,
                    label: &label,
                    states: by_vertex,
                    serves_another: false,
                    ration: OnceCell::new(),
                };
                operation.solve().await.map(Arc::new).map_err(|cause| cause.placed(label.place()))
            }
        }
    }

    /// Reads an image of the store.
    pub(crate) fn stored_image(&self, reference: &str) -> Result<Image, Cause> {
        let stored = self.engine.store.image(&image_name(reference)).map_err(Cause::store)?;
        let stored = stored.ok_or_else(|| Cause::NoImage { reference: reference.to_owned() })?;
        Image::unpack(&stored.manifest, &stored.config).map_err(Cause::store)
    }

    /// Says that a result is missing where nothing may be run.
    pub(crate) fn check_may_run(&self) -> Result<(), Cause> {
        match self.mode {
            Mode::Build => Ok(()),
            Mode::Look | Mode::Foresee | Mode::Check => Err(Cause::Plan(PlanError::NotYet)),
        }
    }
}

/// Returns an image with one edit of its configuration.
fn configured(image: &Image, edit: ConfigEdit) -> Image {
    let text = describe_edit(&edit);
    let mut config = image.config().clone();
    match edit {
        ConfigEdit::Env(name, value) => config = config.with_env(&name, &value),
        ConfigEdit::Workdir(path) => config.working_dir = config.workdir_joined(&path),
        ConfigEdit::User(user) => config.user = user,
        ConfigEdit::Entrypoint(argv) => config = Config { entrypoint: argv, cmd: Vec::new(), ..config },
        ConfigEdit::Cmd(argv) => config.cmd = argv,
        ConfigEdit::Shell(argv) => config.shell = argv,
        ConfigEdit::Label(name, value) => drop(config.labels.insert(name, value)),
        ConfigEdit::Expose(port) => {
            let port = if port.contains('/') { port } else { format!("{port}/tcp") };
            config.exposed_ports.insert(port);
        }
        ConfigEdit::Volume(path) => drop(config.volumes.insert(path)),
        ConfigEdit::StopSignal(signal) => config.stop_signal = signal,
        ConfigEdit::Healthcheck(check) => config.healthcheck = check,
        ConfigEdit::Onbuild(instruction) => config.on_build.push(instruction),
        ConfigEdit::WithoutOnbuild => config.on_build.clear(),
        ConfigEdit::Name(_) => return image.clone(),
    }
    image.clone().with_config(config, &text)
}

/// Says in a few words what an edit does.
#[must_use]
pub fn describe_edit(edit: &ConfigEdit) -> String {
    match edit {
        ConfigEdit::Env(name, value) => format!("env {name}={value}"),
        ConfigEdit::Workdir(path) => format!("workdir {path}"),
        ConfigEdit::User(user) => format!("user {user}"),
        ConfigEdit::Entrypoint(argv) => format!("entrypoint {argv:?}"),
        ConfigEdit::Cmd(argv) => format!("cmd {argv:?}"),
        ConfigEdit::Shell(argv) => format!("shell {argv:?}"),
        ConfigEdit::Label(name, value) => format!("label {name}={value}"),
        ConfigEdit::Expose(port) => format!("expose {port}"),
        ConfigEdit::Volume(path) => format!("volume {path}"),
        ConfigEdit::StopSignal(signal) => format!("stop signal {signal}"),
        ConfigEdit::Healthcheck(Some(_)) => "health check".to_owned(),
        ConfigEdit::Healthcheck(None) => "health check none".to_owned(),
        ConfigEdit::Onbuild(instruction) => format!("on build {instruction}"),
        ConfigEdit::WithoutOnbuild => "on build nothing".to_owned(),
        ConfigEdit::Name(name) => format!("name {name}"),
    }
}
