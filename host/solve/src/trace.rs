// SPDX-License-Identifier: Apache-2.0
//! Plans that were made before: reused while every fact that they rest on still stands.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wythe_image::{Digest, to_canonical_json};
use wythe_plan::{Fact, Finding, Fragment, Kind, StepCall, Trace};
use wythe_store::Store;

use crate::error::Cause;

/// Version of the recorded form. A change raises it, and every plan is made again.
const FORMAT: u32 = 1;

/// A plan with the facts that it rests on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanTrace {
    pub(crate) facts: BTreeMap<String, Digest>,
    pub(crate) fragment: Fragment,
    /// What the planner found that a person should look at: told again whenever the plan is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<Finding>,
}

impl PlanTrace {
    /// Returns the name under which the plan of a call is kept.
    pub(crate) fn name(kind: &Kind, call: &StepCall<'_>) -> Digest {
        Digest::of(&to_canonical_json(&(FORMAT, "plan", &kind.digest, call.kind, call.options, call.lock)))
    }

    pub(crate) fn load(store: &Store, name: &Digest) -> Result<Option<(Trace, Self)>, Cause> {
        let trace = read::<Self>(store, name)?;
        Ok(trace.and_then(|trace| Some((facts_from_text(&trace.facts)?, trace))))
    }

    pub(crate) fn save(
        store: &Store,
        name: &Digest,
        facts: &BTreeMap<Fact, Digest>,
        fragment: &Fragment,
        findings: Vec<Finding>,
    ) -> Result<(), Cause> {
        write(store, name, &Self { facts: facts_to_text(facts), fragment: fragment.clone(), findings })
    }
}

/// What a resolver found that asked nobody outside, with the facts that it rests on. Like a plan it is a function of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResolveTrace {
    facts: BTreeMap<String, Digest>,
    entry: serde_json::Value,
}

impl ResolveTrace {
    /// Returns the name under which what a call found is kept.
    pub(crate) fn name(kind: &Kind, call: &StepCall<'_>) -> Digest {
        Digest::of(&to_canonical_json(&(FORMAT, "resolve", &kind.digest, call.kind, call.options, call.lock)))
    }

    pub(crate) fn load(store: &Store, name: &Digest) -> Result<Option<(Trace, serde_json::Value)>, Cause> {
        let trace = read::<Self>(store, name)?;
        Ok(trace.and_then(|trace| Some((facts_from_text(&trace.facts)?, trace.entry))))
    }

    pub(crate) fn save(store: &Store, name: &Digest, facts: &Trace, entry: &serde_json::Value) -> Result<(), Cause> {
        write(store, name, &Self { facts: facts_to_text(facts), entry: entry.clone() })
    }
}

/// Reads a record. One that cannot be read is as good as none: what it is of is done again and written anew.
fn read<T: DeserializeOwned>(store: &Store, name: &Digest) -> Result<Option<T>, Cause> {
    let text = store.trace(name).map_err(Cause::store)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn write(store: &Store, name: &Digest, trace: &impl Serialize) -> Result<(), Cause> {
    store.put_trace(name, &canonical_text(trace)).map_err(Cause::store)
}

fn canonical_text(value: &impl Serialize) -> String {
    String::from_utf8(to_canonical_json(value)).expect("JSON is UTF-8")
}

/// Facts are written as JSON texts, since a JSON object has only texts as keys.
fn facts_to_text(facts: &BTreeMap<Fact, Digest>) -> BTreeMap<String, Digest> {
    facts.iter().map(|(fact, digest)| (canonical_text(fact), *digest)).collect()
}

fn facts_from_text(facts: &BTreeMap<String, Digest>) -> Option<BTreeMap<Fact, Digest>> {
    facts.iter().map(|(text, digest)| Some((serde_json::from_str(text).ok()?, *digest))).collect()
}

/// Returns an error with everything that caused it, in one line.
pub(crate) fn full_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
