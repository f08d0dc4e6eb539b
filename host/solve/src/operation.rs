// SPDX-License-Identifier: Apache-2.0
//! One operation that makes a layer: found by its key, or made, once, whoever else wants it too.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::OptionFuture;
use tokio::sync::{OnceCell, SemaphorePermit};
use wythe_image::{Digest, Image, LayerRef};
use wythe_plan::{Brush, Command, Files, KeyParts, Label, Run, Severity, Vertex, VertexId};
use wythe_store::{LockError, ResultRecord};
use wythe_sys::cancel::Cancel;

use crate::chain::{Chain, Halt, Mode, Turn};
use crate::context::Chosen;
use crate::error::Cause;
use crate::ration::Ration;
use crate::scene::Scene;
use crate::snapshot::Made;
use crate::why::{OpNow, OpPast};
use crate::{Event, How, StepId, files, run, why};

/// Bytes that every operation takes beside what it makes: records, directories, a log.
const SMALL: u64 = 128 * 1024;

/// Bytes that a command is lent while it runs: certificates and the like.
const LENT: u64 = 512 * 1024;

/// An operation together with the states that it needs.
pub(crate) struct Operation<'a> {
    pub(crate) chain: &'a Arc<Chain>,
    pub(crate) turn: &'a Arc<Turn>,
    pub(crate) vertex: &'a Vertex,
    pub(crate) label: &'a Label,
    pub(crate) states: BTreeMap<VertexId, Arc<Image>>,
    /// Whether it only brings a mount of another operation to hand: a forced step does not mean it.
    pub(crate) serves_another: bool,
    /// What it may write, from when it begins to.
    pub(crate) ration: OnceCell<Ration>,
}

impl Operation<'_> {
    /// Returns the state of a vertex that the operation names.
    pub(crate) fn input(&self, id: VertexId) -> &Arc<Image> {
        &self.states[&id]
    }

    fn on(&self) -> &Arc<Image> {
        self.input(self.vertex.on().expect("an operation that makes a layer edits a state"))
    }

    /// Returns the state that the operation makes.
    pub(crate) async fn solve(&self) -> Result<Image, Cause> {
        let begun = Instant::now();
        let parts = match self.vertex {
            Vertex::Files(batch) => files::key_parts(self, batch).await?,
            Vertex::Run(command) => run::key_parts(self, command).await?,
            _ => return Err(Cause::Bug("a vertex without a layer was solved as an operation".to_owned())),
        };
        let (key, written) = parts.written();
        let key = key.0;
        let text = describe(self.vertex, self.label);
        self.halt_at(Halt::First)?;
        if let Some(record) = self.known(&key)? {
            return Ok(self.hit(&text, (key, parts), record, begun));
        }
        self.halt_at(Halt::Missing)?;
        if self.chain.mode == Mode::Foresee {
            let missing = self.chain.engine.store.why_missing(&key).map_err(Cause::store)?;
            let trees = self.trees().await?;
            self.note(|| OpNow { ran: true, missing, ..self.told(&text, (key, parts.clone()), trees, None) });
        }
        self.chain.check_may_run()?;
        self.chain.check_wants()?;
        self.chain.warn_of_foreign(self.turn);
        let engine = &self.chain.engine;
        let _flight = engine.flights.enter(key).await;
        let _lock = self.lock(key).await?;
        // Whoever held the lock before us may have made it.
        if let Some(record) = self.known(&key)? {
            return Ok(self.hit(&text, (key, parts), record, begun));
        }
        let missing = engine.store.why_missing(&key).map_err(Cause::store)?;
        let trees = self.trees().await?;
        let running = |log| OpNow { missing, ..self.told(&text, (key, parts.clone()), trees.clone(), log) };
        self.note(|| OpNow { ran: true, ..running(None) });
        let (step, part) = self.place();
        engine.tell(Event::OperationStarted { step, part, text: text.clone() });
        let made = self.make(&text, &parts).await?;
        for what in &made.left_out {
            let (step, text) = (self.turn.step.clone(), format!("left out of the layer: {what}"));
            engine.tell(Event::Message { step, severity: Severity::Warning, text });
        }
        let layer = made.layer;
        let log = made.log.as_ref().map(|log| log.strip_prefix(engine.store.directory()).unwrap_or(log));
        let log = log.map(|log| log.display().to_string());
        self.note(|| OpNow { ran: true, ..running(log.clone()) });
        let network = made.network.clone();
        let record = ResultRecord { log, trees, network, ..self.record(written, layer, &text) };
        made.keep(&engine.store, &key, &record)?;
        Ok(self.done(&text, How::Run, layer, begun))
    }

    /// Stops before a command where the turn says so.
    fn halt_at(&self, place: Halt) -> Result<(), Cause> {
        match self.vertex {
            Vertex::Run(run) if self.turn.halt == Some(place) && !self.serves_another => {
                Err(Cause::Reached(Scene::of(self, run, None)))
            }
            _ => Ok(()),
        }
    }

    /// Makes the result, within the quota of the store.
    async fn make(&self, text: &str, parts: &KeyParts) -> Result<Made, Cause> {
        let needed = match self.vertex {
            Vertex::Files(batch) => files::needed(self, batch).await?,
            _ => LENT,
        };
        let engine = Arc::clone(&self.chain.engine);
        let ration = self.chain.engine.blocking(move || Ration::begin(&engine, needed.saturating_add(SMALL))).await?;
        let ration = self.ration.get_or_init(async || ration).await;
        let made = match self.vertex {
            Vertex::Files(batch) => files::make(self, batch, parts).await,
            Vertex::Run(command) => run::make(self, command, text).await,
            _ => unreachable!("checked before"),
        };
        // A step that was stopped for its size says so, whatever it met then.
        ration.end()?;
        made
    }

    /// Returns where it stands, for people.
    fn place(&self) -> (StepId, String) {
        (self.turn.step.clone(), self.label.part.clone())
    }

    /// Returns what stops the operation.
    pub(crate) fn cancel(&self) -> Cancel {
        self.ration.get().map_or_else(|| self.chain.engine.cancel.clone(), |ration| ration.cancel.clone())
    }

    /// Waits until the operation has written more than it may.
    pub(crate) async fn exceeded(&self) {
        match self.ration.get() {
            Some(ration) => ration.exceeded().await,
            None => std::future::pending().await,
        }
    }

    fn hit(&self, text: &str, (key, parts): (Digest, KeyParts), record: ResultRecord, begun: Instant) -> Image {
        self.note(|| self.told(text, (key, parts), record.trees, record.log));
        self.done(text, How::Hit, record.layer, begun)
    }

    fn told(
        &self,
        text: &str,
        (key, parts): (Digest, KeyParts),
        trees: BTreeMap<String, Digest>,
        log: Option<String>,
    ) -> OpNow {
        let place = self.vertex.on().map_or(0, |on| on.0);
        let past = OpPast::new(text, key, parts, trees);
        OpNow { place, past, ran: false, missing: None, log }
    }

    /// Writes the operation down for who explains the step. One that only serves another is not told.
    fn note(&self, operation: impl FnOnce() -> OpNow) {
        if !self.serves_another && !matches!(self.chain.mode, Mode::Look | Mode::Check) {
            self.turn.note(operation());
        }
    }

    /// Returns the files of the build context that patterns choose. The kernel is asked about them beside the index, which takes
    /// as long where they are many.
    pub(crate) async fn choose(&self, patterns: Vec<String>, brush: Brush) -> Result<Arc<Chosen>, Cause> {
        let (context, same) = (Arc::clone(&self.chain.context), Arc::clone(&self.chain.context));
        let choose = self.chain.engine.blocking(move || context.choose(&patterns, &brush));
        let recall = same.has_to_recall().then(|| self.chain.engine.blocking(move || same.recall()));
        let (chosen, _asked_again) = tokio::join!(choose, OptionFuture::from(recall));
        chosen
    }

    /// Keeps the list of files of each input, so that a later miss can name the file.
    async fn trees(&self) -> Result<BTreeMap<String, Digest>, Cause> {
        let inputs = match self.vertex {
            Vertex::Files(batch) => files::context_inputs(batch),
            Vertex::Run(command) => run::context_inputs(command),
            _ => Vec::new(),
        };
        if inputs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (context, store) = (Arc::clone(&self.chain.context), Arc::clone(&self.chain.engine.store));
        let keep = move || {
            let one = |(name, patterns, brush): (String, Vec<String>, Brush)| {
                let list = why::manifest(context.root(), &context.choose(&patterns, &brush)?.files)
                    .map_err(Cause::doing("cannot read the build context"))?;
                Ok((name, store.put_blob(&list).map_err(Cause::store)?))
            };
            inputs.into_iter().map(one).collect()
        };
        self.chain.engine.blocking(keep).await
    }

    /// Whether it is made again even where its result is there.
    pub(crate) fn is_forced(&self) -> bool {
        let is_meant = self.turn.force.is_some() || self.chain.forced_parts.contains(&self.label.part);
        is_meant && !self.serves_another
    }

    /// Looks the result up.
    fn known(&self, key: &Digest) -> Result<Option<ResultRecord>, Cause> {
        if self.is_forced() {
            return Ok(None);
        }
        self.chain.engine.store.result(key).map_err(Cause::store)
    }

    /// Waits for room on the machine: to be called when all that has to be waited for is at hand.
    pub(crate) async fn slot(&self) -> SemaphorePermit<'_> {
        self.chain.engine.slots.acquire().await.expect("the semaphore is never closed")
    }

    async fn lock(&self, key: Digest) -> Result<wythe_store::KeyLock, Cause> {
        let engine = Arc::clone(&self.chain.engine);
        self.chain
            .engine
            .blocking(move || {
                let mut on_wait = || {
                    if engine.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                engine.store.lock_key(&key, &mut on_wait).map_err(|error| match error {
                    LockError::Interrupted => Cause::Cancelled,
                    error => Cause::store(error),
                })
            })
            .await
    }

    /// Returns what is written down of a result.
    fn record(&self, parts: String, layer: Option<LayerRef>, text: &str) -> ResultRecord {
        ResultRecord {
            layer,
            parts,
            definition: self.chain.definition.clone(),
            step: format!("{} {text}", self.turn.step),
            created: self.chain.engine.now,
            log: None,
            trees: BTreeMap::new(),
            network: None,
        }
    }

    fn done(&self, text: &str, how: How, layer: Option<LayerRef>, begun: Instant) -> Image {
        let size = layer.map_or(0, |layer| layer.size);
        if !self.serves_another {
            self.turn.count(how, size);
        }
        let time: Duration = begun.elapsed();
        let ((step, part), text_owned) = (self.place(), text.to_owned());
        self.chain.engine.tell(Event::OperationDone { step, part, text: text_owned, how, size, time });
        let image = Image::clone(self.on());
        match layer {
            Some(layer) => image.append(layer, text),
            None => image.with_note(text),
        }
    }
}

/// Says in a few words what an operation does.
#[must_use]
pub fn describe(vertex: &Vertex, label: &Label) -> String {
    if !label.text.is_empty() {
        return label.text.clone();
    }
    match vertex {
        Vertex::Run(run) => describe_command(run),
        Vertex::Files(batch) => describe_files(batch),
        Vertex::Configure { edit, .. } => crate::chain::describe_edit(edit),
        Vertex::Image { reference } => format!("image {reference}"),
        Vertex::Scratch => "scratch".to_owned(),
        Vertex::ScratchFor { platform } => format!("scratch for {platform}"),
        Vertex::Base => "base".to_owned(),
    }
}

fn describe_command(run: &Run) -> String {
    match &run.command {
        Command::Argv(argv) => argv.join(" "),
        Command::Shell(script) => script.trim().lines().next().unwrap_or_default().to_owned(),
    }
}

fn describe_files(batch: &Files) -> String {
    use wythe_plan::Action;
    match &batch.actions[..] {
        [Action::Copy { dest, .. }] => format!("copy to {dest}"),
        [Action::Put { path, .. }] => format!("put {path}"),
        [Action::Mkdir { path, .. }] => format!("mkdir {path}"),
        [Action::Symlink { path, .. }] => format!("symlink {path}"),
        [Action::Remove { path }] => format!("remove {path}"),
        actions => format!("{} file edits", actions.len()),
    }
}
