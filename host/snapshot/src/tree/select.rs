// SPDX-License-Identifier: Apache-2.0
//! Chooses files of a source by patterns, as `COPY` does.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags};
use wythe_sys::root::Root;

use super::patterns::{PatternError, Patterns, Verdict, clean, glob, is_pattern};
use super::walk::{Rules, TreeError, Way, leaf, walk};
use super::{LeafKind, Selection};
use crate::disk;

/// Which files, and how they keep their names.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Paths relative to the source, or patterns of them: see [`Patterns`]. One that names a directory chooses its content.
    pub patterns: Vec<String>,
    /// What the source as a whole leaves out, relative to it.
    pub ignore: Patterns,
    /// What is left out of this choice, relative to the directory or file that a pattern names.
    pub exclude: Patterns,
    /// Whether a link that a pattern names is replaced by what it points to inside the source.
    pub follow_links: bool,
    /// Whether the directories of what a pattern names are kept; those before a component `.` are not.
    pub keep_parents: bool,
    /// Whether a pattern that chooses nothing is passed over.
    pub optional: bool,
}

/// Why files could not be chosen.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// A pattern cannot be understood.
    #[error("cannot choose files")]
    Pattern(#[source] PatternError),
    /// A pattern leads out of the source.
    #[error("`{0}` leads out of the source")]
    Outside(String),
    /// A pattern chooses nothing.
    #[error("`{0}` matches no file")]
    Nothing(String),
    /// A pattern chooses nothing but what is ignored.
    #[error("`{0}` matches only files that are ignored")]
    Ignored(String),
    /// A source could not be read.
    #[error("cannot choose files")]
    Tree(#[source] TreeError),
}

/// Returns the files that a choice makes, each with its place relative to the destination.
///
/// A file keeps its name, the content of a directory its names relative to it. Links are not followed out of the source. Where two files
/// have the same place, the one of the later pattern is chosen. The order does not depend on the disk.
///
/// # Errors
///
/// See [`SelectError`].
pub fn select(root: &Root, choice: &Choice) -> Result<Selection, SelectError> {
    let mut all = Selection::default();
    for pattern in &choice.patterns {
        let found = one(root, choice, pattern)?;
        all.is_single = choice.patterns.len() == 1 && found.is_single;
        all.append(found);
    }
    // As a walk finds them. Many files are not put into an order that they have.
    if all.leaves.is_sorted_by(|one, next| one.at < next.at) {
        return Ok(all);
    }
    let mut by_place = BTreeMap::new();
    for leaf in all.leaves {
        // Paths compare component by component.
        by_place.insert(leaf.at.clone(), leaf);
    }
    all.leaves = by_place.into_values().collect();
    Ok(all)
}

fn one(root: &Root, choice: &Choice, pattern: &str) -> Result<Selection, SelectError> {
    if pattern.split('/').any(|part| part == "..") {
        return Err(SelectError::Outside(pattern.to_owned()));
    }
    let pivot = pattern.find("/./").map_or(0, |at| clean(&pattern[..at]).split('/').filter(|s| !s.is_empty()).count());
    let text = clean(pattern);
    let mut found = Found { selection: Selection::default(), matches: 0, ignored: 0, choice, pivot };
    if is_pattern(&text) {
        let set = glob(&text).map_err(SelectError::Pattern)?.compile_matcher();
        let fixed: PathBuf = text.split('/').take_while(|part| !is_pattern(part)).collect();
        let depth = if text.contains("**") { usize::MAX } else { text.split('/').count() };
        if let Ok(start) = root.descend(&fixed) {
            let search = Search { root, set: &set, depth };
            found.search(&search, start.as_fd(), &fixed, outer(choice, &fixed)).map_err(SelectError::Tree)?;
        }
        let leaves = &found.selection.leaves;
        let is_file = leaves.len() == 1 && !matches!(leaves[0].kind, LeafKind::Directory);
        found.selection.is_single = found.matches == 1 && is_file && !choice.keep_parents;
    } else {
        found.is_single_candidate(root, Path::new(&text)).map_err(SelectError::Tree)?;
    }
    match found {
        Found { matches: 0, ignored: 0, .. } if !choice.optional => Err(SelectError::Nothing(pattern.to_owned())),
        Found { matches: 0, .. } if !choice.optional => Err(SelectError::Ignored(pattern.to_owned())),
        found => Ok(found.selection),
    }
}

/// Returns what the ignored patterns say about a path.
fn outer(choice: &Choice, path: &Path) -> Verdict {
    let mut verdict = Verdict::default();
    let mut beginning = PathBuf::new();
    for component in path.components() {
        beginning.push(component);
        verdict = choice.ignore.verdict(&beginning, verdict);
    }
    verdict
}

struct Search<'a> {
    root: &'a Root,
    set: &'a globset::GlobMatcher,
    depth: usize,
}

struct Found<'a> {
    selection: Selection,
    matches: usize,
    ignored: usize,
    choice: &'a Choice,
    /// Number of components that `keep_parents` does not keep.
    pivot: usize,
}

impl Found<'_> {
    fn is_single_candidate(&mut self, root: &Root, path: &Path) -> Result<(), TreeError> {
        let verdict = outer(self.choice, path);
        if self.take(root, path, verdict)? {
            self.selection.is_single = self.selection.leaves.len() == 1
                && !self.choice.keep_parents
                && !matches!(self.selection.leaves[0].kind, LeafKind::Directory)
                && self.selection.leaves[0].path == path;
        }
        Ok(())
    }

    /// Looks for paths below `path` that the pattern fits.
    fn search(
        &mut self,
        search: &Search<'_>,
        dir: std::os::fd::BorrowedFd<'_>,
        path: &Path,
        verdict: Verdict,
    ) -> Result<(), TreeError> {
        let failed = |path: &Path, source| TreeError { path: path.into(), source };
        let level = path.components().count();
        disk::check_depth(level).map_err(|source| failed(path, source))?;
        let dir = disk::open_dir(dir, b".").map_err(|source| failed(path, source))?;
        for name in disk::names(&dir).map_err(|source| failed(path, source))? {
            let next = path.join(disk::path_of(&name));
            let verdict = self.choice.ignore.verdict(&next, verdict);
            let is_out = self.choice.ignore.is_out(verdict);
            if search.set.is_match(&next) {
                if is_out && self.choice.ignore.is_final(verdict) {
                    self.ignored += 1;
                } else if self.take(search.root, &next, verdict)? {
                    continue;
                }
            }
            if is_out && self.choice.ignore.is_final(verdict) || level + 1 >= search.depth {
                continue;
            }
            let stat = disk::look(&dir, &name).map_err(|source| failed(&next, source))?;
            if stat.is_some_and(|stat| disk::kind(&stat) == FileType::Directory) {
                let inner = disk::open_dir(&dir, &name).map_err(|source| failed(&next, source))?;
                self.search(search, inner.as_fd(), &next, verdict)?;
            }
        }
        Ok(())
    }

    /// Takes what a path names. Returns whether there was something to take.
    fn take(&mut self, root: &Root, path: &Path, verdict: Verdict) -> Result<bool, TreeError> {
        let failed = |source| TreeError { path: path.into(), source };
        let nofollow = if self.choice.follow_links { OFlags::empty() } else { OFlags::NOFOLLOW };
        let open = match root.resolve(path, OFlags::PATH | nofollow) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(false);
            }
            result => result.map_err(failed)?,
        };
        let stat = rustix::fs::fstat(&open).map_err(|error| failed(error.into()))?;
        let rules = Rules::new(&self.choice.ignore, &self.choice.exclude);
        if disk::kind(&stat) == FileType::Directory {
            let at = self.place(path, Path::new(""));
            let before = self.selection.leaves.len();
            let own = leaf(path.into(), at.clone(), LeafKind::Directory, &stat);
            self.selection.leaves.push(own);
            let is_ignored = self.choice.ignore.is_out(verdict);
            let within = walk(&rules, open.as_fd(), Way::new(path, &at).with_outer(verdict))?;
            let any = !within.leaves.is_empty();
            self.selection.append(within);
            if !any && is_ignored {
                self.selection.leaves.truncate(before);
                self.ignored += 1;
                return Ok(true);
            }
        } else {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            if self.choice.ignore.is_out(verdict) || self.choice.exclude.excludes(&name) {
                self.ignored += 1;
                return Ok(true);
            }
            let at = self.place(path, &name);
            let target = || Ok(rustix::fs::readlinkat(&open, "", Vec::new())?.into_bytes());
            self.selection.add(path.into(), at, &stat, target)?;
        }
        self.matches += 1;
        Ok(true)
    }

    /// Returns where something goes: with its directories, or as `name`.
    fn place(&self, path: &Path, name: &Path) -> PathBuf {
        if self.choice.keep_parents { path.components().skip(self.pivot).collect() } else { name.to_owned() }
    }
}
