// SPDX-License-Identifier: Apache-2.0
//! Reasons as values. Their words in JSON are stable: programs read them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who asked for a step to run although its result is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forced {
    /// `--rebuild STEP`.
    RebuildStep,
    /// `--rebuild-all`.
    RebuildAll,
    /// `force = true` in the definition.
    Definition,
    /// `WYTHE_FORCE_BUILD`.
    Variable,
}

/// One reason for which a step ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Reason {
    /// No earlier build of the image is remembered.
    FirstBuild,
    /// The step was not there in the last build.
    NewStep,
    /// No build has done the step yet: the last one ended before.
    Unfinished,
    /// The steps below it stand in another order (of a step below).
    ReorderedStep,
    /// The step is not there any more (of a step below).
    RemovedStep,
    /// The step stands elsewhere (of a step below).
    MovedStep {
        /// Whether it now stands below the step that is explained.
        is_below: bool,
    },
    /// The step is of another kind.
    Kind {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// An option of the step in the definition.
    Option {
        /// Its path, as `env.DEBUG` or `commands[1]`; an entry that came into a list or left it is `packages[]`.
        name: String,
        /// Before; none where it was not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<Value>,
        /// Now; none where it is not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<Value>,
    },
    /// A file of the build context.
    File {
        /// Its path in the build context.
        path: String,
        /// What became of it.
        #[serde(flatten)]
        change: FileChange,
    },
    /// More files than are named one by one.
    MoreFiles {
        /// How many more.
        count: usize,
    },
    /// Files of the build context of which is not remembered which.
    UnknownFiles {
        /// Where they were taken from.
        input: String,
    },
    /// A variable of the image so far.
    Environment {
        /// Its name.
        name: String,
        /// Before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        /// Now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<String>,
        /// The step that sets it or did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// Another part of the image's configuration so far.
    Configuration {
        /// `user`, `working directory` or `shell`.
        part: String,
        /// Before.
        old: String,
        /// Now.
        new: String,
        /// The step that sets it or did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// What lies below the step is other content.
    Below {
        /// The steps at which that begins; none where it is not known.
        steps: Vec<Root>,
    },
    /// Somebody asked for it.
    Forced {
        /// Who.
        by: Forced,
    },
    /// Another build of the plugin.
    Plugin {
        /// The kind it provides.
        kind: String,
        /// Digest before.
        old: String,
        /// Digest now.
        new: String,
    },
    /// The step's entry of the lock.
    Lock {
        /// What differs.
        changes: Vec<LockChange>,
        /// How many more differences there are.
        more: usize,
    },
    /// A build argument that the plan depends on.
    Argument {
        /// Its name.
        name: String,
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// The platform.
    Platform {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// The builder version that the definition names.
    Builder {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// The time to which stamps are clamped, in seconds since 1970.
    Time {
        /// Before.
        old: u64,
        /// Now.
        new: u64,
    },
    /// The image that the definition starts from (of a step below).
    Image {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// The result is not in the store any more.
    Collected,
    /// The layer of the result is not in the store any more.
    LayerGone,
    /// The record of the result is damaged.
    Damaged,
    /// The machine went down before the result was on the disk.
    NotFlushed,
    /// Keys are made in another way.
    KeyFormat,
    /// What the plan does, where nothing above says why.
    Operation {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum FileChange {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// Its permission bits.
    Mode {
        /// Before, in octal digits.
        old: String,
        /// Now.
        new: String,
    },
    /// A file became a link, or the like.
    Type {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// What a link says.
    Target {
        /// Before.
        old: String,
        /// Now.
        new: String,
    },
    /// A line of a text; the first that differs.
    Line {
        /// Its number: in the new text, or in the old one where it is gone.
        line: usize,
        /// Before; none where it came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        /// Now; none where it went.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<String>,
        /// How many more lines differ.
        more: usize,
    },
    /// Only the ends of lines differ.
    LineEnds,
    /// Content of which no text is kept.
    Content {
        /// Length before.
        old: u64,
        /// Length now.
        new: u64,
    },
    /// Content of which nothing else is known.
    Unknown,
}

/// A difference between two lock entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockChange {
    /// A package's name, or the path of what differs.
    pub name: String,
    /// Its version before; none where it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Its version now; none where it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// A step at which a change began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Its id.
    pub step: String,
    /// Its own reasons.
    pub reasons: Vec<Reason>,
}
