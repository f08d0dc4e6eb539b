// SPDX-License-Identifier: Apache-2.0
//! What a plugin is told, and what it asked and built.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{Commanded, Verdict};

/// The answers that a test prepared.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) platform: String,
    pub(crate) machine_platform: String,
    pub(crate) builder_version: String,
    pub(crate) source_date_epoch: u64,
    pub(crate) args: BTreeMap<String, String>,
    pub(crate) context: BTreeMap<String, Vec<u8>>,
    pub(crate) base_files: BTreeMap<String, Vec<u8>>,
    pub(crate) base_programs: BTreeMap<String, String>,
    pub(crate) base_config: String,
    pub(crate) image_configs: BTreeMap<String, String>,
    pub(crate) fetches: BTreeMap<String, Result<Vec<u8>, String>>,
    pub(crate) git: BTreeMap<String, Result<String, String>>,
    pub(crate) probes: Vec<(String, Result<Vec<u8>, String>)>,
    /// What recognisers say of commands that have a text in them.
    pub(crate) verdicts: Vec<(String, Verdict)>,
    /// Paths of the context that are links.
    pub(crate) links: BTreeSet<String>,
    /// Images that are not to be had.
    pub(crate) missing_images: BTreeSet<String>,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            platform: "linux/amd64".into(),
            machine_platform: "linux/amd64".into(),
            builder_version: "2026.11".into(),
            source_date_epoch: 1_793_491_200,
            args: BTreeMap::new(),
            context: BTreeMap::new(),
            base_files: BTreeMap::new(),
            base_programs: BTreeMap::new(),
            base_config: "{}".into(),
            image_configs: BTreeMap::new(),
            fetches: BTreeMap::new(),
            git: BTreeMap::new(),
            probes: Vec::new(),
            verdicts: Vec::new(),
            links: BTreeSet::new(),
            missing_images: BTreeSet::new(),
        }
    }
}

/// One call of a plugin: its answers, and the record of it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) given: Given,
    pub(crate) facts: Vec<String>,
    pub(crate) fetched: Vec<String>,
    pub(crate) probed: Vec<Value>,
    /// Commands that recognisers were asked about.
    pub(crate) asked_about: Vec<Commanded>,
    pub(crate) log: Vec<String>,
    pub(crate) vertices: Vec<Value>,
    pub(crate) labels: Vec<Value>,
}

impl World {
    /// Begins a call; vertex 0 is the state that the step is given.
    pub(crate) fn new(given: Given) -> Self {
        Self {
            given,
            facts: Vec::new(),
            fetched: Vec::new(),
            probed: Vec::new(),
            asked_about: Vec::new(),
            log: Vec::new(),
            vertices: vec![Value::from("base")],
            labels: vec![Value::Object(serde_json::Map::new())],
        }
    }

    /// Writes a question down and passes its answer on.
    pub(crate) fn ask<T>(&mut self, question: &str, answer: T) -> T {
        if !self.facts.iter().any(|known| known == question) {
            self.facts.push(question.to_owned());
        }
        answer
    }

    /// Returns the reference of an image that is an operation.
    pub(crate) fn image(&self, place: u32) -> Option<String> {
        self.vertices[place as usize]["image"]["reference"].as_str().map(str::to_owned)
    }

    /// Adds an operation; an equal one is not added again.
    pub(crate) fn add(&mut self, vertex: Value, label: Value) -> u32 {
        let place = self.vertices.iter().position(|known| *known == vertex).unwrap_or_else(|| {
            self.vertices.push(vertex);
            self.labels.push(label);
            self.vertices.len() - 1
        });
        u32::try_from(place).expect("a plan has fewer than 2^32 vertices")
    }
}

thread_local! {
    static CURRENT: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Runs `call` in a world and returns what was written down beside its answer.
pub(crate) fn enter<T>(given: Given, call: impl FnOnce() -> T) -> (T, World) {
    CURRENT.set(Some(World::new(given)));
    let answer = call();
    (answer, CURRENT.take().expect("a call leaves the world that it entered"))
}

/// Gives access to the world of the call that is running.
pub(crate) fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    CURRENT.with_borrow_mut(|world| {
        act(world.as_mut().expect("a plugin is called through `wythe_sdk::testing` on native targets"))
    })
}
