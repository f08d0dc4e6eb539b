// SPDX-License-Identifier: Apache-2.0
//! What the steps of an image were made from, kept until the next build compares (`docs/formats/explanations.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wythe_image::{Config, Digest, LayerRef, to_canonical_json};
use wythe_plan::spec::Step;
use wythe_plan::{Fact, KeyParts, Word};
use wythe_store::Missing;

use super::{Forced, Reason};

/// Version of the kept form. A past of another version is no past.
const FORMAT: u32 = 1;

/// The steps of an image when each of them was last done, in the order of the definition.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ImagePast {
    format: u32,
    pub(super) steps: Vec<StepPast>,
    /// Steps that were removed since some of these were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gone: Vec<String>,
}

/// What the definition says of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) id: String,
    /// Whether the id is a name that the definition gives it.
    pub(crate) is_named: bool,
    pub(crate) kind: String,
    /// The options of the kind and those of every step that can change a result.
    pub(crate) options: Value,
}

/// What a step was made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StepPast {
    #[serde(flatten)]
    pub(super) said: Said,
    /// Whether it was ever done; else only what is said of it is known.
    pub(super) is_done: bool,
    pub(super) builder: String,
    /// Digest of its plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plugin: Option<Digest>,
    /// Its entry of the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lock: Option<Value>,
    /// What its plan was made from beside that.
    pub(super) facts: Vec<(Fact, FactPast)>,
    pub(super) operations: Vec<OpPast>,
    /// The layers that it added.
    pub(super) adds: Vec<Digest>,
    /// The configuration after it.
    pub(super) config: Config,
    /// Why it changed in builds that ended before the steps on top of it were done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pending: Vec<Reason>,
}

/// An answer that a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FactPast {
    pub(super) digest: Digest,
    /// The answer itself, where it is a short text of the build context or an argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
}

/// An operation with the parts of its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpPast {
    pub(super) text: String,
    pub(super) key: Digest,
    pub(super) format: u32,
    pub(super) operation: String,
    pub(super) parent: Digest,
    pub(super) platform: String,
    pub(super) source_date_epoch: u64,
    pub(super) words: BTreeMap<String, Word>,
    pub(super) inputs: BTreeMap<String, Digest>,
    pub(super) trees: BTreeMap<String, Digest>,
}

/// An operation of this build.
#[derive(Debug, Clone)]
pub(crate) struct OpNow {
    /// Orders the operations of a step.
    pub(crate) place: u32,
    pub(crate) past: OpPast,
    pub(crate) ran: bool,
    /// Why there was no result where it ran.
    pub(crate) missing: Option<Missing>,
    /// The log of the run that made the result.
    pub(crate) log: Option<String>,
}

/// How an operation of this build came to its result, beside what it was made from.
#[derive(Debug, Clone)]
pub(super) struct OpFate {
    pub(super) ran: bool,
    pub(super) missing: Option<Missing>,
    pub(super) log: Option<String>,
}

/// What a step was planned from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Planned {
    pub(crate) plugin: Option<Digest>,
    /// What planning asked, and what resolving asked.
    pub(crate) facts: BTreeMap<Fact, Digest>,
}

/// A step of this build.
#[derive(Debug, Clone)]
pub(super) struct StepNow {
    pub(super) past: StepPast,
    /// One for each operation of `past`.
    pub(super) fates: Vec<OpFate>,
    pub(super) forced: Option<Forced>,
}

impl StepNow {
    /// Its operations, each with how it came to its result.
    pub(super) fn operations(&self) -> impl Iterator<Item = (&OpPast, &OpFate)> {
        self.past.operations.iter().zip(&self.fates)
    }

    /// Its operations that ran, or would.
    pub(super) fn ran(&self) -> impl Iterator<Item = (&OpPast, &OpFate)> {
        self.operations().filter(|(_, fate)| fate.ran)
    }
}

impl OpNow {
    pub(super) fn split(self) -> (OpPast, OpFate) {
        let Self { place: _, past, ran, missing, log } = self;
        (past, OpFate { ran, missing, log })
    }
}

impl Said {
    pub(crate) fn of(step: &Step) -> Self {
        let mut options = match &step.options {
            Value::Object(options) => options.clone(),
            other => Map::from_iter([("options".to_owned(), other.clone())]),
        };
        let ambient = &step.ambient;
        let mut add = |name: &str, value: Option<Value>| options.extend(value.map(|value| (name.to_owned(), value)));
        add("env", (!ambient.env.is_empty()).then(|| json!(ambient.env)));
        add("network", ambient.network.as_ref().map(|network| json!(network)));
        add("gpu", ambient.gpu.as_ref().map(|gpu| json!(gpu)));
        add("user", ambient.user.as_ref().map(|user| json!(user)));
        // Secrets by their ids: a value is in no definition, and in nothing that is kept.
        let secrets: Vec<&String> = ambient.secrets.iter().map(|secret| &secret.id).collect();
        add("secrets", (!secrets.is_empty()).then(|| json!(secrets)));
        add("ssh", ambient.ssh.as_ref().map(|agent| json!(agent)));
        if let Ok(Value::Object(sandbox)) = serde_json::to_value(&ambient.sandbox) {
            sandbox.into_iter().for_each(|(name, value)| add(&name, Some(value)));
        }
        add("volumes", (!ambient.volumes.is_empty()).then(|| json!(ambient.volumes)));
        Self {
            id: step.id.clone(),
            is_named: ambient.name.is_some(),
            kind: step.kind.clone(),
            options: Value::Object(options),
        }
    }

    /// Whether two steps say the same, whatever they are called.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.options == other.options
    }
}

impl OpPast {
    pub(crate) fn new(text: &str, key: Digest, parts: KeyParts, trees: BTreeMap<String, Digest>) -> Self {
        let KeyParts { format, operation, parent, platform, source_date_epoch, words, inputs } = parts;
        Self {
            text: text.to_owned(),
            key,
            format,
            operation,
            parent,
            platform: platform.to_string(),
            source_date_epoch,
            words,
            inputs,
            trees,
        }
    }
}

impl StepPast {
    pub(super) fn new(said: Said, builder: &str, planned: Planned, below: &[LayerRef], after: &[LayerRef]) -> Self {
        let Planned { plugin, facts } = planned;
        let facts = facts.into_iter().map(|(fact, digest)| (fact, FactPast { digest, text: None })).collect();
        let adds = after.get(below.len()..).unwrap_or_default().iter().map(|layer| layer.diff_id).collect();
        Self {
            said,
            is_done: true,
            builder: builder.to_owned(),
            plugin,
            lock: None,
            facts,
            operations: Vec::new(),
            adds,
            config: Config::default(),
            pending: Vec::new(),
        }
    }

    /// A step that no build has come to.
    pub(super) fn undone(said: Said) -> Self {
        Self { is_done: false, ..Self::new(said, "", Planned::default(), &[], &[]) }
    }

    /// Returns what stands for it where only "is it the same" is asked. What is kept for people is not in it: texts, and
    /// the lock's entry, which is long and changes a key where it matters.
    pub(super) fn fingerprint(&self) -> Digest {
        let keys: Vec<Digest> = self.operations.iter().map(|operation| operation.key).collect();
        let facts: Vec<(&Fact, Digest)> = self.facts.iter().map(|(fact, answer)| (fact, answer.digest)).collect();
        let Self { said, is_done, builder, plugin, adds, config, pending, lock: _, facts: _, operations: _ } = self;
        Digest::of(&to_canonical_json(&(said, is_done, builder, plugin, facts, keys, adds, config, pending)))
    }

    pub(super) fn fact(&self, wanted: &Fact) -> Option<&FactPast> {
        self.facts.iter().find(|(fact, _)| fact == wanted).map(|(_, answer)| answer)
    }

    /// Whether it works on other content than that one.
    pub(super) fn stands_elsewhere_than(&self, other: &Self) -> bool {
        match (self.operations.first(), other.operations.first()) {
            // Another format of keys has another name for the same content.
            (Some(one), Some(other)) => one.format == other.format && one.parent != other.parent,
            (one, other) => one.is_some() != other.is_some(),
        }
    }

    pub(super) fn has_key(&self, key: &Digest) -> bool {
        self.operations.iter().any(|operation| operation.key == *key)
    }
}

/// Returns what stands for the past of an image, made of these steps.
pub(super) fn fingerprint<'a>(steps: impl Iterator<Item = &'a StepPast>, gone: &[String]) -> Digest {
    let steps: Vec<Digest> = steps.map(StepPast::fingerprint).collect();
    Digest::of(&to_canonical_json(&(FORMAT, steps, gone)))
}

impl ImagePast {
    pub(super) fn new(steps: Vec<StepPast>, gone: Vec<String>) -> Self {
        Self { format: FORMAT, steps, gone }
    }

    /// Reads a past; one that cannot be read is as good as none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|past: &Self| past.format == FORMAT)
    }
}
