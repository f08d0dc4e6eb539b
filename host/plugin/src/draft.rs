// SPDX-License-Identifier: Apache-2.0
//! The plan under construction, as a plugin builds it through handles.
//!
//! A state is a vertex and an artifact a place in a list, so their handles carry just that number: nothing is allocated for a
//! handle, and nothing is freed. Batches and commands change until they are closed; they live in a table.

use wasmtime::component::ResourceTable;
use wythe_plan::{
    Action, Artifact, Brush, Command, Files, Finding, Fragment, Label, Mount, MountSource, Run, VertexId,
};

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
    pub brush: MountBrush,
}

/// How the mounts look that are added to a command.
#[derive(Debug, Default)]
#[allow(unreachable_pub, reason = "a field of what the bindings re-export")]
pub struct MountBrush {
    pub owner: String,
    pub mode: Option<u32>,
    pub is_writable: Option<bool>,
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
        self.brush.owner.len() + self.brush.mode_edit.len() + patterns.map(String::len).sum::<usize>()
    }
}

impl OpenCommand {
    pub(crate) fn new(on: VertexId, command: Command) -> Self {
        Self { run: Run::new(on, command), label: Label::default(), brush: MountBrush::default() }
    }

    /// Adds a mount with the present brush.
    pub(crate) fn mount(&mut self, target: String, source: MountSource, begins_as: Option<(VertexId, String)>) {
        let MountBrush { owner, mode, is_writable } = &self.brush;
        let mut mount = Mount { begins_as, ..Mount::new(target, source) };
        match &mut mount.source {
            MountSource::SecretFile { owner: of_secret, .. } => owner.clone_into(of_secret),
            MountSource::Cache { .. } => {
                (mount.owner, mount.mode, mount.is_writable) = (owner.clone(), *mode, *is_writable);
            }
            MountSource::Ssh { .. } => (mount.owner, mount.mode) = (owner.clone(), *mode),
            MountSource::Context { .. } | MountSource::State { .. } => mount.is_writable = *is_writable,
            _ => {}
        }
        self.run.mounts.push(mount);
    }
}

/// What a plugin has built so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub fragment: Fragment,
    /// Errors that were reported with their places.
    pub errors: Vec<Finding>,
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
