// SPDX-License-Identifier: Apache-2.0
//! The port through which steps become plans, and the world that a planner may look at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wythe_image::Digest;

use crate::{Fragment, GitUrl, Inventory, Package, VertexId};

/// What is known of a step kind without running its plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kind {
    /// The word that definitions use, such as `run`.
    pub name: String,
    /// One line about it.
    pub summary: String,
    /// The plugin that provides it.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// Digest of the plugin's component.
    pub digest: Digest,
    /// Whether it may stand as `base`.
    pub is_base: bool,
    /// Whether it may stand as a step.
    pub is_step: bool,
    /// Names of files that a directory is built by where it has no definition, the preferred one first.
    pub files: Vec<String>,
    /// Whether it pins floating things and so has a lock entry.
    pub resolves: bool,
    /// Hosts it may fetch from while resolving, as patterns such as `*.debian.org`; `*` means any.
    pub hosts: Vec<String>,
    /// Interfaces that the component imports.
    pub imports: Vec<String>,
    /// JSON Schema 2020-12 of its options.
    pub schema: serde_json::Value,
}

/// One step to be planned.
#[derive(Debug, Clone, Copy)]
pub struct StepCall<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its options, accepted by the kind's schema.
    pub options: &'a serde_json::Value,
    /// Its lock entry as JSON text.
    pub lock: Option<&'a str>,
}

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Stops the build.
    Error,
    /// Should be looked at.
    Warning,
    /// Is worth knowing.
    Note,
}

/// One thing that is wrong with a step's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How grave.
    pub severity: Severity,
    /// RFC 6901 pointer into the options.
    pub path: String,
    /// A lower-case fragment.
    pub message: String,
    /// What can be done.
    pub hint: Option<String>,
    /// The place in a text of the plugin's own language; then `path` is of no interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<TextPlace>,
}

/// A place in a text that a step is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TextPlace {
    /// The text: the path of a file of the build context, or, with a `/` in front, the pointer of an option that holds it.
    pub source: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// How many characters it covers; 0 where that is not known.
    pub length: u32,
}

/// One thing in a step that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The name of the rule that found it; empty for what no rule found.
    pub rule: String,
    /// What is wrong, and where.
    #[serde(flatten)]
    pub problem: Problem,
}

/// What a text lets a person choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offering {
    /// What is built.
    Target,
    /// A value.
    Argument,
    /// A secret that a command asks for.
    Secret,
    /// An ssh agent that a command asks for.
    Ssh,
}

/// One thing that a text lets a person choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it is.
    pub kind: Offering,
    /// Its name.
    pub name: String,
    /// What the text says about it.
    pub description: String,
    /// What it is where nobody chooses.
    pub value: Option<String>,
    /// Whether it must be given, or, of a target, whether it is the one that is built where nobody chooses.
    pub required: bool,
    /// Where it stands.
    pub place: Option<TextPlace>,
}

/// Why a step has no plan. The four are never confused: they have different owners.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The plugin declined the options.
    #[error("the options cannot be honoured")]
    Declined(Vec<Problem>),
    /// The plugin says that planning failed.
    #[error("{0}")]
    Failed(String),
    /// The plugin trapped, ran out of a limit or broke its contract.
    #[error("plugin `{plugin}` {what}")]
    Broken {
        /// Its name.
        plugin: String,
        /// What happened, as in "did not finish planning within 10 s".
        what: String,
        /// Where in the plugin's source, frame by frame, where it is known.
        frames: Vec<String>,
    },
    /// The plugin asked for something that it was not granted.
    #[error("plugin `{plugin}` {what}")]
    Refused {
        /// Its name.
        plugin: String,
        /// What it asked for.
        what: String,
        /// The line to add, or another way out.
        hint: String,
    },
    /// The world (disk, network, kernel) failed the host while it answered.
    #[error("{0}")]
    World(String),
    /// The facts that the plan needs are not known yet: the step below has not been built.
    #[error("the plan depends on files of the image below it, which is not built yet")]
    NotYet,
}

/// Turns steps into plans. Implemented by the plugin host; faked in tests.
pub trait StepPlanner: Send + Sync {
    /// Returns all kinds, sorted by name.
    fn kinds(&self) -> &[Kind];

    /// Plans a step. Facts are pulled from `world`, which records them.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    fn plan(&self, call: StepCall<'_>, world: &dyn World) -> Result<Fragment, PlanError>;

    /// Resolves a step and returns its lock entry as JSON text.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    fn resolve(&self, call: StepCall<'_>, world: &dyn World) -> Result<String, PlanError>;

    /// Returns who can tell what is installed in an image. Each type of package has one answerer.
    fn inventories(&self) -> &[Inventory];

    /// Lists what is installed in the image that is the base of `world`, sorted, each package once.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    fn packages(&self, inventory: &Inventory, world: &dyn World) -> Result<Vec<Package>, PlanError>;
}

/// A question that a planner asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// The platform of the image.
    Platform,
    /// The platform of the machine that builds.
    MachinePlatform,
    /// The builder version.
    BuilderVersion,
    /// The pretended time.
    SourceDateEpoch,
    /// A build argument.
    Arg(String),
    /// The bytes of a context file.
    ContextRead(String),
    /// Whether a context path exists.
    ContextExists(String),
    /// The context files that match a pattern.
    ContextGlob(String),
    /// The configuration of the state below.
    BaseConfig,
    /// The bytes of a file of the state below.
    BaseRead(String),
    /// Whether the state below has a path.
    BaseExists(String),
    /// Where a program is found in the state below.
    BaseWhich(String),
    /// The names in the state below that match a pattern.
    BaseGlob(String),
    /// The digest that an image reference stands for, for the platform of the image; that of another one is named behind the
    /// reference: [`Platform::behind`](wythe_image::Platform::behind).
    Image(String),
    /// The configuration of an image.
    ImageConfig(String),
}

/// What the world answered: a value, or a reason why there is none. Both are facts.
pub type FactAnswer = Result<Vec<u8>, String>;

/// What a planner may see. Every answer to [`World::fact`] is recorded by who implements this.
pub trait World: Sync {
    /// Answers a question. Texts are UTF-8; booleans are `true` or `false`; a list is one entry a line; a name that
    /// is not found by [`Fact::BaseWhich`] and an argument that was not given are empty.
    ///
    /// # Errors
    ///
    /// [`PlanError::NotYet`] where the answer depends on a state that is not built, [`PlanError::World`] where the
    /// machine failed. A missing file is neither: it is an answer.
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError>;

    /// Fetches a URL; only while resolving.
    ///
    /// # Errors
    ///
    /// As [`World::fact`].
    fn fetch(&self, url: &str) -> Result<FactAnswer, PlanError>;

    /// Asks a git repository which commit a reference names, none for what it checks out by itself; only while resolving.
    /// The answer is the commit, a space, and the full name of the reference.
    ///
    /// # Errors
    ///
    /// As [`World::fact`].
    fn git_commit(&self, url: &GitUrl, reference: Option<&str>) -> Result<FactAnswer, PlanError>;

    /// Runs the command that is vertex `command` of `plan` in a throw-away sandbox and returns its output; only while
    /// resolving.
    ///
    /// # Errors
    ///
    /// As [`World::fact`].
    fn probe(&self, plan: &Fragment, command: VertexId) -> Result<FactAnswer, PlanError>;

    /// Returns whether a path of the build context is itself a link; only while a file is translated.
    ///
    /// # Errors
    ///
    /// As [`World::fact`], and where nothing is translated.
    fn is_link(&self, path: &str) -> Result<bool, PlanError> {
        Err(PlanError::World(format!("nothing is translated, so nobody asks whether `{path}` is a link")))
    }

    /// Passes a line to the person who waits.
    fn log(&self, severity: Severity, message: &str);

    /// Takes something that should be looked at. Errors among them come back as the problems of [`PlanError::Declined`].
    fn found(&self, finding: &Finding);

    /// Takes something that the step's text lets a person choose.
    fn offers(&self, offer: &Offer);

    /// Says how far long work has come.
    fn progress(&self, label: &str, done: u64, total: u64);
}

/// Helps implementors to keep what was asked: question → digest of the answer.
pub type Trace = BTreeMap<Fact, Digest>;
