// SPDX-License-Identifier: Apache-2.0
//! One operation that makes a layer: found by its key, or made, once, whoever else wants it too.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wythe_image::{Image, LayerRef, to_canonical_json};
use wythe_plan::{Command, Files, KeyParts, Label, Run, Severity, Vertex, VertexId};
use wythe_store::{LockError, ResultRecord};

use crate::chain::{Chain, Turn};
use crate::error::Cause;
use crate::{Event, How, files, run};

/// An operation together with the states that it needs.
pub(crate) struct Operation<'a> {
    pub(crate) chain: &'a Arc<Chain>,
    pub(crate) turn: &'a Arc<Turn>,
    pub(crate) vertex: &'a Vertex,
    pub(crate) label: &'a Label,
    pub(crate) states: BTreeMap<VertexId, Arc<Image>>,
    /// Whether it only brings a mount of another operation to hand. That one holds a slot already, and a forced step
    /// does not mean it.
    pub(crate) serves_another: bool,
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
        let text = describe(self.vertex, self.label);
        if let Some(layer) = self.known(&parts)? {
            return Ok(self.done(&text, How::Hit, layer, begun));
        }
        self.chain.check_may_run()?;
        let _lock = self.lock(&parts).await?;
        // Whoever held the lock before us may have made it.
        if let Some(layer) = self.known(&parts)? {
            return Ok(self.done(&text, How::Hit, layer, begun));
        }
        let engine = &self.chain.engine;
        let _slot = match self.serves_another {
            true => None,
            false => Some(engine.slots.acquire().await.expect("the semaphore is never closed")),
        };
        engine.tell(Event::OperationStarted { step: self.turn.step.clone(), text: text.clone() });
        let made = match self.vertex {
            Vertex::Files(batch) => files::make(self, batch).await?,
            Vertex::Run(command) => run::make(self, command, &text).await?,
            _ => unreachable!("checked above"),
        };
        for what in &made.left_out {
            let (step, text) = (self.turn.step.clone(), format!("left out of the layer: {what}"));
            engine.tell(Event::Message { step, severity: Severity::Warning, text });
        }
        let layer = made.layer;
        made.keep(&engine.store, &parts.key().0, &self.record(&parts, layer, &text))?;
        Ok(self.done(&text, How::Run, layer, begun))
    }

    /// Looks the result up: none, or a result that may be "nothing changed".
    fn known(&self, parts: &KeyParts) -> Result<Option<Option<LayerRef>>, Cause> {
        if self.turn.force && !self.serves_another {
            return Ok(None);
        }
        let (store, key) = (&self.chain.engine.store, parts.key().0);
        let Some(record) = store.result(&key).map_err(Cause::store)? else { return Ok(None) };
        // What the step had last is what a later miss is compared with.
        let (definition, step) = (&self.chain.definition, &record.step);
        store.put_last(definition, step, &key, &record).map_err(Cause::store)?;
        Ok(Some(record.layer))
    }

    async fn lock(&self, parts: &KeyParts) -> Result<wythe_store::KeyLock, Cause> {
        let engine = Arc::clone(&self.chain.engine);
        let key = parts.key().0;
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
    fn record(&self, parts: &KeyParts, layer: Option<LayerRef>, text: &str) -> ResultRecord {
        ResultRecord {
            layer,
            parts: String::from_utf8(to_canonical_json(parts)).expect("JSON is UTF-8"),
            definition: self.chain.definition.clone(),
            step: format!("{} {text}", self.turn.step),
            created: self.chain.engine.now,
            log: None,
        }
    }

    fn done(&self, text: &str, how: How, layer: Option<LayerRef>, begun: Instant) -> Image {
        let size = layer.map_or(0, |layer| layer.size);
        if !self.serves_another {
            self.turn.count(how, size);
        }
        let time: Duration = begun.elapsed();
        let (step, text_owned) = (self.turn.step.clone(), text.to_owned());
        self.chain.engine.tell(Event::OperationDone { step, text: text_owned, how, size, time });
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
