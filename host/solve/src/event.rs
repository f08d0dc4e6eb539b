// SPDX-License-Identifier: Apache-2.0
//! What a build tells while it goes on. One sink receives all of it, in the order in which it happened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use wythe_image::Digest;

use crate::StepAccount;

/// A step of an image, as people name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId {
    /// The image's name in the definition; empty where the definition has one image.
    #[serde(serialize_with = "text", skip_serializing_if = "is_empty")]
    pub image: Arc<str>,
    /// The step's own name, such as `base`, `run` or `run-2`.
    #[serde(serialize_with = "text")]
    pub step: Arc<str>,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.image.is_empty() { f.write_str(&self.step) } else { write!(f, "{}/{}", self.image, self.step) }
    }
}

/// Which of a command's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a step came to its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Every operation was found in the store.
    Hit,
    /// At least one operation was run.
    Run,
    /// The step only edits the configuration.
    Config,
}

/// Something that happened in a build.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// An image is begun.
    ImageStarted {
        /// Its name.
        #[serde(serialize_with = "text")]
        image: Arc<str>,
        /// Its steps, the base first.
        steps: Vec<StepId>,
    },
    /// A step is begun.
    StepStarted {
        /// The step.
        step: StepId,
        /// Its kind.
        kind: String,
    },
    /// A step pins what floats.
    Resolving {
        /// The step.
        step: StepId,
    },
    /// An operation of a step is run.
    OperationStarted {
        /// The step.
        step: StepId,
        /// The part of the step's own source that it belongs to, such as a stage; empty where that has none.
        #[serde(skip_serializing_if = "String::is_empty")]
        part: String,
        /// What it does, in a few words.
        text: String,
    },
    /// A line of output.
    Output {
        /// The step.
        step: StepId,
        /// The part of the step's own source that it belongs to, such as a stage; empty where that has none.
        #[serde(skip_serializing_if = "String::is_empty")]
        part: String,
        /// Which stream.
        stream: Stream,
        /// The line without its end; bytes that are no UTF-8 are replaced.
        line: String,
    },
    /// An operation of a step has its result.
    OperationDone {
        /// The step.
        step: StepId,
        /// The part of the step's own source that it belongs to, such as a stage; empty where that has none.
        #[serde(skip_serializing_if = "String::is_empty")]
        part: String,
        /// What it did.
        text: String,
        /// How.
        how: How,
        /// Bytes of the layer it made or found.
        size: u64,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        time: Duration,
    },
    /// How far a download or a plugin's work has come; `total` 0 means unknown.
    Progress {
        /// The step.
        step: StepId,
        /// What is under way.
        label: String,
        /// Units done.
        done: u64,
        /// Units altogether.
        total: u64,
    },
    /// A line from a plugin or from the engine.
    Message {
        /// The step.
        step: StepId,
        /// How grave.
        severity: wythe_plan::Severity,
        /// The line.
        text: String,
    },
    /// Something in a step's own text that should be looked at.
    Found {
        /// The step.
        step: StepId,
        /// What.
        finding: wythe_plan::Finding,
    },
    /// Something that a step's own text lets a person choose.
    Offered {
        /// The step.
        step: StepId,
        /// What.
        offer: wythe_plan::Offer,
    },
    /// A step that ran is explained.
    Explained {
        /// The step.
        step: StepId,
        /// Why it ran.
        #[serde(flatten, serialize_with = "why")]
        account: StepAccount,
    },
    /// A step has its result.
    StepDone {
        /// The step.
        step: StepId,
        /// How.
        how: How,
        /// Bytes of its layers.
        size: u64,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        time: Duration,
    },
    /// An image is finished and kept in the store.
    ImageDone {
        /// Its name.
        #[serde(serialize_with = "text")]
        image: Arc<str>,
        /// Its digest.
        digest: Digest,
        /// Bytes of all its layers.
        size: u64,
        /// Number of its layers.
        layers: usize,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        time: Duration,
    },
}

fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn why<S: serde::Serializer>(account: &StepAccount, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap as _;
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry("sentence", &account.sentence)?;
    map.serialize_entry("reasons", &account.reasons)?;
    map.serialize_entry("is_same", &account.is_same)?;
    map.end()
}

fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

/// Receives the events of a build. Called from several threads; should not block for long.
pub trait EventSink: Send + Sync {
    /// Takes the next event.
    fn event(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn event(&self, _: Event) {}
}
