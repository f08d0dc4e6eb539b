// SPDX-License-Identifier: Apache-2.0
//! The plan: vertices (operations) joined by edges (the states they work on).
//!
//! Vertices are kept in an order in which each stands after what it depends on, and an equal operation is kept
//! once. A planner fills a [`Fragment`], in which vertex 0 stands for the state it was given; linking puts
//! fragments one behind the other into the [`Graph`] of an image.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wythe_image::{Digest, Platform, to_canonical_json};

use crate::{Action, ConfigEdit, Files, Mount, Run, Source, TextPlace};

/// The place of a vertex in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VertexId(pub u32);

impl VertexId {
    /// The state that a fragment starts from.
    pub const BASE: Self = Self(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vertex {
    /// The state that the fragment was given; only as vertex 0 of a fragment.
    Base,
    /// Nothing.
    Scratch,
    /// Nothing, for another platform than the image's.
    ScratchFor {
        /// The platform.
        platform: Platform,
    },
    /// An image by reference.
    Image {
        /// The reference, with a digest once the lock has pinned it.
        reference: String,
    },
    /// A batch of file edits.
    Files(Files),
    /// A command in a sandbox.
    Run(Run),
    /// An edit of the image configuration.
    Configure {
        /// The state that is edited.
        on: VertexId,
        /// The edit.
        edit: ConfigEdit,
    },
}

impl Vertex {
    /// Returns the vertex whose state this operation edits.
    #[must_use]
    pub fn on(&self) -> Option<VertexId> {
        match self {
            Self::Base | Self::Scratch | Self::ScratchFor { .. } | Self::Image { .. } => None,
            Self::Files(files) => Some(files.on),
            Self::Run(run) => Some(run.on),
            Self::Configure { on, .. } => Some(*on),
        }
    }

    /// Returns every vertex that this operation needs, the edited one first.
    #[must_use]
    pub fn inputs(&self) -> Vec<VertexId> {
        let on = self.on().into_iter();
        match self {
            Self::Base | Self::Scratch | Self::ScratchFor { .. } | Self::Image { .. } | Self::Configure { .. } => {
                on.collect()
            }
            Self::Files(files) => on.chain(files.actions.iter().filter_map(copied_state)).collect(),
            Self::Run(run) => on.chain(run.mounts.iter().flat_map(Mount::states)).collect(),
        }
    }

    fn for_each_input(&mut self, mut visit: impl FnMut(&mut VertexId)) {
        match self {
            Self::Base | Self::Scratch | Self::ScratchFor { .. } | Self::Image { .. } => {}
            Self::Configure { on, .. } => visit(on),
            Self::Files(files) => {
                visit(&mut files.on);
                for action in &mut files.actions {
                    if let Action::Copy {
                        source: Source::State { vertex, .. } | Source::Matching { vertex, .. }, ..
                    } = action
                    {
                        visit(vertex);
                    }
                }
            }
            Self::Run(run) => {
                visit(&mut run.on);
                run.mounts.iter_mut().flat_map(Mount::states_mut).for_each(visit);
            }
        }
    }
}

fn copied_state(action: &Action) -> Option<VertexId> {
    match action {
        Action::Copy { source: Source::State { vertex, .. } | Source::Matching { vertex, .. }, .. } => Some(*vertex),
        _ => None,
    }
}

/// What is said of a vertex for people. Never part of a digest or key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// What it does, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Line and column in the step's own source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<(u32, u32)>,
    /// That source, as a [`TextPlace`] names it; empty where it was not said.
    #[serde(default, rename = "in-text", skip_serializing_if = "String::is_empty")]
    pub in_text: String,
    /// How many characters stand there; 0 where that is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub length: u32,
    /// The part of the step's own source that it belongs to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
}

impl Label {
    /// Returns a label that says what is done.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Returns where the operation stands, as far as that can be shown.
    #[must_use]
    pub fn place(&self) -> Option<TextPlace> {
        let (line, column) = self.at.filter(|_| !self.in_text.is_empty())?;
        Some(TextPlace { source: self.in_text.clone(), line, column, length: self.length })
    }

    /// Returns the label as those have it who see other options than the step that it is of: a text that is an option is
    /// none of theirs.
    fn of_another_step(&self) -> Self {
        let is_option = self.in_text.starts_with('/');
        Self { in_text: if is_option { String::new() } else { self.in_text.clone() }, ..self.clone() }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// The plan of one step, relative to the state it is planned on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    vertices: Vec<Vertex>,
    labels: Vec<Label>,
    head: VertexId,
}

impl Default for Fragment {
    fn default() -> Self {
        Self::new()
    }
}

impl Fragment {
    /// Returns the plan that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { vertices: vec![Vertex::Base], labels: vec![Label::default()], head: VertexId::BASE }
    }

    /// Adds an operation and returns its place. An operation that is there already is not added again.
    ///
    /// # Panics
    ///
    /// Panics where an input is not in the fragment yet.
    pub fn add(&mut self, vertex: Vertex, label: Label) -> VertexId {
        assert!(
            vertex.inputs().iter().all(|id| id.index() < self.vertices.len()),
            "a vertex is added after what it depends on"
        );
        if let Some(known) = self.vertices.iter().position(|known| *known == vertex) {
            return VertexId(u32::try_from(known).expect("a plan has fewer than 2^32 vertices"));
        }
        let id = VertexId(u32::try_from(self.vertices.len()).expect("a plan has fewer than 2^32 vertices"));
        self.vertices.push(vertex);
        self.labels.push(label);
        id
    }

    /// Puts the plan of another step on top of `on` and returns the place of that step's result.
    ///
    /// # Panics
    ///
    /// Panics where `on` is not in the fragment.
    pub fn graft(&mut self, on: VertexId, other: &Self) -> VertexId {
        assert!(on.index() < self.vertices.len(), "a step is planned on a state of the fragment");
        let mut places = vec![on];
        for (vertex, label) in other.vertices.iter().zip(&other.labels).skip(1) {
            let mut moved = vertex.clone();
            moved.for_each_input(|id| *id = places[id.index()]);
            places.push(self.add(moved, label.of_another_step()));
        }
        places[other.head.index()]
    }

    /// Says which state is the step's result.
    pub fn set_head(&mut self, head: VertexId) {
        self.head = head;
    }

    /// Returns the step's result.
    #[must_use]
    pub fn head(&self) -> VertexId {
        self.head
    }

    /// Returns an operation.
    #[must_use]
    pub fn vertex(&self, id: VertexId) -> &Vertex {
        &self.vertices[id.index()]
    }

    /// Returns all operations, the base first.
    #[must_use]
    pub fn vertices(&self) -> &[Vertex] {
        &self.vertices
    }

    /// Returns what is said of each operation, in the order of [`Fragment::vertices`].
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Returns the operations for editing: options that every step has are laid over a planner's answer this way.
    pub fn runs_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.vertices.iter_mut().filter_map(|vertex| match vertex {
            Vertex::Run(run) => Some(run),
            _ => None,
        })
    }

    /// Returns the digest of the plan, labels left out. Equal plans have equal digests.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&to_canonical_json(&(&self.vertices, self.head)))
    }
}

/// The plan of an image: the fragments of its steps, linked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// What is in them may be long, and is handed out to whoever works on one.
    vertices: Vec<Arc<Vertex>>,
    labels: Vec<Label>,
    steps: Vec<Range<u32>>,
}

impl Graph {
    /// Returns the empty plan.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a step's fragment on top of `base` and returns the vertex of the step's result.
    ///
    /// The base of the first step is none; its fragment then stands on an empty file system.
    pub fn link(&mut self, base: Option<VertexId>, fragment: Fragment) -> VertexId {
        let start = self.next_id().0;
        let mut places: BTreeMap<VertexId, VertexId> = BTreeMap::new();
        let head = fragment.head;
        for (index, (vertex, label)) in fragment.vertices.into_iter().zip(fragment.labels).enumerate() {
            let from = VertexId(u32::try_from(index).expect("a plan has fewer than 2^32 vertices"));
            let place = match (vertex, base) {
                (Vertex::Base, Some(base)) => base,
                (Vertex::Base, None) => self.push(Vertex::Scratch, Label::default()),
                (mut moved, _) => {
                    moved.for_each_input(|id| *id = places[id]);
                    self.push(moved, label)
                }
            };
            places.insert(from, place);
        }
        self.steps.push(start..self.next_id().0);
        places[&head]
    }

    /// Puts a fragment on top of `base` without making it a step: operations that are only looked at.
    pub fn link_aside(&mut self, base: Option<VertexId>, fragment: Fragment) -> VertexId {
        let head = self.link(base, fragment);
        self.steps.pop();
        head
    }

    fn next_id(&self) -> VertexId {
        VertexId(u32::try_from(self.vertices.len()).expect("a plan has fewer than 2^32 vertices"))
    }

    fn push(&mut self, vertex: Vertex, label: Label) -> VertexId {
        let id = self.next_id();
        self.vertices.push(Arc::new(vertex));
        self.labels.push(label);
        id
    }

    /// Returns an operation.
    #[must_use]
    pub fn vertex(&self, id: VertexId) -> &Arc<Vertex> {
        &self.vertices[id.index()]
    }

    /// Returns the operations from one on, each after what it depends on.
    #[must_use]
    pub fn vertices_from(&self, first: usize) -> &[Arc<Vertex>] {
        self.vertices.get(first..).unwrap_or_default()
    }

    /// Returns what is said of an operation.
    #[must_use]
    pub fn label(&self, id: VertexId) -> &Label {
        &self.labels[id.index()]
    }

    /// Returns the vertices that a step added.
    pub fn step(&self, step: usize) -> impl Iterator<Item = VertexId> + use<> {
        self.steps[step].clone().map(VertexId)
    }

    /// Returns the number of linked steps.
    #[must_use]
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// Returns the step that added a vertex.
    #[must_use]
    pub fn step_of(&self, id: VertexId) -> usize {
        self.steps.iter().position(|range| range.contains(&id.0)).expect("a vertex belongs to a step")
    }
}

#[cfg(test)]
mod tests {
    use super::{Fragment, Graph, Label, Vertex, VertexId};
    use crate::{Command, ConfigEdit, Run};

    fn run(on: VertexId, script: &str) -> Vertex {
        Vertex::Run(Run::new(on, Command::Shell(script.to_owned())))
    }

    #[test]
    fn an_equal_operation_is_kept_once() {
        let mut fragment = Fragment::new();
        let first = fragment.add(run(VertexId::BASE, "true"), Label::default());
        let again = fragment.add(run(VertexId::BASE, "true"), Label::new("other words"));
        assert_eq!(first, again);
        assert_eq!(fragment.vertices().len(), 2);
    }

    #[test]
    fn linking_moves_every_edge() {
        let mut first = Fragment::new();
        let a = first.add(run(VertexId::BASE, "a"), Label::default());
        first.set_head(a);
        let mut second = Fragment::new();
        let edit = ConfigEdit::Env("A".into(), "1".into());
        let b = second.add(Vertex::Configure { on: VertexId::BASE, edit }, Label::default());
        let c = second.add(run(b, "c"), Label::default());
        second.set_head(c);

        let mut graph = Graph::new();
        let head = graph.link(None, first);
        let head = graph.link(Some(head), second);
        assert_eq!(**graph.vertex(VertexId(0)), Vertex::Scratch);
        assert_eq!(graph.vertex(head).on(), Some(VertexId(2)));
        assert_eq!(graph.vertex(VertexId(2)).on(), Some(VertexId(1)));
        assert_eq!(graph.step(1).collect::<Vec<_>>(), [VertexId(2), VertexId(3)]);
        assert_eq!(graph.step_of(head), 1);
    }

    #[test]
    fn grafting_moves_edges_and_keeps_equal_operations_once() {
        let mut inner = Fragment::new();
        let a = inner.add(run(VertexId::BASE, "a"), Label::default());
        let b = inner.add(run(a, "b"), Label::default());
        inner.set_head(b);
        let mut outer = Fragment::new();
        let first = outer.add(run(VertexId::BASE, "first"), Label::default());
        let head = outer.graft(first, &inner);
        assert_eq!((outer.graft(first, &inner), outer.vertices().len()), (head, 4));
        assert_eq!(outer.vertex(head), &run(VertexId(2), "b"));
        assert_eq!(outer.vertex(VertexId(2)), &run(first, "a"));
    }

    #[test]
    fn a_text_that_is_an_option_of_a_grafted_step_is_not_one_of_the_outer_step() {
        let mut inner = Fragment::new();
        let label =
            |in_text: &str| Label { at: Some((2, 1)), in_text: in_text.to_owned(), length: 3, ..Label::new("x") };
        let a = inner.add(run(VertexId::BASE, "a"), label("/text"));
        inner.add(run(a, "b"), label("dir/file"));
        let mut outer = Fragment::new();
        outer.graft(VertexId::BASE, &inner);
        let sources = |fragment: &Fragment| -> Vec<Option<String>> {
            fragment.labels().iter().map(|label| label.place().map(|place| place.source)).collect()
        };
        assert_eq!(sources(&inner), [None, Some("/text".to_owned()), Some("dir/file".to_owned())]);
        assert_eq!(sources(&outer), [None, None, Some("dir/file".to_owned())]);
    }

    #[test]
    fn labels_are_no_part_of_the_digest() {
        let mut one = Fragment::new();
        one.add(run(VertexId::BASE, "true"), Label { at: Some((1, 2)), ..Label::new("one") });
        let mut two = Fragment::new();
        two.add(run(VertexId::BASE, "true"), Label::default());
        assert_eq!(one.digest(), two.digest());
    }
}
