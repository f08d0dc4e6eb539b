// SPDX-License-Identifier: Apache-2.0
//! The test kit: calls a plugin natively, against a build in memory.
//!
//! ```text
//! #[test]
//! fn cases() {
//!     wythe_sdk::testing::cases(resolving::<Packages>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
//! }
//!
//! #[test]
//! fn metadata() {
//!     wythe_sdk::testing::metadata(resolving::<Packages>(), include_str!("../plugin.json"));
//! }
//! ```
//!
//! A case is a JSON file: what the build is like, the options, and what is expected. `BLESS=1` writes what came out
//! as what is expected. A plan is written in the form in which `wythe plan --format json` shows it.

mod cases;
mod metadata;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Value, json};

pub use cases::{cases, listings, translations};
pub use metadata::metadata;

use crate::native::world::{Given, World, enter};
use crate::{
    Commanded, Failure, Importer, Inventory, Package, ResolvingStep, State, Step, Translation, Verdict, Wish, entry,
};

/// A call through the interface: base, options as JSON text, lock entry as JSON text.
type Call<T> = fn(&State, &str, Option<&str>) -> Result<T, Failure>;

/// A list of what is installed.
type List = fn(&State) -> Result<Vec<Package>, Failure>;

/// A plugin under test; made by [`step`] or [`resolving`].
#[derive(Clone, Copy)]
pub struct Subject {
    plan: Call<State>,
    resolve: Option<Call<String>>,
    packages: Option<List>,
    fields: fn() -> Vec<&'static str>,
    accepts: fn(&Value) -> Result<(), String>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("resolves", &self.resolve.is_some()).finish_non_exhaustive()
    }
}

/// Returns a [`Step`] as a subject.
#[must_use]
pub fn step<T: Step>() -> Subject {
    Subject {
        plan: |base, options, _| entry::plan_step::<T>(base, options),
        resolve: None,
        packages: None,
        fields: metadata::fields_of::<T::Options>,
        accepts: metadata::accepts::<T::Options>,
    }
}

/// Returns a [`ResolvingStep`] as a subject.
#[must_use]
pub fn resolving<T: ResolvingStep>() -> Subject {
    Subject {
        plan: entry::plan_resolving::<T>,
        resolve: Some(entry::resolve::<T>),
        packages: None,
        fields: metadata::fields_of::<T::Options>,
        accepts: metadata::accepts::<T::Options>,
    }
}

impl Subject {
    /// Returns the subject as one that lists packages too.
    #[must_use]
    pub fn listing<T: Inventory>(self) -> Self {
        Self { packages: Some(T::packages), ..self }
    }
}

/// A build in memory: the answers that a plugin gets.
#[derive(Debug, Clone, Default)]
pub struct Build {
    given: Given,
}

impl Build {
    /// Returns a build for `linux/amd64` with an empty context on an unknown base.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the platform of the image.
    #[must_use]
    pub fn platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.given.platform);
        self
    }

    /// Sets the platform of the machine that builds.
    #[must_use]
    pub fn machine_platform(mut self, platform: &str) -> Self {
        platform.clone_into(&mut self.given.machine_platform);
        self
    }

    /// Sets the builder version.
    #[must_use]
    pub fn builder_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.given.builder_version);
        self
    }

    /// Sets the time that the build pretends it is.
    #[must_use]
    pub fn source_date_epoch(mut self, seconds: u64) -> Self {
        self.given.source_date_epoch = seconds;
        self
    }

    /// Gives a build argument.
    #[must_use]
    pub fn arg(mut self, name: &str, value: &str) -> Self {
        self.given.args.insert(name.into(), value.into());
        self
    }

    /// Adds a file to the build context.
    #[must_use]
    pub fn context(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.given.context.insert(path.into(), bytes.as_ref().to_vec());
        self
    }

    /// Adds a file to the base.
    #[must_use]
    pub fn base_file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.given.base_files.insert(path.into(), bytes.as_ref().to_vec());
        self
    }

    /// Says where a program of the base is found.
    #[must_use]
    pub fn base_program(mut self, name: &str, path: &str) -> Self {
        self.given.base_programs.insert(name.into(), path.into());
        self
    }

    /// Sets the image configuration of the base, as OCI JSON.
    #[must_use]
    pub fn base_config(mut self, json: &str) -> Self {
        json.clone_into(&mut self.given.base_config);
        self
    }

    /// Sets the configuration of another image, as OCI JSON. It is empty where it is not set.
    #[must_use]
    pub fn image_config(mut self, reference: &str, json: &str) -> Self {
        self.given.image_configs.insert(reference.into(), json.into());
        self
    }

    /// Answers a fetch.
    #[must_use]
    pub fn fetch(mut self, url: &str, answer: Result<Vec<u8>, String>) -> Self {
        self.given.fetches.insert(url.into(), answer);
        self
    }

    /// Answers which commit a reference of a git repository stands for, as the commit, a space and the full name. The question
    /// is the address, and after a space the reference where one is asked for.
    #[must_use]
    pub fn git(mut self, question: &str, answer: Result<&str, String>) -> Self {
        self.given.git.insert(question.into(), answer.map(str::to_owned));
        self
    }

    /// Answers probes whose command, as JSON, contains `part`. The first answer that fits is given.
    #[must_use]
    pub fn probe(mut self, part: &str, answer: Result<Vec<u8>, String>) -> Self {
        self.given.probes.push((part.into(), answer));
        self
    }

    /// Says what recognisers make of commands that have `part` in their text. The first answer that fits is given.
    #[must_use]
    pub fn recognises(mut self, part: &str, verdict: Verdict) -> Self {
        self.given.verdicts.push((part.into(), verdict));
        self
    }

    /// Makes a path of the build context a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str) -> Self {
        self.given.links.insert(path.into());
        self
    }

    /// Makes an image one that is not to be had.
    #[must_use]
    pub fn missing_image(mut self, reference: &str) -> Self {
        self.given.missing_images.insert(reference.into());
        self
    }

    /// Translates a file, and returns what recognisers were asked about beside the record of the call.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn translate<T: Importer>(
        &self,
        options: &Value,
        wish: &Wish,
    ) -> (Result<Translation, Failure>, Vec<Commanded>, Record) {
        let call = || entry::translate::<T>(&options.to_string(), wish);
        let (answer, mut world) = enter(self.given.clone(), call);
        let asked = std::mem::take(&mut world.asked_about);
        world.vertices.clear();
        (answer, asked, Record::of(world))
    }

    /// Does something in this build: what it asks of [`crate::build`] is answered.
    pub fn within<T>(&self, call: impl FnOnce() -> T) -> T {
        enter(self.given.clone(), call).0
    }

    /// Resolves and returns the lock entry, with the record of the call.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    ///
    /// # Panics
    ///
    /// Panics where the subject resolves nothing.
    pub fn resolve(&self, subject: Subject, options: &Value, previous: Option<&Value>) -> Result<Resolved, Failure> {
        let (answer, record) = self.resolve_recorded(subject, options, previous);
        answer.map(|lock| Resolved { lock, record })
    }

    /// Plans and returns the recorded plan.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    pub fn plan(&self, subject: Subject, options: &Value, lock: Option<&Value>) -> Result<Plan, Failure> {
        self.plan_recorded(subject, options, lock).0
    }

    /// Lists what is installed in the base, sorted, with the record of the call.
    ///
    /// # Errors
    ///
    /// What the plugin says.
    ///
    /// # Panics
    ///
    /// Panics where the subject lists nothing.
    pub fn packages(&self, subject: Subject) -> (Result<Vec<Package>, Failure>, Record) {
        let packages = subject.packages.expect("the subject lists packages");
        let (answer, world) = enter(self.given.clone(), || packages(&State::base()));
        let sorted = answer.map(|mut packages| {
            packages.sort();
            packages
        });
        (sorted, Record::of(world))
    }

    fn resolve_recorded(
        &self,
        subject: Subject,
        options: &Value,
        previous: Option<&Value>,
    ) -> (Result<Value, Failure>, Record) {
        let resolve = subject.resolve.expect("the subject is a resolving step");
        let previous = previous.map(Value::to_string);
        let call = || resolve(&State::base(), &options.to_string(), previous.as_deref());
        let (answer, world) = enter(self.given.clone(), call);
        let answer = answer.map(|text| serde_json::from_str(&text).expect("a lock entry is JSON"));
        (answer, Record::of(world))
    }

    fn plan_recorded(
        &self,
        subject: Subject,
        options: &Value,
        lock: Option<&Value>,
    ) -> (Result<Plan, Failure>, Record) {
        let lock = lock.map(Value::to_string);
        let call = || (subject.plan)(&State::base(), &options.to_string(), lock.as_deref()).map(|head| head.id());
        let (answer, mut world) = enter(self.given.clone(), call);
        let vertices = std::mem::take(&mut world.vertices);
        let labels = std::mem::take(&mut world.labels);
        (answer.map(|head| Plan { vertices, labels, head }), Record::of(world))
    }
}

/// A recorded plan: operations, what is said of each, and which one is the result. Operation 0 is the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The operations.
    pub vertices: Vec<Value>,
    /// What is said of each operation.
    pub labels: Vec<Value>,
    /// The place of the result.
    pub head: u32,
}

impl Plan {
    /// Returns the plan as JSON, in the host's form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "vertices": self.vertices, "labels": self.labels, "head": self.head })
    }
}

/// A lock entry and what was asked to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The entry.
    pub lock: Value,
    /// What was asked.
    pub record: Record,
}

/// What a plugin asked during a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Facts, in the order of the first question.
    pub facts: Vec<String>,
    /// Fetched addresses.
    pub fetched: Vec<String>,
    /// Commands that were probed.
    pub probed: Vec<Value>,
    /// The operations that a probe stands on, the base first; empty where all stand on the base.
    pub below: Vec<Value>,
    /// Lines for the person who waits.
    pub log: Vec<String>,
}

impl Record {
    fn of(world: World) -> Self {
        let World { facts, fetched, probed, log, vertices, .. } = world;
        let below = if probed.iter().any(|probe| probe["run"]["on"] != 0) { vertices } else { Vec::new() };
        Self { facts, fetched, probed, below, log }
    }

    fn to_json(&self) -> Value {
        crate::native::operation::object([
            ("facts", json!(self.facts)),
            ("fetched", json!(self.fetched)),
            ("probed", json!(self.probed)),
            ("below", json!(self.below)),
            ("log", json!(self.log)),
        ])
    }
}
