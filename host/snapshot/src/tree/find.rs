// SPDX-License-Identifier: Apache-2.0
//! Finds the names in a tree that a pattern fits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use globset::GlobMatcher;
use rustix::fs::{Dir, FileType};
use rustix::io::retry_on_intr;
use wythe_sys::fault::is_of_machine;
use wythe_sys::root::Root;

use super::patterns::{clean, glob, is_pattern};
use super::{SelectError, TreeError};
use crate::disk;

/// Returns all that a pattern fits, relative to the root and sorted: files, directories, links and whatever else has a name.
///
/// The directories before the pattern's first special character are looked up, links followed inside the root; from there on
/// no link is followed. Nothing there is no error.
///
/// # Errors
///
/// When the pattern cannot be understood, or a directory cannot be read.
pub fn find(root: &Root, pattern: &str) -> Result<Vec<PathBuf>, SelectError> {
    let text = clean(pattern);
    if text.split('/').any(|part| part == "..") {
        return Err(SelectError::Outside(pattern.to_owned()));
    }
    if !is_pattern(&text) {
        let found = there(root.symlink_metadata(Path::new(&text)), Path::new(&text))?;
        return Ok(found.map(|_| PathBuf::from(text)).into_iter().collect());
    }
    let fixed: PathBuf = text.split('/').take_while(|part| !is_pattern(part)).collect();
    let Some(start) = there(root.descend(&fixed), &fixed)? else { return Ok(Vec::new()) };
    let depth = if text.contains("**") { usize::MAX } else { text.split('/').count() };
    let matcher = glob(&text).map_err(SelectError::Pattern)?.compile_matcher();
    let mut search = Search { matcher, depth, found: Vec::new() };
    search.directory(start.as_fd(), &fixed).map_err(SelectError::Tree)?;
    search.found.sort();
    Ok(search.found)
}

/// Tells that nothing is there from a machine that cannot say.
fn there<T>(found: io::Result<T>, path: &Path) -> Result<Option<T>, SelectError> {
    match found {
        Err(source) if is_of_machine(&source) => Err(SelectError::Tree(TreeError { path: path.into(), source })),
        found => Ok(found.ok()),
    }
}

struct Search {
    matcher: GlobMatcher,
    /// Number of components that a match has at most.
    depth: usize,
    found: Vec<PathBuf>,
}

impl Search {
    fn directory(&mut self, dir: BorrowedFd<'_>, path: &Path) -> Result<(), TreeError> {
        let failed = |path: &Path, source| TreeError { path: path.into(), source };
        let level = path.components().count();
        disk::check_depth(level).map_err(|source| failed(path, source))?;
        let dir = disk::open_dir(dir, b".").map_err(|source| failed(path, source))?;
        for entry in retry_on_intr(|| Dir::read_from(&dir)).map_err(|error| failed(path, error.into()))? {
            let entry = entry.map_err(|error| failed(path, error.into()))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let next = path.join(disk::path_of(name));
            let is_directory = entry.file_type() == FileType::Directory;
            if is_directory && level + 1 < self.depth {
                let inner = disk::open_dir(&dir, name).map_err(|source| failed(&next, source))?;
                self.directory(inner.as_fd(), &next)?;
            }
            if self.matcher.is_match(&next) {
                self.found.push(next);
            }
        }
        Ok(())
    }
}
