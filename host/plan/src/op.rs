// SPDX-License-Identifier: Apache-2.0
//! The vocabulary of operations: what a plan can say.
//!
//! Each type here is a plain value with a canonical JSON form. Fields at their default are left out of that form,
//! so that a field added later leaves the digest of older plans as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wythe_image::{Digest, Healthcheck};

use crate::{Checkout, Gpu, SandboxOptions, VertexId};

/// A file on the network, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it can be fetched. Not part of any key: the content is.
    pub url: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Its length in bytes, where it is known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// How an archive is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Archive {
    /// A tar archive, plain or compressed with gzip, bzip2, xz or zstd.
    Tar,
    /// A zip archive.
    Zip,
    /// The files of a Debian binary package (`data.tar`, deb(5)).
    DebData,
    /// The control members of a Debian binary package (`control.tar`).
    DebControl,
}

/// Where the bytes of a copy come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Files of the build context that match the patterns.
    Context {
        /// Patterns relative to the context's root.
        patterns: Vec<String>,
    },
    /// A path of another state.
    State {
        /// The vertex whose state it is.
        vertex: VertexId,
        /// Absolute path in it.
        path: String,
    },
    /// What patterns match in another state.
    Matching {
        /// The vertex whose state it is.
        vertex: VertexId,
        /// Patterns relative to its root.
        patterns: Vec<String>,
    },
    /// A fetched file as it is.
    Artifact(Artifact),
    /// The content of a fetched archive.
    Unpacked {
        /// The archive.
        artifact: Artifact,
        /// Its format.
        format: Archive,
    },
    /// The names of a fetched archive's members, one a line.
    Names {
        /// The archive.
        artifact: Artifact,
        /// Its format.
        format: Archive,
    },
    /// The files of a commit of a git repository.
    Git(Checkout),
}

/// How a file action writes. The members stand in the order of their names, as words of keys have them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Brush {
    /// Patterns of source paths that are left out, relative to the directory (or file) that is copied. A pattern that
    /// matches a directory matches everything in it; the last one that matches decides; one that begins with `!`
    /// brings back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether links of the context are replaced by what they point to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow_links: bool,
    /// Patterns of paths that the context as a whole leaves out, relative to its root, read as those of `exclude`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether the directories of a matched source path are kept below the destination.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_parents: bool,
    /// Mode bits; none for those of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Changes of the mode bits, as chmod(1) writes them; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode_edit: String,
    /// Whether a source that matches nothing is passed over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// `uid`, `uid:gid`, or names of the state; empty for the source's own (archives, states) or `0:0` (context).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Whether a file of the context that a pattern names is unpacked where it is a tar archive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unpack: bool,
}

/// One edit of a file system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Copies from a source to an absolute path; a trailing `/` makes it a directory.
    Copy {
        /// What is copied.
        source: Source,
        /// Where to.
        dest: String,
        /// How.
        #[serde(default)]
        brush: Brush,
    },
    /// Writes a small file.
    Put {
        /// Absolute path.
        path: String,
        /// Its bytes.
        #[serde(with = "text_or_base64")]
        bytes: Vec<u8>,
        /// Owner and mode (default `0644`).
        #[serde(default)]
        brush: Brush,
    },
    /// Makes a directory and its parents.
    Mkdir {
        /// Absolute path. A directory that is there stays as it is.
        path: String,
        /// Owner and mode (default `0755`) of what is made.
        #[serde(default)]
        brush: Brush,
    },
    /// Makes a symbolic link.
    Symlink {
        /// What it says.
        target: String,
        /// Absolute path of the link.
        path: String,
    },
    /// Removes a file or tree.
    Remove {
        /// Absolute path.
        path: String,
    },
}

/// A batch of file edits: one operation, one layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Files {
    /// The state that is edited.
    pub on: VertexId,
    /// The edits in their order.
    pub actions: Vec<Action>,
}

/// What a run executes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// A program and its arguments.
    Argv(Vec<String>),
    /// A script for the state's shell.
    Shell(String),
}

/// How parallel runs share a cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// All at once.
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

/// What is mounted into a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A directory shared by all builds. Its content is in no key.
    Cache {
        /// Its name.
        id: String,
        /// How it is shared.
        sharing: Sharing,
    },
    /// A path of the build context, read-only.
    Context {
        /// Relative path.
        path: String,
    },
    /// A path of another state, read-only.
    State {
        /// The vertex whose state it is.
        vertex: VertexId,
        /// Absolute path in it.
        path: String,
    },
    /// A fetched file, read-only.
    Artifact(Artifact),
    /// The content of a fetched archive, read-only.
    Unpacked {
        /// The archive.
        artifact: Artifact,
        /// Its format.
        format: Archive,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Most bytes it may hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
    },
    /// A secret as a file.
    SecretFile {
        /// Its name.
        id: String,
        /// Mode bits of the file.
        mode: u32,
        /// Whose it is, as `uid`, `uid:gid` or names of the state; empty for the user of the run.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        owner: String,
        /// Whether the run fails without it.
        required: bool,
    },
    /// The ssh agent's socket.
    Ssh {
        /// Its name.
        id: String,
        /// Whether the run fails without it.
        required: bool,
    },
    /// A named volume. Its content is in no key.
    Volume {
        /// Its name.
        name: String,
    },
}

/// A mount of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path inside the sandbox.
    pub target: String,
    /// What is there.
    pub source: MountSource,
    /// Whose a socket or a new cache is; empty for whose it is without.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Mode bits of a socket or a new cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Whether a cache, or what is bound, can be written to; none for the usual way: a cache can. What is written to what
    /// is bound is thrown away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_writable: Option<bool>,
    /// The state and the directory in it that a new cache begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_as: Option<(VertexId, String)>,
}

impl Mount {
    /// Returns a mount in the usual way.
    #[must_use]
    pub fn new(target: impl Into<String>, source: MountSource) -> Self {
        Self { target: target.into(), source, owner: String::new(), mode: None, is_writable: None, begins_as: None }
    }

    /// Returns the states that it shows.
    pub(crate) fn states(&self) -> impl Iterator<Item = VertexId> {
        let source = match &self.source {
            MountSource::State { vertex, .. } => Some(*vertex),
            _ => None,
        };
        source.into_iter().chain(self.begins_as.iter().map(|(vertex, _)| *vertex))
    }

    /// Returns the same, to be changed.
    pub(crate) fn states_mut(&mut self) -> impl Iterator<Item = &mut VertexId> {
        let source = match &mut self.source {
            MountSource::State { vertex, .. } => Some(vertex),
            _ => None,
        };
        source.into_iter().chain(self.begins_as.iter_mut().map(|(vertex, _)| vertex))
    }
}

/// The network of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// None at all.
    #[default]
    None,
    /// All of the machine's.
    Host,
    /// These hosts.
    Hosts(Vec<String>),
}

impl Network {
    /// Returns whether there is any network.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::None
    }
}

/// A command in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// The state it runs on.
    pub on: VertexId,
    /// What is executed.
    pub command: Command,
    /// Environment beside the configuration's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Secrets in the environment: variable → (secret, whether it is required).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_env: BTreeMap<String, (String, bool)>,
    /// Working directory; none for the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// User; none for the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Standard input.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "text_or_base64")]
    pub stdin: Vec<u8>,
    /// Mounts, in the order in which they are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Network.
    #[serde(default)]
    pub network: Network,
    /// Devices by CDI name, or `vendor/class` for the first of a kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// GPUs, of whichever name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Box<Gpu>>,
    /// Whether the sandbox is asked to be none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// What the sandbox is like beyond that.
    #[serde(default, skip_serializing_if = "SandboxOptions::is_usual")]
    pub sandbox: Box<SandboxOptions>,
}

impl Run {
    /// Returns a run with nothing but a command.
    #[must_use]
    pub fn new(on: VertexId, command: Command) -> Self {
        Self {
            on,
            command,
            env: BTreeMap::new(),
            secret_env: BTreeMap::new(),
            workdir: None,
            user: None,
            stdin: Vec::new(),
            mounts: Vec::new(),
            network: Network::None,
            devices: Vec::new(),
            gpu: None,
            insecure: false,
            sandbox: Box::default(),
        }
    }
}

/// One edit of an image configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigEdit {
    /// Sets a variable.
    Env(String, String),
    /// Sets the working directory.
    Workdir(String),
    /// Sets the user.
    User(String),
    /// Sets or clears the entry point, and clears the command.
    Entrypoint(Vec<String>),
    /// Sets or clears the command.
    Cmd(Vec<String>),
    /// Sets the shell of scripts.
    Shell(Vec<String>),
    /// Sets a label.
    Label(String, String),
    /// Adds an exposed port.
    Expose(String),
    /// Adds a volume path.
    Volume(String),
    /// Sets the stop signal.
    StopSignal(String),
    /// Sets or clears the health check.
    Healthcheck(Option<Healthcheck>),
    /// Appends a trigger.
    Onbuild(String),
    /// Drops the triggers.
    WithoutOnbuild,
    /// Names the state.
    Name(String),
}

/// Bytes in JSON: as text where they are UTF-8, else as `base64:…`.
mod text_or_base64 {
    use serde::{Deserialize, Deserializer, Serializer};

    const MARK: &str = "base64:";

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with(MARK) => serializer.serialize_str(text),
            _ => serializer.collect_str(&format_args!("{MARK}{}", encode(bytes))),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        use base64::Engine as _;
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix(MARK) {
            Some(code) => base64::prelude::BASE64_STANDARD.decode(code).map_err(serde::de::Error::custom),
            None => Ok(text.into_bytes()),
        }
    }

    fn encode(bytes: &[u8]) -> String {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(bytes)
    }
}
