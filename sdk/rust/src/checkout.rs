// SPDX-License-Identifier: Apache-2.0
//! Commits of git repositories.

use crate::host::graph as host;

/// The files of a commit of a git repository.
#[derive(Debug)]
#[must_use = "a commit enters an image by `Files::checkout`"]
pub struct Checkout(host::Checkout);

impl Checkout {
    /// Names a commit by `url` (`https://`, `http://`, `git://`, `ssh://` or `user@host:path`, without a password) and its
    /// id (40 or 64 lower-case hexadecimal digits).
    pub fn new(url: &str, commit: &str) -> Self {
        Self(host::Checkout::new(url, commit))
    }

    /// Sets the full name of a reference by which the commit can be had from a server that gives out only what has a name.
    pub fn reference(self, name: &str) -> Self {
        self.0.reference(name);
        self
    }

    /// Sets the directory that is taken, relative to the top. Each part of it has to be a directory and no link.
    pub fn subdir(self, path: &str) -> Self {
        self.0.subdir(path);
        self
    }

    /// Sets whether the directory `.git` is taken too, where all of the repository is.
    pub fn keep_git_dir(self, keep: bool) -> Self {
        self.0.keep_git_dir(keep);
        self
    }

    /// Sets whether submodules are fetched, and theirs.
    pub fn submodules(self, follow: bool) -> Self {
        self.0.submodules(follow);
        self
    }

    pub(crate) fn handle(&self) -> &host::Checkout {
        &self.0
    }
}
