// SPDX-License-Identifier: Apache-2.0
//! The spec as a value.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use serde_json::Value;
use wythe_image::{Digest, Platform, to_canonical_json};

use super::{Ambient, BuilderVersion, Code, Diagnostic, Places, SourceText};
use crate::{Gpu, Network, Problem, StepCall};

/// The id of an image's base, by which locks and messages name it.
pub const BASE_STEP: &str = "base";

/// A definition, parsed and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The builder version that it pins, or the newest.
    pub builder: BuilderVersion,
    /// Its images, in the order of the text; at least one.
    pub images: Vec<ImageSpec>,
    /// What should be looked at but stops nothing.
    pub warnings: Vec<Diagnostic>,
    /// The text, for messages.
    pub source: SourceText,
}

impl Spec {
    /// Returns an image; none is the name of the image of a definition of one image.
    #[must_use]
    pub fn image(&self, name: Option<&str>) -> Option<&ImageSpec> {
        self.images.iter().find(|image| image.name.as_deref() == name)
    }
}

/// One image of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Its name; none where the definition is of one image.
    pub name: Option<String>,
    /// The platform it is for; none for that of the machine that builds.
    pub platform: Option<Platform>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// What it starts from.
    pub base: Step,
    /// What is done to it, in this order.
    pub steps: Vec<Step>,
}

impl ImageSpec {
    /// Returns the base and then the steps.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        std::iter::once(&self.base).chain(&self.steps)
    }

    /// Returns the step that goes by `id`; the base goes by [`BASE_STEP`].
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.all_steps().find(|step| step.id == id)
    }
}

/// One entry of a definition: its base or one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it goes by; unique in its image: its name, or its kind with a number where that is taken; `base`.
    pub id: String,
    /// Its kind, which exists.
    pub kind: String,
    /// The options of its kind, accepted by the kind's schema.
    pub options: Value,
    /// The options that every step has.
    pub ambient: Ambient,
    /// Where it stands: the header of its table, or its inline table.
    pub span: Range<usize>,
    /// Where each of its options stands.
    pub places: Places,
}

/// What can change the answer of a resolver, apart from facts. A field at its default is left out, so that one added
/// later leaves the digest of older steps as it was.
#[derive(Serialize)]
struct Asked<'a> {
    kind: &'a str,
    options: &'a Value,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: &'a Option<Gpu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: &'a Option<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: &'a Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra_hosts: &'a BTreeMap<String, Vec<IpAddr>>,
}

impl Step {
    /// Returns where an option stands: the value that an RFC 6901 pointer names, or the nearest thing around it.
    #[must_use]
    pub fn span_of(&self, pointer: &str) -> Range<usize> {
        self.places.nearest(pointer).map_or_else(|| self.span.clone(), |place| place.value.clone())
    }

    /// Returns where the key of an option stands, or the nearest thing around it.
    #[must_use]
    pub fn key_span_of(&self, pointer: &str) -> Range<usize> {
        let key = self.places.get(pointer).and_then(|place| place.key.clone());
        key.unwrap_or_else(|| self.span_of(pointer))
    }

    /// Returns the call by which a planner is asked for this step.
    #[must_use]
    pub fn call<'a>(&'a self, lock: Option<&'a str>) -> StepCall<'a> {
        StepCall { kind: &self.kind, options: &self.options, lock }
    }

    /// Returns what a planner says of the options, at its place in the definition.
    #[must_use]
    pub fn diagnostic(&self, problem: &Problem) -> Diagnostic {
        Diagnostic {
            severity: problem.severity,
            code: Code::Declined,
            message: problem.message.clone(),
            span: Some(self.span_of(&problem.path)),
            label: String::new(),
            hints: problem.hint.iter().cloned().collect(),
        }
    }

    /// Returns the digest of everything in the step that can change what resolving it finds: the kind, its options, and
    /// what surrounds the commands that a resolver runs.
    #[must_use]
    pub fn options_digest(&self) -> Digest {
        let Ambient {
            name: _,
            env,
            gpu,
            network,
            user,
            force: _,
            limits: _,
            secrets: _,
            ssh: _,
            volumes: _,
            // As the limits: it changes how a resolver's commands end, and not what they find.
            security: _,
            sandbox,
        } = &self.ambient;
        let extra_hosts = &sandbox.extra_hosts;
        let asked = Asked { kind: &self.kind, options: &self.options, env, gpu, network, user, extra_hosts };
        Digest::of(&to_canonical_json(&asked))
    }
}
