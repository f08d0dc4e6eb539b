// SPDX-License-Identifier: Apache-2.0
//! A tree as `git` has left it, brought into the form that it has on every machine.
//!
//! Nothing runs in it any more, so what is looked at does not change; links are never followed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::GitError;

/// Returns the directory that is wanted. A link on the way could lead anywhere.
pub(super) fn directory(top: &Path, subdir: &str) -> Result<PathBuf, GitError> {
    let mut path = top.to_owned();
    let mut so_far = String::new();
    for part in subdir.split('/').filter(|part| !part.is_empty()) {
        path.push(part);
        so_far = if so_far.is_empty() { part.to_owned() } else { format!("{so_far}/{part}") };
        let refuse = |why| Err(GitError::Directory { path: so_far.clone(), why });
        match path.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(found) if found.is_symlink() => return refuse("is a link, and only a directory can be taken"),
            Ok(_) => return refuse("is a file, and only a directory can be taken"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return refuse("is not there"),
            Err(error) => return Err(GitError::Machine { doing: format!("cannot look at `{so_far}`"), source: error }),
        }
    }
    Ok(path)
}

/// Gives files the two modes that git knows, whatever this process's umask is, and removes what belongs to git unless it is kept.
pub(super) fn clean(top: &Path, keeps_git_dir: bool) -> Result<(), GitError> {
    walk(top, &mut |path, kind| {
        if !keeps_git_dir && path.file_name().is_some_and(|name| name == ".git") {
            if kind.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
            return Ok(false);
        }
        if kind.is_symlink() {
            return Ok(false);
        }
        let mode = path.symlink_metadata()?.permissions().mode();
        let wanted = if kind.is_dir() || mode & 0o100 != 0 { 0o755 } else { 0o644 };
        if mode & 0o7777 != wanted {
            fs::set_permissions(path, Permissions::from_mode(wanted))?;
        }
        Ok(kind.is_dir())
    })
}

/// Returns the directory `.git` and those of submodules in it.
pub(super) fn git_dirs(git_dir: &Path) -> Result<Vec<PathBuf>, GitError> {
    let mut found = vec![git_dir.to_owned()];
    if git_dir.join("modules").is_dir() {
        walk(&git_dir.join("modules"), &mut |path, kind| {
            if kind.is_dir() && path.join("HEAD").is_file() && path.join("objects").is_dir() {
                found.push(path.to_owned());
            }
            Ok(kind.is_dir() && path.file_name().is_none_or(|name| name != "objects"))
        })?;
    }
    found.sort();
    Ok(found)
}

/// Removes from a `.git` what tells when and how it was made.
pub(super) fn forget(git_dir: &Path) -> Result<(), GitError> {
    for name in ["FETCH_HEAD", "ORIG_HEAD", "index", "description"] {
        unless_absent(fs::remove_file(git_dir.join(name))).map_err(failed(git_dir))?;
    }
    for name in ["logs", "hooks", "info", "branches", "refs/wythe", "refs/remotes"] {
        unless_absent(fs::remove_dir_all(git_dir.join(name))).map_err(failed(git_dir))?;
    }
    Ok(())
}

/// What is not there is as good as removed.
fn unless_absent(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Visits all that is below a directory, and the directory itself; `visit` says whether to go into it.
fn walk(top: &Path, visit: &mut dyn FnMut(&Path, fs::FileType) -> io::Result<bool>) -> Result<(), GitError> {
    let mut pending = Vec::new();
    let kind = top.symlink_metadata().map_err(failed(top))?.file_type();
    if visit(top, kind).map_err(failed(top))? {
        pending.push(top.to_owned());
    }
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).map_err(failed(&dir))? {
            let entry = entry.map_err(failed(&dir))?;
            let kind = entry.file_type().map_err(failed(&dir))?;
            if visit(&entry.path(), kind).map_err(failed(&dir))? {
                pending.push(entry.path());
            }
        }
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> GitError {
    GitError::doing(format!("cannot bring `{}` into order", path.display()))
}
