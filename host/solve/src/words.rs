// SPDX-License-Identifier: Apache-2.0
//! The words of a cache key: an operation with its defaults filled in and its inputs by content.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use wythe_image::{Digest, Image};
use wythe_plan::{
    Action, Archive, Brush, Checkout, FORMAT_VERSION, KeyParts, Mount, MountSource, Network, Run, Source, Word,
};

use crate::machine::Pretence;

/// Collects the parts of a key.
#[derive(Debug)]
pub(crate) struct Words {
    parts: KeyParts,
}

impl Words {
    /// Starts a key for an operation on a parent state.
    pub(crate) fn new(operation: &str, parent: &Image, pretence: &Pretence) -> Self {
        Self {
            parts: KeyParts {
                format: FORMAT_VERSION,
                operation: operation.to_owned(),
                parent: parent.chain_id(),
                platform: parent.platform().clone(),
                source_date_epoch: pretence.source_date_epoch,
                words: BTreeMap::new(),
                inputs: BTreeMap::new(),
            },
        }
    }

    /// Adds a word.
    pub(crate) fn word(&mut self, name: &str, word: impl Into<Word>) {
        self.parts.words.insert(name.to_owned(), word.into());
    }

    /// Adds an input by content.
    pub(crate) fn input(&mut self, name: String, digest: Digest) {
        self.parts.inputs.insert(name, digest);
    }

    /// Returns the parts.
    pub(crate) fn finish(self) -> KeyParts {
        self.parts
    }
}

/// The search path where a configuration sets none, as in runc.
pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The host name that every command sees: one name everywhere, so that it cannot tell machines apart.
pub(crate) const HOSTNAME: &str = "wythe";

/// What an operation runs with, once the configuration below it and the step's options are laid together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) workdir: String,
    pub(crate) user: String,
}

impl Effective {
    pub(crate) fn of(run: &Run, image: &Image, pretence: &Pretence) -> Self {
        let config = image.config();
        let argv = match &run.command {
            wythe_plan::Command::Argv(argv) => argv.clone(),
            wythe_plan::Command::Shell(script) => {
                config.effective_shell().into_iter().chain([script.clone()]).collect()
            }
        };
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), SEARCH_PATH.to_owned()),
            ("SOURCE_DATE_EPOCH".to_owned(), pretence.source_date_epoch.to_string()),
        ]);
        env.extend(config.env_map());
        env.extend(run.env.clone());
        let workdir = config.workdir_joined(run.workdir.as_deref().unwrap_or(""));
        let workdir = if workdir.len() > 1 { workdir.trim_end_matches('/').to_owned() } else { workdir };
        let user = run.user.clone().unwrap_or_else(|| config.user.clone());
        Self { argv, env, workdir, user }
    }
}

/// Returns the words of a run.
pub(crate) fn run_words(run: &Run, effective: &Effective, words: &mut Words) {
    words.word("argv", json!(effective.argv));
    words.word("env", json!(effective.env));
    words.word("workdir", json!(effective.workdir));
    words.word("user", json!(effective.user));
    if !run.stdin.is_empty() {
        words.word("stdin", json!(Digest::of(&run.stdin)));
    }
    words.word("network", network_word(&run.network));
    let mounts: Vec<Value> = run.mounts.iter().map(mount_words).collect();
    words.word("mounts", json!(mounts));
    if !run.secret_env.is_empty() {
        let ids: BTreeMap<&String, &String> = run.secret_env.iter().map(|(name, (id, _))| (name, id)).collect();
        words.word("secret_env", json!(ids));
    }
    if run.insecure {
        words.word("security", json!("insecure"));
    }
    if !run.sandbox.is_usual() {
        words.word("sandbox", json!(run.sandbox));
    }
}

/// What a command cannot reach can change what it makes, in whatever order it is written down.
fn network_word(network: &Network) -> Value {
    match network {
        Network::None => json!("none"),
        Network::Host => json!("some"),
        Network::Hosts(hosts) => json!({"hosts": hosts.iter().collect::<BTreeSet<_>>()}),
    }
}

fn mount_words(mount: &Mount) -> Value {
    let mut words = vec![json!(mount.target), mount_word(&mount.source)];
    let begins_as = mount.begins_as.as_ref().map(|(_, path)| path);
    if !mount.owner.is_empty() || mount.mode.is_some() || mount.is_writable.is_some() || begins_as.is_some() {
        let looks = (&mount.owner, mount.mode, mount.is_writable, begins_as);
        words.push(json!({"owner": looks.0, "mode": looks.1, "writable": looks.2, "begins_as": looks.3}));
    }
    words.into()
}

fn mount_word(source: &MountSource) -> Value {
    match source {
        MountSource::Cache { id, sharing } => json!({"cache": id, "sharing": sharing}),
        MountSource::Context { path } => json!({"context": path}),
        MountSource::State { path, .. } => json!({"state": path}),
        MountSource::Artifact(artifact) => json!({"artifact": artifact.sha256}),
        MountSource::Unpacked { artifact, format } => json!({"unpacked": artifact.sha256, "format": format}),
        MountSource::Tmpfs { size } => json!({"tmpfs": size}),
        MountSource::SecretFile { id, mode, owner, .. } if owner.is_empty() => json!({"secret": id, "mode": mode}),
        MountSource::SecretFile { id, mode, owner, .. } => json!({"secret": id, "mode": mode, "owner": owner}),
        MountSource::Ssh { id, .. } => json!({"ssh": id}),
        MountSource::Volume { name } => json!({"volume": name}),
    }
}

/// The word of a file action; inputs from elsewhere appear by name and are added as inputs by the caller. A base has
/// hundreds: they are written as they stand, so their members stand in the order of their names ([`Word::of_sorted`]).
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum ActionWord<'a> {
    Copy { brush: &'a Brush, copy: SourceWord<'a>, dest: &'a str },
    Put { brush: &'a Brush, put: &'a str, sha256: Digest },
    Mkdir { brush: &'a Brush, mkdir: &'a str },
    Symlink { symlink: &'a str, target: &'a str },
    Remove { remove: &'a str },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum SourceWord<'a> {
    Context { context: &'a [String] },
    State { state: &'a str },
    Matching { matching: &'a [String] },
    Artifact { artifact: &'a Digest },
    Unpacked { format: Archive, unpacked: &'a Digest },
    Names { format: Archive, names: &'a Digest },
    Git(Value),
}

impl<'a> ActionWord<'a> {
    pub(crate) fn of(action: &'a Action) -> Self {
        match action {
            Action::Copy { source, dest, brush } => Self::Copy { brush, copy: SourceWord::of(source), dest },
            Action::Put { path, bytes, brush } => Self::Put { brush, put: path, sha256: Digest::of(bytes) },
            Action::Mkdir { path, brush } => Self::Mkdir { brush, mkdir: path },
            Action::Symlink { target, path } => Self::Symlink { symlink: path, target },
            Action::Remove { path } => Self::Remove { remove: path },
        }
    }
}

impl<'a> SourceWord<'a> {
    fn of(source: &'a Source) -> Self {
        match source {
            Source::Context { patterns } => Self::Context { context: patterns },
            Source::State { path, .. } => Self::State { state: path },
            Source::Matching { patterns, .. } => Self::Matching { matching: patterns },
            Source::Artifact(artifact) => Self::Artifact { artifact: &artifact.sha256 },
            Source::Unpacked { artifact, format } => Self::Unpacked { format: *format, unpacked: &artifact.sha256 },
            Source::Names { artifact, format } => Self::Names { format: *format, names: &artifact.sha256 },
            Source::Git(checkout) => Self::Git(git_word(checkout)),
        }
    }
}

/// A commit is its content, so where it comes from is no word: but the directory `.git` names that.
fn git_word(checkout: &Checkout) -> Value {
    let Checkout { url, commit, reference, subdir, keep_git_dir, submodules } = checkout;
    let mut word = json!({"git": commit});
    if !subdir.is_empty() {
        word["subdir"] = json!(subdir);
    }
    if *submodules {
        word["submodules"] = json!(true);
    }
    if *keep_git_dir {
        word["git_dir"] = json!({"url": url, "reference": reference});
    }
    word
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use wythe_image::{Digest, Image, LayerRef, Platform};
    use wythe_plan::Checkout;

    use super::{Words, git_word};
    use crate::machine::Pretence;

    #[test]
    fn where_a_commit_comes_from_counts_only_with_what_says_so() {
        let commit = "a1".repeat(20);
        let of = |url: &str, reference: &str| Checkout {
            reference: reference.to_owned(),
            ..Checkout::new(url.parse().unwrap(), commit.clone())
        };
        let (one, other) = (of("https://a/r", "refs/heads/a"), of("git@b:r", ""));
        assert_eq!(git_word(&one), json!({"git": commit}));
        assert_eq!(git_word(&one), git_word(&other));
        let sub = Checkout { subdir: "s".to_owned(), submodules: true, ..other };
        assert_eq!(git_word(&sub), json!({"git": commit, "subdir": "s", "submodules": true}));
        let kept = Checkout { keep_git_dir: true, ..one };
        let git_dir = json!({"url": "https://a/r", "reference": "refs/heads/a"});
        assert_eq!(git_word(&kept), json!({"git": commit, "git_dir": git_dir}));
    }

    #[test]
    fn a_key_is_no_longer_on_top_of_many_layers_than_on_one() {
        let (created, builder) = ("2026-11-01T00:00:00Z".to_owned(), "2026.11".to_owned());
        let pretence = Pretence { source_date_epoch: 1, created, builder, args: BTreeMap::new() };
        let written = |layers: u32| {
            let layer = |number: u32| LayerRef { diff_id: Digest::of(&number.to_le_bytes()), size: 1 };
            let scratch = Image::scratch(Platform::linux_amd64());
            let image = (0..layers).fold(scratch, |image, number| image.append(layer(number), "put"));
            Words::new("run", &image, &pretence).finish().written()
        };
        let (one, many) = (written(1), written(500));
        assert_ne!(one.0, many.0);
        assert_eq!(one.1.len(), many.1.len());
    }
}
