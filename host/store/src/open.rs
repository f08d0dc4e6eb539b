// SPDX-License-Identifier: Apache-2.0
//! Opening a store, and making one on first use.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use wythe_image::Digest;

use crate::distrust::Distrust;
use crate::heal::{self, HealError, Healed};
use crate::index::{self, Index, IndexError, mark};
use crate::lease::{self, Leases};
use crate::quota::LayerBytes;
use crate::recall::Recall;
use crate::record::Uses;
use crate::roll::Roll;
use crate::sweeper::Sweeper;
use crate::{boot, claim, schema};

mod place;

pub(crate) use place::ensure_shared_directory;
use place::{
    check_owner, check_writable, make_directories, open_part, open_root, refuse_another_index, refuse_other_things,
};

/// The directories of a store, parents first.
const DIRECTORIES: [&str; 9] =
    ["locks", "blobs", "blobs/sha256", "layers", "active", "volumes", "cache", "compiled", "logs"];

/// How many of them no store is without.
const NEEDED: usize = 5;

/// A store in one directory. Clones share one handle; any number of threads and processes may use it.
///
/// What the handle has returned or written is leased until its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    pub(crate) directory: File,
    pub(crate) active: Arc<OwnedFd>,
    pub(crate) sweeper: Sweeper,
    pub(crate) layers: OwnedFd,
    pub(crate) blobs: OwnedFd,
    pub(crate) index: Index,
    pub(crate) leases: Leases,
    pub(crate) roll: Roll,
    pub(crate) has_agreed: AtomicBool,
    healed: Option<Healed>,
    /// Blobs whose bytes were found right.
    pub(crate) checked: Mutex<BTreeSet<Digest>>,
    pub(crate) distrust: Distrust,
    pub(crate) uses: Uses,
    pub(crate) layer_bytes: LayerBytes,
    pub(crate) boot: String,
    pub(crate) now: i64,
    pub(crate) counter: AtomicU64,
}

/// A directory that cannot be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there and cannot be made.
    #[error("cannot make the store directory {}; choose another directory", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A part of it cannot be written.
    #[error("the store needs to write to {}; make it writable for this user or choose another directory", path.display())]
    NotWritable {
        /// What cannot be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else has made it. Layers have the owners that their files have on this disk, and these are other ids
    /// for another user: what one made, the other would take for damaged.
    #[error("the store in {} was made by another user (id {owner}); choose another directory", path.display())]
    OfAnother {
        /// The directory.
        path: PathBuf,
        /// The user, as this process sees it.
        owner: u32,
    },
    /// It holds something else.
    #[error("{} is not a store and not empty (it has `{entry}`); choose another directory", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// Something in it.
        entry: String,
    },
    /// A newer program has written it.
    #[error(
        "the store in {} has format {found} and this program knows format {known}; \
         use the newer program or choose another directory",
        path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// A part of it cannot be opened, or is not the directory that it should be.
    #[error("cannot open {}", path.display())]
    Open {
        /// The part.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index cannot be used.
    #[error("cannot open the store in {}", path.display())]
    Index {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: IndexError,
    },
    /// The index is damaged, and other processes have it open.
    #[error(
        "the index of the store in {} is damaged; it is made again once no other process uses the store: \
         wait for them and run this again",
        path.display()
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
    },
}

impl Store {
    /// Opens the store in a directory, and makes both on first use.
    ///
    /// `now`, in seconds since 1970, is the time of everything that this handle writes and of all ages that it
    /// computes. Garbage of processes that ended without tidying up is removed; nothing else is looked at.
    /// Where the index is damaged and other processes have it open, they are waited for, ten seconds at most.
    ///
    /// # Errors
    ///
    /// Each error names the path and, where there is one, the way out.
    pub fn open(directory: &Path, now: i64) -> Result<Self, OpenError> {
        Self::open_waiting(directory, now, &mut heal::briefly())
    }

    /// Opens a store as [`Store::open`] does, and waits as long as the caller likes for processes that have a damaged index
    /// open.
    ///
    /// `on_wait` is called before each pause (20 ms); breaking ends the wait.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; [`OpenError::Damaged`] where `on_wait` breaks.
    pub fn open_waiting(
        directory: &Path,
        now: i64,
        on_wait: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Self, OpenError> {
        Self::open_with(directory, now, boot::boot_id(), on_wait)
    }

    /// Opens a store as if the machine had the given boot id. Tests use it to play a restart of the machine.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    #[doc(hidden)]
    pub fn open_in_boot(directory: &Path, now: i64, boot: String) -> Result<Self, OpenError> {
        Self::open_with(directory, now, boot, &mut heal::briefly())
    }

    fn open_with(
        directory: &Path,
        now: i64,
        boot: String,
        on_wait: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Self, OpenError> {
        let root = std::path::absolute(directory)
            .map_err(|source| OpenError::Create { path: directory.to_owned(), source })?;
        let handle = open_root(&root)?;
        check_writable(&root, &handle)?;
        check_owner(&root, &handle)?;
        let recall = Recall { root: &root, boot: &boot, now };
        let (index, leases, healed) = open_index(&recall, &handle, on_wait)?;
        let active = Arc::new(open_part(&root, &handle, "active")?);
        let inner = Inner {
            sweeper: Sweeper::new(Arc::clone(&active)),
            active,
            layers: open_part(&root, &handle, "layers")?,
            blobs: open_part(&root, &handle, "blobs/sha256")?,
            leases,
            directory: handle,
            roll: Roll::new(&root),
            has_agreed: AtomicBool::new(false),
            healed,
            checked: Mutex::default(),
            root,
            index,
            distrust: Distrust::default(),
            uses: Uses::default(),
            layer_bytes: LayerBytes::default(),
            boot,
            now,
            counter: AtomicU64::new(0),
        };
        claim::sweep(&inner);
        inner.ensure_reserve();
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the store's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.inner.root
    }

    /// Returns what a new index knows, where opening has made one in place of one that was damaged.
    #[must_use]
    pub fn healed(&self) -> Option<&Healed> {
        self.inner.healed.as_ref()
    }

    /// Whether the store in a directory has an index that was found damaged, and will have another when it is opened next.
    #[must_use]
    pub fn will_heal(directory: &Path) -> bool {
        mark::is_there(directory)
    }

    /// Returns the directory for compiled plugins. Its content belongs to who compiles.
    #[must_use]
    pub fn compiled_dir(&self) -> PathBuf {
        self.inner.root.join("compiled")
    }
}

impl Inner {
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }
}

/// How often the index is made again before that is given up.
const HEALINGS: usize = 3;

/// Opens the index, made again where it is damaged, with a lease on it.
fn open_index(
    recall: &Recall<'_>,
    handle: &File,
    on_wait: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<(Index, Leases, Option<Healed>), OpenError> {
    let root = recall.root;
    let is_new = || matches!(rustix::fs::statat(handle, index::FILE, AtFlags::SYMLINK_NOFOLLOW), Err(Errno::NOENT));
    if is_new() && !mark::is_there(root) {
        refuse_other_things(root)?;
        make_directories(root)?;
        Roll::new(root).begin();
    } else {
        refuse_another_index(root)?;
    }
    let mut healed = None;
    for _ in 0..HEALINGS {
        let leases = Leases::new(root);
        let leased = leases.hold(&heal::lease());
        leased.map_err(|source| OpenError::Open { path: root.join(lease::FILES), source })?;
        if !mark::is_there(root) {
            let directory = handle.try_clone().map_err(|source| OpenError::Open { path: root.to_owned(), source })?;
            match Index::open(root.join(index::FILE), directory) {
                Ok(Ok(index)) => return Ok((index, leases, healed)),
                Ok(Err(newer)) if heal::contradicts(root, newer.0) => mark::leave_in(root),
                Ok(Err(newer)) => {
                    return Err(OpenError::Newer { path: root.to_owned(), found: newer.0, known: schema::FORMAT });
                }
                Err(error) if error.is_damage() => {}
                Err(source) => return Err(OpenError::Index { path: root.to_owned(), source }),
            }
        }
        drop(leases);
        healed = heal::heal(recall, handle, on_wait).map_err(|error| cannot_heal(root, error))?.or(healed);
    }
    Err(OpenError::Damaged { path: root.to_owned() })
}

fn cannot_heal(root: &Path, error: HealError) -> OpenError {
    match error {
        HealError::InUse => OpenError::Damaged { path: root.to_owned() },
        HealError::File { path, source } => OpenError::Open { path, source },
        HealError::Index(source) => OpenError::Index { path: root.to_owned(), source },
    }
}
