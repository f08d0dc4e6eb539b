// SPDX-License-Identifier: Apache-2.0
//! The build context: the directory whose files a definition may use, and nothing outside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use wythe_image::{Digest, to_canonical_json};
use wythe_plan::{Brush, FactAnswer, PlanError};
use wythe_snapshot::{Choice, Coverage, LeafKind, Patterns, Selection, Stamp};
use wythe_store::{FileStat, FileStats, KnownFile, Store};
use wythe_sys::fault::is_of_machine;
use wythe_sys::root::Root;

use crate::error::Cause;
use crate::state::{answer, reason};
use crate::trace::full_text;

/// The files that a definition may use.
#[derive(Debug)]
pub(crate) struct Context {
    root: Root,
    dir: PathBuf,
    store: Arc<Store>,
    /// When the build began, in seconds since 1970.
    now: i64,
    /// What earlier builds and this one have read; looked up when it is first asked for.
    known: Mutex<Option<FileStats>>,
    /// What was chosen before, or is being chosen: who asks for the same meanwhile waits for it.
    chosen: Mutex<BTreeMap<Digest, Arc<Place>>>,
}

/// Where a choice is, once it is made.
type Place = Mutex<Option<Arc<Chosen>>>;

/// Files of the context, with the digest that stands for them in keys: of names, types, modes and contents.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) files: Selection,
    pub(crate) digest: Digest,
}

impl Context {
    pub(crate) fn open(dir: &Path, store: Arc<Store>, now: i64) -> Result<Self, Cause> {
        let doing = format!("cannot open the build context `{}`", dir.display());
        let root = Root::open(dir).map_err(Cause::doing(doing))?;
        Ok(Self { root, dir: dir.to_owned(), store, now, known: Mutex::default(), chosen: Mutex::default() })
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn read_file(&self, path: &str, limit: u64) -> Result<FactAnswer, PlanError> {
        match inside(path) {
            Ok(relative) => answer(path, self.root.read_bounded(relative, limit)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    pub(crate) fn exists(&self, path: &str) -> Result<bool, PlanError> {
        let Ok(relative) = inside(path) else { return Ok(false) };
        Ok(answer(path, self.root.symlink_metadata(relative))?.is_ok())
    }

    /// Returns whether a path is itself a symbolic link.
    pub(crate) fn is_link(&self, path: &str) -> Result<bool, PlanError> {
        let Ok(relative) = inside(path) else { return Ok(false) };
        Ok(answer(path, self.root.symlink_metadata(relative))?.is_ok_and(|stat| stat.file_type().is_symlink()))
    }

    /// Returns the names of the files that match, one a line.
    pub(crate) fn glob(&self, pattern: &str) -> Result<FactAnswer, PlanError> {
        if let Err(reason) = inside(pattern) {
            return Ok(Err(reason));
        }
        let choice = Choice { patterns: vec![pattern.to_owned()], optional: true, ..Choice::default() };
        let found = match wythe_snapshot::select(&self.root, &choice) {
            Ok(found) => found,
            Err(error) if is_of_machine(&error) => return Err(PlanError::World(full_text(&error))),
            Err(error) => return Ok(Err(full_text(&error))),
        };
        let files = found.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Directory);
        let mut names: Vec<String> = files.map(|leaf| leaf.path.to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        Ok(Ok(names.join("\n").into_bytes()))
    }

    /// Returns the files that patterns choose, each with the digest of its content. Who asks again gets the same answer:
    /// what is copied is what the key was made of.
    pub(crate) fn choose(&self, patterns: &[String], brush: &Brush) -> Result<Arc<Chosen>, Cause> {
        let name = Digest::of(&to_canonical_json(&(patterns, brush)));
        let place = Arc::clone(self.chosen.lock().expect("no choice panics").entry(name).or_default());
        let mut place = place.lock().expect("no choice panics");
        if let Some(known) = &*place {
            return Ok(Arc::clone(known));
        }
        let fail = |what: String| Cause::Context { what };
        for pattern in patterns {
            inside(pattern).map_err(|what| fail(format!("`{pattern}` {what}")))?;
        }
        let exclude = Patterns::new(&brush.exclude).map_err(|error| fail(full_text(&error)))?;
        let choice = Choice {
            patterns: patterns.to_vec(),
            ignore: Patterns::new(&brush.ignore).map_err(|error| fail(full_text(&error)))?,
            exclude,
            follow_links: brush.follow_links,
            keep_parents: brush.keep_parents,
            optional: brush.optional,
        };
        let mut files = wythe_snapshot::select(&self.root, &choice).map_err(unreadable)?;
        self.read(&mut files)?;
        let digest = files.digest(Coverage::Content).map_err(unreadable)?;
        let chosen = Arc::new(Chosen { files, digest });
        *place = Some(Arc::clone(&chosen));
        Ok(chosen)
    }

    /// Fills in the digest of each file: of one that has not changed since an earlier build without reading it.
    fn read(&self, files: &mut Selection) -> Result<(), Cause> {
        let mut unknown = Vec::new();
        self.with_known(|known| {
            for (index, leaf) in files.leaves.iter_mut().enumerate() {
                if leaf.kind == LeafKind::File(None) {
                    match known.get(&leaf.path, &stat_of(&leaf.stamp)) {
                        Some(digest) => leaf.kind = LeafKind::File(Some(digest)),
                        None => unknown.push(index),
                    }
                }
            }
        })?;
        if unknown.is_empty() {
            return Ok(());
        }
        files.read_contents(&self.root).map_err(unreadable)?;
        let read: Vec<(PathBuf, KnownFile)> = unknown
            .into_iter()
            .filter_map(|index| {
                let leaf = &files.leaves[index];
                let LeafKind::File(Some(digest)) = leaf.kind else { return None };
                Some((leaf.path.clone(), KnownFile { stat: stat_of(&leaf.stamp), digest }))
            })
            .collect();
        let pairs = read.iter().map(|(path, file)| (path.as_path(), file));
        let read_ns = self.now.saturating_mul(1_000_000_000);
        self.with_known(|known| pairs.clone().for_each(|(path, file)| known.learn(read_ns, path, file)))?;
        self.store.put_file_stats(&self.dir, read_ns, pairs, []).map_err(Cause::store)
    }

    /// Whether nobody has asked, or is asking, what the store knows of the files.
    pub(crate) fn has_to_recall(&self) -> bool {
        self.known.try_lock().is_ok_and(|known| known.is_none())
    }

    /// Has the store say what it knows of the files, for who chooses some meanwhile. Where it cannot, that one finds out, too.
    pub(crate) fn recall(&self) -> Result<(), Cause> {
        self.with_known(|_| ())
    }

    /// Looks at what is known of the files. The store is asked once: what is known of a large context is long.
    fn with_known<T>(&self, look: impl FnOnce(&mut FileStats) -> T) -> Result<T, Cause> {
        let mut known = self.known.lock().expect("no look at what is known panics");
        if known.is_none() {
            *known = Some(self.store.file_stats(&self.dir).map_err(Cause::store)?);
        }
        Ok(look(known.as_mut().expect("it was just looked up")))
    }

    /// Returns the path of a context file or directory on this machine, links resolved inside the context.
    pub(crate) fn path_of(&self, path: &str) -> Result<PathBuf, Cause> {
        let fail = |what: String| Cause::Context { what: format!("`{path}` {what}") };
        let relative = inside(path).map_err(fail)?;
        let real = crate::plumbing::real_path(&self.root, relative).map_err(|error| fail(reason(&error)))?;
        Ok(self.dir.join(real.strip_prefix("/").unwrap_or(&real)))
    }
}

/// Tells what is wrong with the context from what is wrong with the machine.
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
    if is_of_machine(&error) {
        let source = std::io::Error::other(error);
        return Cause::Machine { doing: "cannot read the build context".to_owned(), source };
    }
    Cause::Context { what: full_text(&error) }
}

/// What the kernel says of a file, in the words of the store.
fn stat_of(stamp: &Stamp) -> FileStat {
    let nanoseconds = |time: i128| i64::try_from(time).unwrap_or(i64::MAX);
    FileStat {
        dev: stamp.device,
        ino: stamp.inode,
        size: stamp.size,
        mtime_ns: nanoseconds(stamp.modified),
        ctime_ns: nanoseconds(stamp.changed),
    }
}

/// Refuses a name that leaves the context.
fn inside(path: &str) -> Result<&Path, String> {
    let relative = Path::new(path);
    let leaves =
        relative.is_absolute() || relative.components().any(|part| matches!(part, std::path::Component::ParentDir));
    if leaves { Err("is outside the build context".to_owned()) } else { Ok(relative) }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn names_stay_inside() {
        for path in ["a", "a/b", "./a", ".", "a..b", "..a/b"] {
            assert!(inside(path).is_ok(), "{path} was refused");
        }
        for path in ["/a", "..", "../a", "a/../../b", "a/.."] {
            assert!(inside(path).is_err(), "{path} was accepted");
        }
    }
}
