// SPDX-License-Identifier: Apache-2.0
//! A batch of file edits: its key and its layer.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wythe_image::{Digest, Image};
use wythe_plan::{Action, Artifact, Brush, Checkout, Files, KeyParts, Source, VertexId, Word};
use wythe_snapshot::{
    Attributes, Choice, CopyError, Editor, LeafKind, ModeEdit, OwnerError, Patterns, Selection, Unpack,
};
use wythe_sys::cancel::Cancel;
use wythe_sys::root::Root;

use crate::chain::Chain;
use crate::error::Cause;
use crate::git::Fetched;
use crate::operation::Operation;
use crate::recopy::Recopy;
use crate::snapshot::Made;
use crate::words::{ActionWord, Words};
use crate::{git, mounts, snapshot};

/// Returns the parts of a batch's key.
pub(crate) async fn key_parts(operation: &Operation<'_>, batch: &Files) -> Result<KeyParts, Cause> {
    let mut words = Words::new("files", operation.input(batch.on), &operation.chain.pretence);
    let actions: Vec<ActionWord<'_>> = batch.actions.iter().map(ActionWord::of).collect();
    words.word("actions", Word::of_sorted(&actions));
    for (index, action) in batch.actions.iter().enumerate() {
        let Action::Copy { source, brush, .. } = action else { continue };
        match source {
            Source::State { vertex, path } => {
                words.input(format!("{index} state {path}"), operation.input(*vertex).chain_id());
            }
            Source::Matching { vertex, patterns } => {
                words.input(format!("{index} state {}", patterns.join(" ")), operation.input(*vertex).chain_id());
            }
            Source::Context { patterns } => {
                let digest = operation.choose(patterns.clone(), brush.clone()).await?.digest;
                words.input(context_input(index, patterns), digest);
            }
            Source::Artifact(_) | Source::Unpacked { .. } | Source::Names { .. } | Source::Git(_) => {}
        }
    }
    Ok(words.finish())
}

fn context_input(index: usize, patterns: &[String]) -> String {
    format!("{index} context {}", patterns.join(" "))
}

/// Returns the inputs of the build context: the name, what is chosen.
pub(crate) fn context_inputs(batch: &Files) -> Vec<(String, Vec<String>, Brush)> {
    let one = |(index, action): (usize, &Action)| match action {
        Action::Copy { source: Source::Context { patterns }, brush, .. } => {
            Some((context_input(index, patterns), patterns.clone(), brush.clone()))
        }
        _ => None,
    };
    batch.actions.iter().enumerate().filter_map(one).collect()
}

/// Returns how many bytes a batch is known to need: of the context, and of what is still to be fetched.
pub(crate) async fn needed(operation: &Operation<'_>, batch: &Files) -> Result<u64, Cause> {
    let (chain, batch) = (Arc::clone(operation.chain), batch.clone());
    let needed = move || {
        let mut bytes = 0u64;
        for action in &batch.actions {
            bytes = bytes.saturating_add(match action {
                Action::Copy { source: Source::Context { patterns }, brush, .. } => {
                    let chosen = chain.context.choose(patterns, brush)?;
                    chosen.files.leaves.iter().map(|leaf| leaf.stamp.size.next_multiple_of(BLOCK)).sum()
                }
                Action::Put { bytes, .. } => bytes.len() as u64,
                action => match artifact_of(action) {
                    Some(artifact)
                        if chain.engine.store.blob_path(&artifact.sha256).map_err(Cause::store)?.is_none() =>
                    {
                        artifact.size.unwrap_or(0)
                    }
                    _ => 0,
                },
            });
        }
        Ok(bytes)
    };
    operation.chain.engine.blocking(needed).await
}

/// The unit in which file systems give room to files.
const BLOCK: u64 = 4096;

/// Does the edits.
pub(crate) async fn make(operation: &Operation<'_>, batch: &Files, parts: &KeyParts) -> Result<Made, Cause> {
    let artifacts: Vec<Artifact> = batch.actions.iter().filter_map(artifact_of).cloned().collect();
    let paths = mounts::fetch(operation, &artifacts).await?;
    let fetched = artifacts.iter().map(|artifact| artifact.sha256).zip(paths).collect();
    let checkouts: Vec<&Checkout> = batch.actions.iter().filter_map(checkout_of).collect();
    let commits = git::check_out(operation, &checkouts).await?;
    let job = Job {
        chain: Arc::clone(operation.chain),
        on: Arc::clone(operation.input(batch.on)),
        states: operation.states.clone(),
        fetched,
        commits,
        recopy: Recopy::of(batch, parts, !operation.is_forced()),
        batch: batch.clone(),
        cancel: operation.cancel(),
    };
    let _slot = operation.slot().await;
    operation.chain.engine.blocking(move || job.layer()).await
}

fn artifact_of(action: &Action) -> Option<&Artifact> {
    match action {
        Action::Copy { source: Source::Artifact(artifact), .. }
        | Action::Copy { source: Source::Unpacked { artifact, .. } | Source::Names { artifact, .. }, .. } => {
            Some(artifact)
        }
        _ => None,
    }
}

fn checkout_of(action: &Action) -> Option<&Checkout> {
    match action {
        Action::Copy { source: Source::Git(checkout), .. } => Some(checkout),
        _ => None,
    }
}

/// A batch with everything it needs at hand.
pub(crate) struct Job {
    pub(crate) chain: Arc<Chain>,
    pub(crate) on: Arc<Image>,
    states: BTreeMap<VertexId, Arc<Image>>,
    fetched: BTreeMap<Digest, PathBuf>,
    commits: Fetched,
    batch: Files,
    /// Where it only copies files of the build context.
    recopy: Option<Recopy>,
    pub(crate) cancel: Cancel,
}

impl Job {
    fn layer(self) -> Result<Made, Cause> {
        if let Some(made) = self.recopy.as_ref().map_or(Ok(None), |recopy| recopy.make(&self))? {
            return Ok(made);
        }
        let store = &self.chain.engine.store;
        let epoch = self.chain.pretence.source_date_epoch;
        let below = self.chain.engine.views.files(&self.on)?;
        let active = snapshot::begin(store, &below)?;
        let mut editor = Editor::open(&active.upper(), below.root(), epoch).map_err(Cause::files)?;
        editor.stop_with(self.cancel.clone());
        let mut actions = &self.batch.actions[..];
        while let Some(action) = actions.first() {
            let done = self.unpack_run(&mut editor, actions).and_then(|taken| {
                if taken == 0 {
                    self.act(&mut editor, action)?;
                }
                Ok(taken)
            });
            // What was stopped fails in its own words.
            if self.cancel.is_cancelled() {
                return Err(Cause::Cancelled);
            }
            let taken = done?;
            actions = &actions[taken.max(1)..];
        }
        drop(editor);
        let mut made = Made::of(active, &below, None, epoch)?;
        if let Some(recopy) = &self.recopy {
            recopy.note(&self, &mut made)?;
        }
        Ok(made)
    }

    /// Unpacks the archives at the head of `actions` that share a brush, in one go, and returns how many actions that were.
    fn unpack_run(&self, editor: &mut Editor, actions: &[Action]) -> Result<usize, Cause> {
        let mut unpacks: Vec<Unpack> = Vec::new();
        let mut common: Option<&Brush> = None;
        let mut taken = 0;
        for action in actions {
            let Action::Copy { source, dest, brush } = action else { break };
            match source {
                Source::Unpacked { artifact, format } if common.is_none_or(|known| known == brush) => {
                    common = Some(brush);
                    let path = self.fetched[&artifact.sha256].clone();
                    let mut unpack = Unpack::new(path, snapshot::format(*format), PathBuf::from(dest));
                    unpack.exclude = Patterns::new(&brush.exclude).map_err(Cause::files)?;
                    unpacks.push(unpack);
                }
                // The names of the archive that was just unpacked are had in the same pass.
                Source::Names { artifact, format } => {
                    let path = &self.fetched[&artifact.sha256];
                    let Some(last) = unpacks.last_mut().filter(|last| {
                        last.names_to.is_none() && last.path == *path && last.format == snapshot::format(*format)
                    }) else {
                        break;
                    };
                    last.names_to = Some(PathBuf::from(dest));
                }
                _ => break,
            }
            taken += 1;
        }
        if let Some(brush) = common {
            let attributes = attributes(editor, brush)?;
            editor.unpack(&unpacks, &attributes).map_err(Cause::files)?;
        }
        Ok(taken)
    }

    fn act(&self, editor: &mut Editor, action: &Action) -> Result<(), Cause> {
        match action {
            Action::Put { path, bytes, brush } => {
                let attributes = attributes(editor, brush)?;
                editor.put(Path::new(path), bytes, &attributes).map_err(Cause::files)
            }
            Action::Mkdir { path, brush } => {
                let attributes = attributes(editor, brush)?;
                editor.mkdir(Path::new(path), &attributes).map_err(Cause::files)
            }
            Action::Symlink { target, path } => {
                editor.symlink(Path::new(target), Path::new(path)).map_err(Cause::files)
            }
            Action::Remove { path } => editor.remove(Path::new(path)).map_err(Cause::files),
            Action::Copy { source, dest, brush } => self.copy(editor, source, dest, brush),
        }
    }

    /// Copies what one pattern of the context names; files that are archives are unpacked in place of being copied.
    fn unpack_or_copy(
        &self,
        editor: &mut Editor,
        pattern: &str,
        dest: &str,
        brush: &Brush,
        attributes: &Attributes,
    ) -> Result<(), Cause> {
        let context = &self.chain.context;
        let chosen = context.choose(std::slice::from_ref(&pattern.to_owned()), brush)?;
        let (mut plain, mut archives) = (chosen.files.clone(), Vec::new());
        // What lies in a directory that is named is copied as it is.
        if plain.leaves.iter().all(|leaf| matches!(leaf.kind, LeafKind::File(_))) {
            for leaf in std::mem::take(&mut plain.leaves) {
                let path = context.path_of(&leaf.path.to_string_lossy())?;
                match wythe_snapshot::is_tar(&path) {
                    true => archives.push(path),
                    false => plain.leaves.push(leaf),
                }
            }
        }
        if !plain.leaves.is_empty() {
            editor.copy(context.root(), &plain, Path::new(dest), attributes).map_err(not_copied)?;
        }
        let unpacks: Vec<Unpack> = archives
            .into_iter()
            .map(|path| Unpack::new(path, wythe_snapshot::Archive::Tar, PathBuf::from(dest)))
            .collect();
        if !unpacks.is_empty() {
            editor.unpack(&unpacks, attributes).map_err(Cause::files)?;
        }
        Ok(())
    }

    fn copy(&self, editor: &mut Editor, source: &Source, dest: &str, brush: &Brush) -> Result<(), Cause> {
        let attributes = attributes(editor, brush)?;
        match source {
            Source::Context { patterns } if brush.unpack => {
                patterns.iter().try_for_each(|pattern| self.unpack_or_copy(editor, pattern, dest, brush, &attributes))
            }
            Source::Context { patterns } => {
                let chosen = self.chain.context.choose(patterns, brush)?;
                let context = self.chain.context.root();
                editor.copy(context, &chosen.files, Path::new(dest), &attributes).map_err(not_copied)
            }
            Source::State { vertex, path } => {
                let files = self.chain.engine.views.files(&self.states[vertex])?;
                let missing =
                    || Cause::Context { what: format!("there is no `{path}` in the state it is copied from") };
                let root = files.root().ok_or_else(missing)?;
                // What is not there is a mistake of who wrote the plan; whatever else keeps it from being read is not.
                if root.symlink_metadata(Path::new(path)).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                    return Err(missing());
                }
                let exclude = Patterns::new(&brush.exclude).map_err(Cause::files)?;
                let exclude = |path: &Path| exclude.excludes(path);
                editor.copy_tree(root, Path::new(path), Path::new(dest), &exclude, &attributes).map_err(not_copied)
            }
            Source::Matching { vertex, patterns } => {
                let files = self.chain.engine.views.files(&self.states[vertex])?;
                let root = match files.root() {
                    Some(root) => root,
                    None if brush.optional => return Ok(()),
                    None => {
                        return Err(Cause::Context { what: "the state that is copied from has no file".to_owned() });
                    }
                };
                let chosen = wythe_snapshot::select(root, &choice(patterns, brush)?);
                let chosen = chosen.map_err(|error| Cause::Context { what: crate::trace::full_text(&error) })?;
                editor.copy_state(root, &chosen, Path::new(dest), &attributes).map_err(not_copied)
            }
            Source::Artifact(artifact) => {
                let dest = file_name_for(dest, &artifact.url);
                let path = &self.fetched[&artifact.sha256];
                let file = std::fs::File::open(path);
                let mut file = file.map_err(Cause::doing(format!("cannot read `{}`", path.display())))?;
                editor.put_file(&dest, &mut file, &attributes).map_err(Cause::files)
            }
            Source::Names { artifact, format } => {
                let path = &self.fetched[&artifact.sha256];
                let names = wythe_snapshot::archive_names(path, snapshot::format(*format)).map_err(Cause::files)?;
                editor.put(Path::new(dest), (names.join("\n") + "\n").as_bytes(), &attributes).map_err(Cause::files)
            }
            Source::Git(checkout) => {
                let tree = self.commits.tree(checkout);
                let root = Root::open(tree).map_err(Cause::doing(format!("cannot open `{}`", tree.display())))?;
                let exclude = Patterns::new(&brush.exclude).map_err(Cause::files)?;
                let all = Selection::whole(&root, Path::new("/"), &|path| exclude.excludes(path));
                let all = all.map_err(Cause::files)?;
                editor.copy(&root, &all, Path::new(dest), &attributes).map_err(not_copied)
            }
            Source::Unpacked { .. } => Err(Cause::Bug("an archive was not unpacked with its like".to_owned())),
        }
    }
}

/// Returns what patterns of a state choose.
fn choice(patterns: &[String], brush: &Brush) -> Result<Choice, Cause> {
    Ok(Choice {
        patterns: patterns.to_vec(),
        ignore: Patterns::default(),
        exclude: Patterns::new(&brush.exclude).map_err(Cause::files)?,
        follow_links: brush.follow_links,
        keep_parents: brush.keep_parents,
        optional: brush.optional,
    })
}

/// Returns where a fetched file is written: below a destination that ends in `/`, under the name in its address.
fn file_name_for(dest: &str, url: &str) -> PathBuf {
    let name = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or("file");
    if dest.ends_with('/') { Path::new(dest).join(name) } else { PathBuf::from(dest) }
}

/// Tells what the definition asks for and cannot be from what the machine does not do.
pub(crate) fn not_copied(error: CopyError) -> Cause {
    match error {
        CopyError::IsDirectory { .. } => Cause::Context { what: error.to_string() },
        error => Cause::files(error),
    }
}

pub(crate) fn attributes(editor: &mut Editor, brush: &Brush) -> Result<Attributes, Cause> {
    let unknown = |error| match error {
        OwnerError::Read { .. } => Cause::files(error),
        error => Cause::Context { what: error.to_string() },
    };
    let owner = match brush.owner.as_str() {
        "" => None,
        owner => Some(editor.resolve_owner(owner).map_err(unknown)?),
    };
    let mode_edit = match brush.mode_edit.as_str() {
        "" => None,
        text => Some(ModeEdit::parse(text).map_err(Cause::files)?),
    };
    Ok(Attributes { owner, mode: brush.mode, mode_edit, time: None })
}
