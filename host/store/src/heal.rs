// SPDX-License-Identifier: Apache-2.0
//! An index that cannot be used is made again, by the next opening of the store and without anybody asking.
//!
//! Who meets the damage leaves a mark. Who opens the store next waits until no other process has it open (each holds a
//! lease on the index), puts the index aside, and makes a new one: images and names from the roll, the rest from what can
//! still be read of the old one and from what lies in the store. The mark goes last, so that a crash in between begins anew.

mod salvage;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wythe_image::Digest;

use crate::index::{self, Commit, Index, IndexError, mark};
use crate::lease::Leases;
use crate::recall::Recall;
use crate::roll::{self, Roll};

/// What is left of the old index, until the next collection.
pub(crate) const ASIDE: &str = "index.db-aside";

/// The new index, until it is whole.
const NEW: &str = "index.db-new";

/// The pause between two looks whether other processes have the damaged index open.
const PAUSE: Duration = Duration::from_millis(20);

/// How many pauses an opening waits for them by itself: ten seconds.
const PAUSES: u32 = 500;

/// Waits for a while.
pub(crate) fn briefly() -> impl FnMut() -> ControlFlow<()> {
    let mut left = PAUSES;
    move || {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A new index, and what it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healed {
    /// Images with their names.
    pub images: u64,
    /// Layers.
    pub layers: u64,
    /// Blobs.
    pub blobs: u64,
    /// Results that need not be made again.
    pub results: u64,
}

/// Returns the digest that stands for the index among leases: every handle holds it.
pub(crate) fn lease() -> Digest {
    Digest::of(index::FILE.as_bytes())
}

/// A damaged index that cannot be made again.
#[derive(Debug)]
pub(crate) enum HealError {
    /// Other processes use it.
    InUse,
    /// A file cannot be used.
    File { path: PathBuf, source: io::Error },
    /// The new one cannot be written.
    Index(IndexError),
}

impl From<IndexError> for HealError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// Makes the index again where it is damaged. The caller holds no lease on it.
///
/// `on_wait` is called before each pause in which others have it open; breaking ends the wait. `None` where there is nothing to
/// do after all: another process was faster, or an error only looked like damage.
pub(crate) fn heal(
    recall: &Recall<'_>,
    directory: &File,
    on_wait: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Healed>, HealError> {
    let root = recall.root;
    let lock_file = |source| HealError::File { path: root.join(crate::lease::FILES), source };
    // Until this is dropped nobody else opens the index.
    let alone = Leases::new(root).collector();
    while !alone.try_take(&lease()).map_err(lock_file)? {
        if on_wait().is_break() {
            return Err(HealError::InUse);
        }
        std::thread::sleep(PAUSE);
    }
    if !mark::is_confirmed(root) {
        mark::remove(root);
        return Ok(None);
    }
    let healed = make_again(recall, directory)?;
    mark::remove(root);
    Ok(Some(healed))
}

fn make_again(recall: &Recall<'_>, directory: &File) -> Result<Healed, HealError> {
    let file = |path: PathBuf| move |source| HealError::File { path, source };
    let path = |name: &str| recall.root.join(name);
    put_aside(recall.root).map_err(file(path(index::FILE)))?;
    remove_index(&path(NEW)).map_err(file(path(NEW)))?;
    let directory = || directory.try_clone().map_err(file(recall.root.to_owned()));
    let new = Index::open(path(NEW), directory()?)?.unwrap_or_else(|_| unreachable!("it was just made"));
    let healed = fill(&new, recall)?;
    new.close_folded()?;
    for companion in index::COMPANIONS {
        remove(&path(&format!("{NEW}{companion}"))).map_err(file(path(NEW)))?;
    }
    std::fs::rename(path(NEW), path(index::FILE)).map_err(file(path(index::FILE)))?;
    directory()?.sync_all().map_err(file(recall.root.to_owned()))?;
    Ok(healed)
}

/// Moves the damaged index, with its log, out of the way. Where there is none a crash came in between, and what was put
/// aside before stays.
fn put_aside(root: &Path) -> io::Result<()> {
    let path = |name: &str, companion: &str| root.join(format!("{name}{companion}"));
    if !path(index::FILE, "").try_exists()? {
        return Ok(());
    }
    remove_index(&root.join(ASIDE))?;
    // The log first: with another database it would be taken for that one's.
    for companion in ["-wal", ""] {
        match std::fs::rename(path(index::FILE, companion), path(ASIDE, companion)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    remove(&path(index::FILE, "-shm"))
}

fn fill(new: &Index, recall: &Recall<'_>) -> Result<Healed, IndexError> {
    let roll = Roll::new(recall.root);
    let is_whole = roll.read()?.is_whole;
    let old = salvage::Old::open(&recall.root.join(ASIDE));
    new.write(Commit::Durable, |index| {
        if let Some(old) = &old {
            old.content(recall, index)?;
            old.records(recall, index)?;
        }
        salvage::loose_blobs(recall, index)?;
        salvage::loose_caches(recall, index)?;
        // A roll that is whole tells it better.
        if let Some(old) = old.as_ref().filter(|_| !is_whole) {
            old.images(recall, index)?;
        }
        recall.agree(index, &roll)?;
        let count =
            |sql: &str| Ok::<_, IndexError>(index.row(sql, [], |row| row.get::<_, i64>(0))?.unwrap_or_default());
        Ok(Healed {
            images: count("SELECT count(*) FROM images")?.unsigned_abs(),
            layers: count("SELECT count(*) FROM layers")?.unsigned_abs(),
            blobs: count("SELECT count(*) FROM blobs")?.unsigned_abs(),
            results: count("SELECT count(*) FROM results")?.unsigned_abs(),
        })
    })
}

/// Removes an index that was put aside.
pub(crate) fn remove_aside(root: &Path) {
    // It is in nobody's way: the next collection tries again.
    drop(remove_index(&root.join(ASIDE)));
}

fn remove_index(path: &Path) -> io::Result<()> {
    for companion in ["-wal", "-shm", ""] {
        remove(Path::new(&format!("{}{companion}", path.display())))?;
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a roll says that the store has another format than its index.
pub(crate) fn contradicts(root: &Path, format: i64) -> bool {
    roll::Roll::new(root).read().is_ok_and(|told| told.format.is_some_and(|told| told != format))
}
