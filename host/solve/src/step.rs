// SPDX-License-Identifier: Apache-2.0
//! One step of an image: pinned, planned, linked, solved.

use std::sync::Arc;
use std::time::Instant;

use wythe_image::Image;
use wythe_plan::spec::Step;
use wythe_plan::{
    CORE_KINDS, Fragment, Kind, Lock, LockedImage, LockedStep, PlanError, StepCall, Trace, VertexId, plan_core_step,
};

use crate::chain::{Chain, Mode, Turn};
use crate::engine::Engine;
use crate::error::{BuildError, Cause};
use crate::trace::PlanTrace;
use crate::why::{Chronicle, Planned};
use crate::world::StepWorld;
use crate::{Event, StepId};

/// What becomes of the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LockUse {
    /// What it has is used, what it lacks is resolved.
    #[default]
    Use,
    /// It must have everything.
    Enforce,
    /// These steps are resolved anew, by id; none named means all.
    Upgrade(Vec<String>),
}

impl LockUse {
    pub(crate) fn renews(&self, step: &Step) -> bool {
        match self {
            Self::Upgrade(steps) => steps.is_empty() || steps.contains(&step.id),
            Self::Use | Self::Enforce => false,
        }
    }
}

/// The state of an image while its steps are worked through.
pub(crate) struct Progress {
    pub(crate) chain: Arc<Chain>,
    pub(crate) image: LockedImage,
    pub(crate) lock: Lock,
    pub(crate) lock_use: LockUse,
    /// The vertex and the state of the last step; none before the base.
    pub(crate) head: Option<(VertexId, Option<Arc<Image>>)>,
}

/// A step that has been planned.
#[derive(Debug, Clone)]
pub struct PlannedStep {
    /// The step.
    pub step: StepId,
    /// Its kind.
    pub kind: String,
    /// Its plan; none where it depends on a state that is not built.
    pub fragment: Option<Fragment>,
}

/// A step that has begun, of which that was told.
struct Begun<'a> {
    engine: &'a Engine,
    turn: &'a Turn,
    at: Instant,
}

impl<'a> Begun<'a> {
    fn tell(engine: &'a Engine, turn: &'a Turn, step: &Step) -> Self {
        engine.tell(Event::StepStarted { step: turn.step.clone(), kind: step.kind.clone() });
        Self { engine, turn, at: Instant::now() }
    }

    fn tell_done(self) {
        let (step, how, size) = (self.turn.step.clone(), self.turn.how(), self.turn.size());
        self.engine.tell(Event::StepDone { step, how, size, time: self.at.elapsed() });
    }
}

impl Progress {
    /// Pins, plans, links and solves a step.
    pub(crate) async fn take(
        &mut self,
        turn: &Arc<Turn>,
        step: &Step,
        chronicle: &mut Chronicle,
    ) -> Result<(), BuildError> {
        let fail = |cause| BuildError::of(&turn.step, cause);
        let engine = Arc::clone(&self.chain.engine);
        let begun = Begun::tell(&engine, turn, step);
        let below = self.head.as_ref().and_then(|(_, state)| state.clone());
        let mut planned = Planned::default();
        let state = match self.solve(turn, step, &mut planned).await {
            Ok(state) => state,
            Err(cause) => {
                let log = cause.log(engine.store.directory());
                // The failure is what is told; that it could not be written down is the lesser thing.
                let _unwritten = chronicle.failed(turn, planned, log, &self.lock);
                return Err(fail(cause));
            }
        };
        self.chain.want_no_more(&turn.step);
        let below = below.as_ref().map_or(&[][..], |image| image.layers());
        let told = chronicle.done(turn, planned, (below, &state), &self.lock);
        if let Some(account) = told.map_err(|error| fail(Cause::store(error)))? {
            engine.tell(Event::Explained { step: turn.step.clone(), account });
        }
        begun.tell_done();
        Ok(())
    }

    /// As [`Self::take`], without a word in the memory of builds.
    pub(crate) async fn pass(&mut self, turn: &Arc<Turn>, step: &Step) -> Result<(), BuildError> {
        let engine = Arc::clone(&self.chain.engine);
        let begun = Begun::tell(&engine, turn, step);
        let solved = self.solve(turn, step, &mut Planned::default()).await;
        solved.map_err(|cause| BuildError::of(&turn.step, cause))?;
        self.chain.want_no_more(&turn.step);
        begun.tell_done();
        Ok(())
    }

    async fn solve(&mut self, turn: &Arc<Turn>, step: &Step, planned: &mut Planned) -> Result<Arc<Image>, Cause> {
        let fragment = self.plan(turn, step, planned).await?;
        self.chain.check_insecure(&fragment)?;
        self.chain.want_devices(&turn.step, &fragment);
        let vertex = self.link(fragment);
        let state = self.chain.state(turn, vertex).await.map_err(|cause| self.blame_pin(step, cause))?;
        self.head = Some((vertex, Some(Arc::clone(&state))));
        Ok(state)
    }

    /// Returns whether a step can have something in the lock.
    pub(crate) fn may_pin(&self, step: &Step) -> bool {
        self.kind_of(step).is_some() || step.kind == "image"
    }

    /// Pins and plans a step, and solves nothing of it.
    pub(crate) async fn plan_only(&mut self, turn: &Arc<Turn>, step: &Step) -> Result<(), BuildError> {
        let engine = Arc::clone(&self.chain.engine);
        let begun = Begun::tell(&engine, turn, step);
        let planned = self.plan(turn, step, &mut Planned::default()).await;
        planned.map_err(|cause| BuildError::of(&turn.step, cause))?;
        begun.tell_done();
        Ok(())
    }

    /// Plans and links a step, and looks up its state without running anything.
    pub(crate) async fn look(&mut self, turn: &Arc<Turn>, step: &Step) -> Result<PlannedStep, BuildError> {
        self.look_at(turn, step, &mut Planned::default()).await
    }

    /// Looks at a step and foresees whether it would run, and why.
    pub(crate) async fn foresee(
        &mut self,
        turn: &Arc<Turn>,
        step: &Step,
        chronicle: &mut Chronicle,
    ) -> Result<(), BuildError> {
        let below = self.head.as_ref().and_then(|(_, state)| state.clone());
        let mut planned = Planned::default();
        self.look_at(turn, step, &mut planned).await?;
        let after = self.head.as_ref().and_then(|(_, state)| state.clone());
        let layers = below.as_ref().map_or(&[][..], |image| image.layers());
        let told = match &after {
            Some(after) => chronicle.done(turn, planned, (layers, after), &self.lock).map(drop),
            None => chronicle.open(turn, planned, &self.lock),
        };
        told.map_err(|error| BuildError::of(&turn.step, Cause::store(error)))
    }

    async fn look_at(
        &mut self,
        turn: &Arc<Turn>,
        step: &Step,
        planned_from: &mut Planned,
    ) -> Result<PlannedStep, BuildError> {
        let fail = |cause| BuildError::of(&turn.step, cause);
        let planned = |fragment| PlannedStep { step: turn.step.clone(), kind: step.kind.clone(), fragment };
        let unknown = matches!(&self.head, Some((_, None)));
        let fragment = match self.plan(turn, step, planned_from).await {
            Ok(fragment) => fragment,
            Err(Cause::Plan(PlanError::NotYet)) => {
                // What stands on an unknown plan cannot be linked; its own plan may still need no fact of it.
                self.head = self.head.take().map(|(vertex, _)| (vertex, None));
                return Ok(planned(None));
            }
            Err(cause) => return Err(fail(cause)),
        };
        let vertex = self.link(fragment.clone());
        let state = if unknown {
            None
        } else {
            self.look_up(turn, vertex).await.map_err(|cause| fail(self.blame_pin(step, cause)))?
        };
        self.head = Some((vertex, state));
        Ok(planned(Some(fragment)))
    }

    async fn look_up(&self, turn: &Arc<Turn>, vertex: VertexId) -> Result<Option<Arc<Image>>, Cause> {
        match self.chain.state(turn, vertex).await {
            Ok(state) => Ok(Some(state)),
            Err(Cause::Plan(PlanError::NotYet)) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    fn link(&self, fragment: Fragment) -> VertexId {
        let below = self.head.as_ref().map(|(vertex, _)| *vertex);
        self.chain.with_graph(|graph| graph.link(below, fragment))
    }

    async fn plan(&mut self, turn: &Arc<Turn>, step: &Step, planned: &mut Planned) -> Result<Fragment, Cause> {
        let base = match &self.head {
            None => Some(Arc::new(Image::scratch(self.chain.platform.clone()))),
            Some((_, state)) => state.clone(),
        };
        let below = self.head.as_ref().map(|(vertex, _)| *vertex);
        let present = self.present(step);
        let pins = present.as_ref().map(|locked| locked.images.clone()).unwrap_or_default();
        let world = Arc::new(StepWorld::new(&self.chain, turn, base, below, pins));
        let (mut fragment, plugin, resolved) = match self.kind_of(step) {
            None => {
                let fragment = self.plan_core(&world, step).await?;
                planned.facts = world.take_asked();
                (fragment, None, None)
            }
            Some(kind) => {
                planned.plugin = Some(kind.digest);
                let resolved = match kind.resolves {
                    true => Some(self.pin(&world, turn, step, &kind, present.as_ref()).await?),
                    false => None,
                };
                let entry = resolved.as_ref().map(|resolved| resolved.entry_text());
                let (facts, fragment) = self.plan_kind(&world, step, &kind, entry).await?;
                planned.facts = facts;
                // What the plan itself asked is nearer to it than what the resolver asked.
                for (fact, digest) in resolved.iter().flat_map(|resolved| &resolved.facts) {
                    planned.facts.entry(fact.clone()).or_insert(*digest);
                }
                (fragment, Some(kind.digest), resolved)
            }
        };
        let locked = LockedStep { kind: step.kind.clone(), plugin, resolved, images: world.take_images() };
        self.hold(step, present.as_ref(), locked)?;
        step.ambient.apply(&mut fragment);
        Ok(fragment)
    }

    /// Returns the plugin's kind of a step; none where it is a core kind, which wins over a plugin's of the same name, as
    /// it does when the definition is read.
    fn kind_of(&self, step: &Step) -> Option<Kind> {
        let is_core = CORE_KINDS.iter().any(|kind| kind.name == step.kind);
        let kinds = self.chain.engine.planner.kinds();
        kinds.iter().find(|kind| !is_core && kind.name == step.kind).cloned()
    }

    async fn plan_core(&self, world: &Arc<StepWorld>, step: &Step) -> Result<Fragment, Cause> {
        let call = StepCall { kind: &step.kind, options: &step.options, lock: None };
        plan_core_step(call, &**world).map_err(Cause::Plan)
    }

    /// Returns the plan of a plugin's step: the recorded one while its facts stand, else a new one.
    async fn plan_kind(
        &self,
        world: &Arc<StepWorld>,
        step: &Step,
        kind: &Kind,
        lock: Option<String>,
    ) -> Result<(Trace, Fragment), Cause> {
        let engine = Arc::clone(&self.chain.engine);
        let name = PlanTrace::name(kind, &StepCall { kind: &step.kind, options: &step.options, lock: lock.as_deref() });
        // Looked up here and now: going to another thread and back would take longer.
        if let Some((facts, known)) = PlanTrace::load(&engine.store, &name)?
            && self.chain.mode != Mode::Check
            && world.first_changed(&facts)?.is_none()
        {
            world.tell(&known.findings);
            return Ok((facts, known.fragment));
        }
        let (world, kind, options) = (Arc::clone(world), step.kind.clone(), step.options.clone());
        let plan = move || {
            let call = StepCall { kind: &kind, options: &options, lock: lock.as_deref() };
            let planned = engine.planner.plan(call, &*world);
            let findings = world.take_findings();
            world.tell(&findings);
            let (fragment, facts) = (planned?, world.take_asked());
            PlanTrace::save(&engine.store, &name, &facts, &fragment, findings)?;
            Ok((facts, fragment))
        };
        self.chain.engine.blocking(plan).await
    }
}
