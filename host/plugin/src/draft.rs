// SPDX-License-Identifier: Apache-2.0
//! The plan under construction, as a plugin builds it through handles.
//!
//! A state is a vertex and an artifact a place in a list, so their handles carry just that number: nothing is allocated for a
//! handle, and nothing is freed. Batches and commands change until they are closed; they live in a table.

use wasmtime::component::ResourceTable;
use wythe_plan::{Action, Artifact, Brush, Command, Files, Fragment, Label, Run, VertexId};

/// What a `state` handle stands for: its number is a [`VertexId`].
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings re-export it")]
pub struct State;

/// What an `artifact` handle stands for: its number is a place in [`Draft::artifact`].
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings re-export it")]
pub struct ArtifactHandle;

/// A batch of file edits that is still open.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings re-export it")]
pub struct Batch {
    pub brush: Brush,
    pub files: Files,
    pub label: Label,
}

/// A command that is still open.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "the bindings re-export it")]
pub struct OpenCommand {
    pub run: Run,
    pub label: Label,
}

impl Batch {
    pub(crate) fn new(on: VertexId) -> Self {
        Self { brush: Brush::default(), files: Files { on, actions: Vec::new() }, label: Label::default() }
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.files.actions.push(action);
    }

    /// Bytes that every further action costs because it carries the brush.
    pub(crate) fn brush_bytes(&self) -> usize {
        let patterns = self.brush.exclude.iter().chain(&self.brush.ignore);
        self.brush.owner.len() + patterns.map(String::len).sum::<usize>()
    }
}

impl OpenCommand {
    pub(crate) fn new(on: VertexId, command: Command) -> Self {
        Self { run: Run::new(on, command), label: Label::default() }
    }
}

/// What a plugin has built so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub fragment: Fragment,
    artifacts: Vec<Artifact>,
    pub open: ResourceTable,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Keeps an artifact and returns its place.
    pub(crate) fn add_artifact(&mut self, artifact: Artifact) -> u32 {
        let place = u32::try_from(self.artifacts.len()).expect("artifacts are fewer than the bytes that describe them");
        self.artifacts.push(artifact);
        place
    }

    /// Returns an artifact by its place.
    pub(crate) fn artifact(&self, place: u32) -> &Artifact {
        &self.artifacts[place as usize]
    }
}
