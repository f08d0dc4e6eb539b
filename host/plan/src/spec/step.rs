// SPDX-License-Identifier: Apache-2.0
//! The spec as a value.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;
use wythe_image::{Digest, Platform};

use super::{Ambient, BuilderVersion, Diagnostic, Places, SourceText};

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

impl Step {
    /// Returns where an option stands: the value that an RFC 6901 pointer names, or the nearest thing around it.
    #[must_use]
    pub fn span_of(&self, pointer: &str) -> Range<usize> {
        self.places.get(pointer).map_or_else(|| self.span.clone(), |place| place.value.clone())
    }

    /// Returns the digest of what can change the answer of its resolver.
    #[must_use]
    pub fn options_digest(&self) -> Digest {
        Digest::of(&wythe_image::to_canonical_json(&(&self.kind, &self.options)))
    }
}
