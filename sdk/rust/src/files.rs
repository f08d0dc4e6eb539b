// SPDX-License-Identifier: Apache-2.0
//! Batches of file edits.

use crate::host::graph as host;
use crate::report::Place;
use crate::{Artifact, Checkout, Format, State};

/// A batch of file edits on a state: one operation, one layer, in the order of the calls.
///
/// `owner`, `mode`, `mode_edit`, `exclude`, `follow_links`, `keep_parents`, `optional`, `ignore` and `unpack_archives` are
/// the *brush*: each applies to the edits added after it. Paths are absolute inside the state.
#[derive(Debug)]
#[must_use = "a batch does nothing until it is applied"]
pub struct Files(host::Files);

impl Files {
    /// Starts a batch on `state`.
    pub fn on(state: &State) -> Self {
        Self(host::Files::new(state))
    }

    /// Brush: owner of what is written, as `uid`, `uid:gid` or names of the state. Empty keeps `0:0` for files of the
    /// context and the recorded owner for those of a state or an archive. Directories made on the way are the same owner's.
    pub fn owner(self, owner: &str) -> Self {
        self.0.owner(owner);
        self
    }

    /// Brush: mode bits of what is written; none keeps those of the source.
    pub fn mode(self, mode: impl Into<Option<u32>>) -> Self {
        self.0.mode(mode.into());
        self
    }

    /// Brush: changes of the mode bits of what is written, as chmod(1) writes them: `u=rwX,go=rX`. Takes the place of `mode`.
    pub fn mode_edit(self, edit: &str) -> Self {
        self.0.mode_edit(edit);
        self
    }

    /// Brush: patterns of source paths that are left out.
    pub fn exclude<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.0.exclude(&strings(patterns));
        self
    }

    /// Brush: whether a link in the context is replaced by what it points to.
    pub fn follow_links(self, follow: bool) -> Self {
        self.0.follow_links(follow);
        self
    }

    /// Brush: whether the directories of a matched source path are kept below the destination.
    pub fn keep_parents(self, keep: bool) -> Self {
        self.0.keep_parents(keep);
        self
    }

    /// Brush: whether a source that matches nothing is passed over instead of being an error.
    pub fn optional(self, optional: bool) -> Self {
        self.0.optional(optional);
        self
    }

    /// Brush: patterns of paths that the build context leaves out, relative to its root, as if they were not there.
    pub fn ignore(self, patterns: &[String]) -> Self {
        self.0.ignore(patterns);
        self
    }

    /// Brush: whether a file of the context that a pattern names is unpacked where it is a tar archive.
    pub fn unpack_archives(self, unpack: bool) -> Self {
        self.0.unpack_archives(unpack);
        self
    }

    /// Copies files of the build context. A pattern that names a directory copies its content; a destination that
    /// ends in `/` is a directory.
    pub fn context<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>, dest: &str) -> Self {
        self.0.context(&strings(patterns), dest);
        self
    }

    /// Copies a path of another state.
    pub fn from_state(self, source: &State, path: &str, dest: &str) -> Self {
        self.0.from_state(source, path, dest);
        self
    }

    /// Copies what patterns match in another state, as [`Files::context`] does. They are relative to its root.
    pub fn matching<S: Into<String>>(self, source: &State, patterns: impl IntoIterator<Item = S>, dest: &str) -> Self {
        self.0.matching(source, &strings(patterns), dest);
        self
    }

    /// Writes a fetched file at `dest`.
    pub fn artifact(self, source: &Artifact, dest: &str) -> Self {
        self.0.artifact(source, dest);
        self
    }

    /// Unpacks a fetched archive below `dest`. A directory entry that meets a link to a directory follows the link.
    pub fn unpack(self, source: &Artifact, format: Format, dest: &str) -> Self {
        self.0.unpack(source, format.as_str(), dest);
        self
    }

    /// Writes the absolute names of an archive's members, one a line, `/.` for its root, to `dest`.
    pub fn unpack_names(self, source: &Artifact, format: Format, dest: &str) -> Self {
        self.0.unpack_names(source, format.as_str(), dest);
        self
    }

    /// Copies the files of a commit of a git repository below `dest`, with the modes that git knows.
    pub fn checkout(self, source: &Checkout, dest: &str) -> Self {
        self.0.checkout(source.handle(), dest);
        self
    }

    /// Writes a small file.
    pub fn put(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.0.put(path, bytes.as_ref());
        self
    }

    /// Makes a directory and its parents. One that is there stays as it is.
    pub fn mkdir(self, path: &str) -> Self {
        self.0.mkdir(path);
        self
    }

    /// Makes a symbolic link at `path` that points to `target`.
    pub fn symlink(self, target: &str, path: &str) -> Self {
        self.0.symlink(target, path);
        self
    }

    /// Removes a file or a tree. Nothing there is not an error.
    pub fn remove(self, path: &str) -> Self {
        self.0.remove(path);
        self
    }

    /// Says in a few words what the batch does.
    pub fn describe(self, text: &str) -> Self {
        self.0.describe(text);
        self
    }

    /// Says where in the step's own source the batch stands.
    pub fn at(self, line: u32, column: u32) -> Self {
        self.0.at(line, column);
        self
    }

    /// Says where in a text that the step is made of the batch stands, so that a failure can show the line.
    pub fn place(self, place: &Place) -> Self {
        self.0.at(place.line, place.column);
        self.0.in_text(&place.source, place.length);
        self
    }

    /// Says which part of the step's own source the batch belongs to, by which a person can name it.
    pub fn part(self, name: &str) -> Self {
        self.0.part(name);
        self
    }

    /// Closes the batch and returns the state that it makes.
    #[must_use]
    pub fn apply(self) -> State {
        host::Files::apply(self.0)
    }
}

pub(crate) fn strings<S: Into<String>>(items: impl IntoIterator<Item = S>) -> Vec<String> {
    items.into_iter().map(Into::into).collect()
}
