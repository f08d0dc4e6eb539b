// SPDX-License-Identifier: Apache-2.0
//! A copy of the build context that has been made before with somewhat other files: only those are written, into a layer that
//! stands on the earlier one.
//!
//! The layer has the name that it would have if it were written as a whole (`docs/design/100-layers-in-two-parts.md`). Whatever
//! is in doubt is written as a whole: nothing here is an error that a build would not meet anyway.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wythe_image::{Digest, Image, LayerRef, to_canonical_json};
use wythe_plan::{Action, Brush, Files, KeyParts, Source};
use wythe_snapshot::{Coverage, Editor, LeafKind, Marks, Selection, layer_digest_from};
use wythe_store::Store;
use wythe_sys::root::Root;

use crate::error::Cause;
use crate::files::{Job, attributes, not_copied};
use crate::snapshot::{self, Made};
use crate::state::StateFiles;

/// From so many files, or so many bytes, on it is worth while to note what was copied.
const MANY: usize = 500;
const LARGE: u64 = 16 << 20;

/// A layer is written as a whole when more than one of so many files, or bytes, is otherwise: what is not used any more would
/// be kept, and looked through, for nothing.
const SHARE: u64 = 4;

/// Names of the notes beside a layer: the files that were copied, and where the digest of the layer can be computed on.
const FILES: &str = "files";
const MARKS: &str = "marks";

/// A batch that does nothing but copy files of the build context.
#[derive(Debug, Clone)]
pub(crate) struct Recopy {
    patterns: Vec<String>,
    dest: PathBuf,
    brush: Brush,
    /// Stands for all copies that differ from this one in nothing but the files.
    kin: Digest,
    /// Whether an earlier one may be built on.
    may_reuse: bool,
}

/// What is remembered of the last copy that was written as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Earlier {
    /// The key of its result.
    result: Digest,
    /// The digest of the files.
    tree: Digest,
}

/// The files of a copy that was written as a whole.
#[derive(Debug)]
pub(crate) struct Copied {
    kin: Digest,
    tree: Digest,
}

impl Copied {
    /// Remembers the copy under what stands for all like it. A memory that cannot be written is none.
    pub(crate) fn remember(&self, store: &Store, result: &Digest) {
        let earlier = Earlier { result: *result, tree: self.tree };
        drop(store.put_trace(&self.kin, &serde_json::to_string(&earlier).expect("digests are JSON")));
    }
}

impl Recopy {
    pub(crate) fn of(batch: &Files, parts: &KeyParts, may_reuse: bool) -> Option<Self> {
        let [Action::Copy { source: Source::Context { patterns }, dest, brush }] = &batch.actions[..] else {
            return None;
        };
        let mut alike = parts.clone();
        alike.inputs.clear();
        let kin = Digest::of(&to_canonical_json(&("copies of other files", alike.written().0.0)));
        let (patterns, dest) = (patterns.clone(), PathBuf::from(dest));
        (!brush.unpack).then(|| Self { patterns, dest, brush: brush.clone(), kin, may_reuse })
    }

    /// Makes the layer on top of an earlier one; none where it has to be written as a whole.
    pub(crate) fn make(&self, job: &Job) -> Result<Option<Made>, Cause> {
        let store = &job.chain.engine.store;
        let Some(earlier) = self.may_reuse.then(|| self.earlier(store)).flatten() else { return Ok(None) };
        let chosen = job.chain.context.choose(&self.patterns, &self.brush)?;
        let Some(changed) = chosen.files.since(&earlier.list).filter(|changed| is_little(changed, &chosen.files))
        else {
            return Ok(None);
        };
        let views = &job.chain.engine.views;
        let below = views.files(&job.on)?;
        if !self.are_new(&changed, below.root()) {
            return Ok(None);
        }
        let over = views.files(&Image::clone(&job.on).append(earlier.layer, ""))?;
        let mut active = snapshot::begin(store, &over)?;
        self.write(job, &changed, &active.upper(), (&below, &over))?;
        let epoch = job.chain.pretence.source_date_epoch;
        if wythe_snapshot::normalise(&active.upper(), over.root(), None, epoch).map_err(Cause::files)?.is_none() {
            return Ok(None);
        }
        let parts = [earlier.dir, active.upper()];
        let Ok((diff_id, size)) = layer_digest_from(&parts, &earlier.marks) else { return Ok(None) };
        active.stand_on(earlier.layer.diff_id);
        Ok(Some(Made::in_parts(active, LayerRef { diff_id, size })))
    }

    fn write(
        &self,
        job: &Job,
        changed: &Selection,
        upper: &Path,
        (below, over): (&StateFiles, &StateFiles),
    ) -> Result<(), Cause> {
        let epoch = job.chain.pretence.source_date_epoch;
        // Names of owners are those of the state below, not of what is copied.
        let mut editor = Editor::open(upper, below.root(), epoch).map_err(Cause::files)?;
        let attributes = attributes(&mut editor, &self.brush)?;
        let mut editor = Editor::open(upper, over.root(), epoch).map_err(Cause::files)?;
        editor.stop_with(job.cancel.clone());
        let copied = editor.copy(job.chain.context.root(), changed, &self.dest, &attributes);
        if job.cancel.is_cancelled() { Err(Cause::Cancelled) } else { copied.map_err(not_copied) }
    }

    /// Whether nothing below has the place of what is otherwise: there, the layer could be without it, and not say so.
    fn are_new(&self, changed: &Selection, below: Option<&Root>) -> bool {
        let is_new = |at: &Path| match below.map(|root| root.symlink_metadata(&self.dest.join(at))) {
            None => true,
            Some(Err(error)) => error.kind() == std::io::ErrorKind::NotFound,
            Some(Ok(_)) => false,
        };
        changed.leaves.iter().all(|leaf| !leaf.at.as_os_str().is_empty() && is_new(&leaf.at))
    }

    fn earlier(&self, store: &Store) -> Option<Found> {
        let earlier: Earlier = serde_json::from_str(&store.trace(&self.kin).ok()??).ok()?;
        let layer = store.result(&earlier.result).ok()??.layer?;
        let [dir] = <[PathBuf; 1]>::try_from(store.layer_dirs(&layer.diff_id).ok()??).ok()?;
        // The notes are those of whoever made the layer, which may have been another copy.
        let (_, list) = store.layer_note(&layer.diff_id, FILES).ok()?.filter(|(tree, _)| *tree == earlier.tree)?;
        let (_, marks) = store.layer_note(&layer.diff_id, MARKS).ok()??;
        let marks = Marks::parse(str::from_utf8(&marks).ok()?)?;
        Some(Found { layer, dir, list, marks })
    }

    /// Notes beside a layer that was written as a whole what a later copy needs to build on it.
    pub(crate) fn note(&self, job: &Job, made: &mut Made) -> Result<(), Cause> {
        let chosen = job.chain.context.choose(&self.patterns, &self.brush)?;
        let files = &chosen.files;
        let (Some(layer), false) = (made.layer, files.is_single) else { return Ok(()) };
        if files.leaves.len() < MANY && layer.size < LARGE {
            return Ok(());
        }
        let list = files.list(Coverage::Content).map_err(Cause::files)?;
        let noted = made.note(FILES, &list).and_then(|()| made.note(MARKS, made.marks.to_text().as_bytes()));
        noted.map_err(Cause::doing("cannot note which files were copied"))?;
        made.copied = Some(Copied { kin: self.kin, tree: chosen.digest });
        Ok(())
    }
}

/// An earlier copy that is there.
struct Found {
    layer: LayerRef,
    dir: PathBuf,
    list: Vec<u8>,
    marks: Marks,
}

/// Whether so little is otherwise that it is worth while.
fn is_little(changed: &Selection, all: &Selection) -> bool {
    let bytes = |selection: &Selection| -> u64 {
        let files = selection.leaves.iter().filter(|leaf| matches!(leaf.kind, LeafKind::File(_)));
        files.map(|leaf| leaf.stamp.size).sum()
    };
    let of = |part: u64, whole: u64| part.saturating_mul(SHARE) <= whole;
    !changed.leaves.is_empty()
        && of(changed.leaves.len() as u64, all.leaves.len() as u64)
        && of(bytes(changed), bytes(all))
}
