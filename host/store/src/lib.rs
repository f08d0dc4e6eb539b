// SPDX-License-Identifier: Apache-2.0
//! What builds leave behind: blobs, layers, results and images, in one directory that many processes share.
//!
//! The store refuses to know how a layer is made or what its tar archive looks like, how images are built, and what
//! time it is: who opens it says so.
//!
//! ```text
//! store/                     mode 0700
//! ├── index.db               SQLite (WAL): records, names, key parts, traces, file-stat cache
//! ├── roll                   images and names once more, for the day on which the index is damaged
//! ├── blobs/sha256/<hex>     manifests, configurations, artifacts; written whole, then renamed into place
//! ├── layers/<hex>/fs        unpacked changes by diff id, usable as an overlay lower directory; or `on` and `top`
//! ├── active/<id>/           upper, work and plumbing of a running step; locked while its process lives
//! ├── volumes/<name>/        named volumes; never collected
//! ├── cache/<hex>/           cache mounts, by the hash of their id
//! ├── compiled/              compiled plugins
//! ├── logs/<build>/<step>    full output of steps
//! ├── locks/                 files whose bytes are locked: `leases-NN`, `keys`, `caches`
//! ├── quota                  the most bytes that all of it may take; not there where that is not limited
//! └── reserve                room for a collection on a full disk
//! ```
//!
//! - **Content counts when the index has a record of it.** A commit is a rename inside one index transaction, so a
//!   file without a record is garbage of a crash, and a record without its file is no record.
//! - **Nothing on the way waits for the disk.** Records carry the boot id under which they were written until
//!   [`Store::sync`] or [`Store::save_image`] has flushed the file system once; records of another boot that were
//!   never flushed count for nothing. A saved image survives a power cut.
//! - **What was looked up stays.** A handle leases every layer, blob and image that it has returned or written, with
//!   kernel locks that end with the process; [`Store::gc`] passes over them.
//! - **Roots** of collection are the named images. Everything else goes by age and size.
//!
//! ```
//! use std::io::Write as _;
//!
//! let directory = tempfile::tempdir()?;
//! let store = wythe_store::Store::open(&directory.path().join("store"), 1_790_000_000)?;
//! let mut writer = store.blob_writer()?;
//! writer.write_all(b"hello")?;
//! let (digest, length) = writer.finish(None)?;
//! assert_eq!((store.read_blob(&digest)?, length), (Some(b"hello".to_vec()), 5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod active;
mod blob;
mod boot;
mod cache;
mod claim;
mod distrust;
mod gc;
mod heal;
mod image;
mod index;
mod layer;
mod lease;
mod lock;
mod log;
mod memory;
mod open;
mod parts;
mod quota;
mod range;
mod recall;
mod record;
mod remove;
mod reserve;
mod result;
mod roll;
mod schema;
mod stat;
mod sweeper;
mod sync;
mod traffic;
mod usage;
mod verify;
mod volume;

pub use active::{Active, BeginError, Meter};
pub use blob::{BlobError, BlobReader, BlobWriter, WriteBlobError};
pub use cache::{CacheError, CacheMount, CacheSharing};
pub use gc::{GcError, GcPolicy, GcReport};
pub use heal::Healed;
pub use image::{Candidate, FindImageError, ImageRow, SaveImageError, StoredImage};
pub use index::{IndexError, IndexFault};
pub use layer::CommitError;
pub use lock::{KeyLock, LockError};
pub use log::LogError;
pub use open::{OpenError, Store};
pub use quota::{QuotaError, total};
pub use record::RecordError;
pub use result::{Missing, ResultRecord};
pub use stat::{FileStat, FileStats, KnownFile};
pub use sync::SyncError;
pub use traffic::{Reached, Request, Traffic};
pub use usage::{Class, Tally, Usage};
pub use verify::{Damage, Finding, LayerDigest, Progress, VerifyError, VerifyReport};
pub use volume::{VolumeError, VolumeMount};
