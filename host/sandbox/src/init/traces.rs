// SPDX-License-Identifier: Apache-2.0
//! What a command with secrets has written, for the case that nobody is left to search it for them.
//!
//! All of it is removed, as far as that goes: there is nobody to tell.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wythe_sys::root::Root;

use crate::{Mount, MountSource, RunInputs};

/// The places that a command writes to.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// What it changes of the image.
    upper: Option<Root>,
    /// Directories that were there before.
    caches: Vec<Root>,
    /// When what was laid out for it was last changed, by the clock of files: in seconds since 1970.
    since: i64,
}

impl Traces {
    /// To be called before the command runs. There are none of a command without secrets.
    pub(super) fn of(inputs: &RunInputs) -> Self {
        let is_secret = |mount: &Mount| matches!(mount.source, MountSource::Secret { .. });
        if inputs.secret_env.is_empty() && !inputs.mounts.iter().any(is_secret) {
            return Self::default();
        }
        let open = |path: &PathBuf| Root::open(path).ok();
        let Some(upper) = inputs.root.upper.as_ref().and_then(open) else { return Self::default() };
        let Ok(laid_out) = upper.metadata(Path::new("")) else { return Self::default() };
        let caches = inputs.caches.iter().filter_map(open).collect();
        Self { upper: Some(upper), caches, since: laid_out.ctime() }
    }

    /// Removes what the command has written.
    pub(super) fn remove(&self) {
        if let Some(upper) = &self.upper {
            let entries = upper.read_dir(Path::new("")).into_iter().flatten();
            entries.for_each(|entry| drop(upper.remove_tree(Path::new(&entry.name))));
        }
        self.caches.iter().for_each(|cache| remove_since(cache, self.since));
    }
}

/// Removes the files of a tree that have changed since a time, and directories that have and are empty then: one that was made
/// cannot be told from one in which something was.
fn remove_since(tree: &Root, time: i64) {
    let mut directories = vec![PathBuf::new()];
    let mut at = 0;
    while let Some(directory) = directories.get(at).cloned() {
        at += 1;
        for entry in tree.read_dir(&directory).into_iter().flatten() {
            let path = directory.join(&entry.name);
            if entry.kind.is_dir() {
                directories.push(path);
            } else if has_changed(tree, &path, time) {
                drop(tree.remove_tree(&path));
            }
        }
    }
    // What is in a directory comes after it.
    for directory in directories[1..].iter().rev() {
        let is_empty = tree.read_dir(directory).is_ok_and(|entries| entries.is_empty());
        if is_empty && has_changed(tree, directory, time) {
            drop(tree.remove_tree(directory));
        }
    }
}

fn has_changed(tree: &Root, path: &Path, since: i64) -> bool {
    tree.symlink_metadata(path).is_ok_and(|metadata| metadata.ctime() >= since)
}
