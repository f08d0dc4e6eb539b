// SPDX-License-Identifier: Apache-2.0
//! A whole build: the images of a definition, side by side, each step on top of the one before.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use wythe_image::{Image, Packed, Platform};
use wythe_plan::spec::{ImageSpec, Step};
use wythe_plan::{Lock, LockedImage, spec};

use crate::chain::{Chain, Halt, Mode, Turn};
use crate::context::Context;
use crate::engine::Engine;
use crate::error::{BuildError, Cause};
use crate::machine::Pretence;
use crate::step::{LockUse, PlannedStep, Progress};
use crate::why::Chronicle;
use crate::{Account, Event, Forced, Scene, StepId};

/// Which results are made again even where they exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Force {
    /// All of them, and who asked for it.
    pub all: Option<Forced>,
    /// Those of these steps, by id.
    pub steps: Vec<String>,
    /// Those of these parts of steps, as the steps' own texts call them.
    pub parts: Vec<String>,
}

impl Force {
    /// Returns who asks for a step to run again, the nearest first.
    fn of(&self, step: &Step) -> Option<Forced> {
        let named = self.steps.contains(&step.id).then_some(Forced::RebuildStep);
        named.or(self.all).or(step.ambient.force.then_some(Forced::Definition))
    }
}

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Order {
    /// The images.
    pub images: Vec<ImageSpec>,
    /// The root of the build context.
    pub context: PathBuf,
    /// What the build pretends.
    pub pretence: Pretence,
    /// What is pinned.
    pub lock: Lock,
    /// What becomes of the lock.
    pub lock_use: LockUse,
    /// What is made again.
    pub force: Force,
    /// Names the definition in the store's memory of earlier builds.
    pub definition: String,
}

/// An image that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// Its name in the definition.
    pub name: Option<String>,
    /// The image.
    pub image: Image,
    /// Its stored form.
    pub packed: Packed,
    /// How its steps came to their results.
    pub account: Account,
}

/// What a build returns: the images in the order of the definition, and the lock with what was resolved.
#[derive(Debug)]
pub struct Outcome {
    /// The images, or why each of them stopped.
    pub images: Vec<Result<Built, BuildError>>,
    /// The lock; what was resolved before a failure is in it.
    pub lock: Lock,
}

/// Builds the images of an order. An image that fails does not stop the others.
pub async fn build(engine: &Arc<Engine>, order: &Order) -> Outcome {
    let context = shared_context(engine, order);
    let (images, lock) = each(engine, order, |image| build_image(engine, order, context.as_ref(), image)).await;
    Outcome { images, lock }
}

/// Opens the build context for all images, so that files that several of them use are read once. Where it cannot be opened,
/// each image says so itself.
fn shared_context(engine: &Arc<Engine>, order: &Order) -> Option<Arc<Context>> {
    Context::open(&order.context, Arc::clone(&engine.store), engine.now).ok().map(Arc::new)
}

async fn build_image(
    engine: &Arc<Engine>,
    order: &Order,
    context: Option<&Arc<Context>>,
    spec: &ImageSpec,
) -> (Result<Built, BuildError>, Lock) {
    let begun = Instant::now();
    let name: Arc<str> = spec.name.as_deref().unwrap_or_default().into();
    let steps: Vec<&Step> = spec.all_steps().collect();
    let ids = steps.iter().map(|step| step_id(&name, step)).collect();
    engine.tell(Event::ImageStarted { image: Arc::clone(&name), steps: ids });
    let mut progress = match begin(engine, order, context, spec, Mode::Build) {
        Ok(progress) => progress,
        Err(error) => return (Err(error), order.lock.clone()),
    };
    steps.iter().for_each(|step| progress.chain.want(&step_id(&name, step), &step.ambient));
    let mut chronicle = Chronicle::begin(&progress.chain, &name, &steps);
    for step in &steps {
        let turn = Turn::new(step_id(&name, step), order.force.of(step), &step.ambient);
        if let Err(error) = progress.take(&turn, step, &mut chronicle).await {
            return (Err(error), progress.lock);
        }
    }
    if let Err(error) = chronicle.finish(&progress.lock) {
        return (Err(BuildError::of(&step_id(&name, &spec.base), Cause::store(error))), progress.lock);
    }
    let image = progress.head.and_then(|(_, state)| state).expect("an image has a base, and it was solved");
    let packed = image.pack(&order.pretence.created);
    let size = image.layers().iter().map(|layer| layer.size).sum();
    engine.tell(Event::ImageDone {
        image: name,
        digest: packed.digest,
        size,
        layers: image.layers().len(),
        time: begun.elapsed(),
    });
    let account = chronicle.into_account();
    (Ok(Built { name: spec.name.clone(), image: Image::clone(&image), packed, account }), progress.lock)
}

/// Pins the images of an order, and builds of them what has to be there for that: the image below each step that is
/// resolved. Returns why each of them stopped, where it did, and the lock.
pub async fn pin(engine: &Arc<Engine>, order: &Order) -> (Vec<Result<(), BuildError>>, Lock) {
    let context = shared_context(engine, order);
    each(engine, order, |image| pin_image(engine, order, context.as_ref(), image)).await
}

/// Does something with all images of an order at a time, and returns what became of each, and the lock with what all of
/// them have pinned.
async fn each<'a, T, F: Future<Output = (T, Lock)>>(
    engine: &Engine,
    order: &'a Order,
    one: impl Fn(&'a ImageSpec) -> F,
) -> (Vec<T>, Lock) {
    let done = futures_util::future::join_all(order.images.iter().map(one)).await;
    let mut lock = order.lock.clone();
    let adopted = order.images.iter().zip(done).map(|(spec, (result, locked))| {
        let image = LockedImage::new(spec.name.as_deref(), platform_of(engine, spec));
        adopt(&mut lock, &locked, &image, spec);
        result
    });
    (adopted.collect(), lock)
}

async fn pin_image(
    engine: &Arc<Engine>,
    order: &Order,
    context: Option<&Arc<Context>>,
    spec: &ImageSpec,
) -> (Result<(), BuildError>, Lock) {
    let mut progress = match begin(engine, order, context, spec, Mode::Build) {
        Ok(progress) => progress,
        Err(error) => return (Err(error), order.lock.clone()),
    };
    let name: Arc<str> = spec.name.as_deref().unwrap_or_default().into();
    let mut steps: Vec<&Step> = spec.all_steps().collect();
    // What comes after the last step that may pin something has no say in it.
    steps.truncate(steps.iter().rposition(|step| progress.may_pin(step)).map_or(0, |last| last + 1));
    let ids = steps.iter().map(|step| step_id(&name, step)).collect();
    engine.tell(Event::ImageStarted { image: Arc::clone(&name), steps: ids });
    steps.iter().for_each(|step| progress.chain.want(&step_id(&name, step), &step.ambient));
    // It is never finished: what a build made its images from is the last build's to say.
    let mut chronicle = Chronicle::begin(&progress.chain, &name, &steps);
    for (index, step) in steps.iter().enumerate() {
        let turn = Turn::new(step_id(&name, step), order.force.of(step), &step.ambient);
        let taken = match index + 1 == steps.len() {
            true => progress.plan_only(&turn, step).await,
            false => progress.take(&turn, step, &mut chronicle).await,
        };
        if let Err(error) = taken {
            return (Err(error), progress.lock);
        }
    }
    (Ok(()), progress.lock)
}

/// Builds what is below a step, and returns the place of its first command whose result is not known, or of its first
/// if all are.
///
/// # Errors
///
/// As a build, and where the step runs no command.
pub async fn scene(engine: &Arc<Engine>, order: &Order, wanted: &StepId) -> Result<Scene, BuildError> {
    let is_it = |image: &&ImageSpec| image.name.as_deref().unwrap_or_default() == &*wanted.image;
    let spec = order.images.iter().find(is_it).expect("the step is one of the order's");
    for halt in [Halt::Missing, Halt::First] {
        let mut progress = begin(engine, order, None, spec, Mode::Build)?;
        for step in spec.all_steps() {
            let id = step_id(&wanted.image, step);
            let turn = match id == *wanted {
                true => Turn::halting(id.clone(), &step.ambient, halt),
                false => Turn::new(id.clone(), None, &step.ambient),
            };
            match progress.pass(&turn, step).await {
                Ok(()) if id == *wanted => break,
                Ok(()) => {}
                Err(BuildError { cause, step, place }) => match *cause {
                    Cause::Reached(scene) => return Ok(*scene),
                    cause => return Err(BuildError { step, cause: Box::new(cause), place }),
                },
            }
        }
    }
    Err(BuildError::of(wanted, Cause::RunsNothing))
}

/// Plans the images of an order as far as that goes without running anything.
///
/// # Errors
///
/// Fails at the first step that cannot be planned for another reason than that the step below it is not built.
pub async fn look(engine: &Arc<Engine>, order: &Order) -> Result<Vec<Vec<PlannedStep>>, BuildError> {
    let context = shared_context(engine, order);
    let one = async |spec: &ImageSpec| {
        let name: Arc<str> = spec.name.as_deref().unwrap_or_default().into();
        let mut progress = begin(engine, order, context.as_ref(), spec, Mode::Look)?;
        let mut planned = Vec::new();
        for step in spec.all_steps() {
            let turn = Turn::new(step_id(&name, step), None, &step.ambient);
            planned.push(progress.look(&turn, step).await?);
        }
        Ok(planned)
    };
    try_join_all(order.images.iter().map(one)).await
}

/// Plans the images of an order anew, as far as that goes without running anything, so that planners say what they find.
pub async fn check(engine: &Arc<Engine>, order: &Order) -> Checked {
    let context = shared_context(engine, order);
    let one = async |spec: &ImageSpec| {
        let name: Arc<str> = spec.name.as_deref().unwrap_or_default().into();
        let mut progress = begin(engine, order, context.as_ref(), spec, Mode::Check)?;
        let mut unplanned = Vec::new();
        for step in spec.all_steps() {
            let turn = Turn::new(step_id(&name, step), None, &step.ambient);
            let planned = progress.look(&turn, step).await?;
            unplanned.extend(planned.fragment.is_none().then_some(planned.step));
        }
        Ok(unplanned)
    };
    let mut checked = Checked::default();
    for image in futures_util::future::join_all(order.images.iter().map(one)).await {
        match image {
            Ok(unplanned) => checked.unplanned.extend(unplanned),
            Err(error) => checked.errors.push(error),
        }
    }
    checked
}

/// What came of planning the images of an order without building them.
#[derive(Debug, Default)]
pub struct Checked {
    /// Why planning stopped, an image at a time.
    pub errors: Vec<BuildError>,
    /// Steps that can be planned only when the image below them is built.
    pub unplanned: Vec<StepId>,
}

/// Foresees how the steps of an order would come to their results, and why, without running or keeping anything.
///
/// # Errors
///
/// As [`look`].
pub async fn foresee(engine: &Arc<Engine>, order: &Order) -> Result<Vec<Account>, BuildError> {
    let context = shared_context(engine, order);
    let one = async |spec: &ImageSpec| {
        let name: Arc<str> = spec.name.as_deref().unwrap_or_default().into();
        let mut progress = begin(engine, order, context.as_ref(), spec, Mode::Foresee)?;
        let steps: Vec<&Step> = spec.all_steps().collect();
        let mut chronicle = Chronicle::begin(&progress.chain, &name, &steps);
        for step in steps {
            let turn = Turn::new(step_id(&name, step), order.force.of(step), &step.ambient);
            progress.foresee(&turn, step, &mut chronicle).await?;
        }
        Ok(chronicle.into_account())
    };
    try_join_all(order.images.iter().map(one)).await
}

fn begin(
    engine: &Arc<Engine>,
    order: &Order,
    context: Option<&Arc<Context>>,
    spec: &ImageSpec,
    mode: Mode,
) -> Result<Progress, BuildError> {
    let base = StepId { image: spec.name.as_deref().unwrap_or_default().into(), step: spec::BASE_STEP.into() };
    let fail = |cause| BuildError::of(&base, cause);
    let context = match context {
        Some(shared) => Arc::clone(shared),
        None => Arc::new(Context::open(&order.context, Arc::clone(&engine.store), engine.now).map_err(fail)?),
    };
    let mut pretence = order.pretence.clone();
    pretence.args.extend(spec.args.clone());
    let platform = platform_of(engine, spec);
    let image = LockedImage::new(spec.name.as_deref(), platform);
    let chain = Chain::new(Arc::clone(engine), context, (pretence, platform.clone()), mode, order);
    Ok(Progress { chain, image, lock: order.lock.clone(), lock_use: order.lock_use.clone(), head: None })
}

/// Returns the platform that an image is for.
fn platform_of<'a>(engine: &'a Engine, spec: &'a ImageSpec) -> &'a Platform {
    spec.platform.as_ref().unwrap_or(&engine.machine.platform)
}

fn step_id(image: &Arc<str>, step: &Step) -> StepId {
    StepId { image: Arc::clone(image), step: step.id.as_str().into() }
}

/// Takes over what one image's steps have locked. Entries of steps that are gone are left alone: whether they may go is
/// for who knows the whole definition.
fn adopt(lock: &mut Lock, from: &Lock, image: &LockedImage, spec: &ImageSpec) {
    for step in spec.all_steps() {
        match from.get(image, &step.id) {
            Some(locked) => lock.set(image, &step.id, locked.clone()),
            None => drop(lock.remove(image, &step.id)),
        }
    }
}
