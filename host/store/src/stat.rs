// SPDX-License-Identifier: Apache-2.0
//! The file-stat cache: digests of context files that need not be read again.
//!
//! A build with 100,000 unchanged files may spend on this what it spends on asking the kernel about them, so a whole
//! build context is read at once and in order.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use wythe_image::Digest;

use crate::Store;
use crate::index::{Access, Commit, IndexError};
use crate::record::digest_of;

/// A file that was changed less than this before it was read may change again without another time stamp: kernels
/// take the time of a change from a clock that ticks each 1 to 10 ms.
const TICK_NS: i64 = 50_000_000;

/// The same for file systems that keep whole seconds, or two.
const COARSE_NS: i64 = 2_100_000_000;

const SECOND_NS: i64 = 1_000_000_000;

/// What the kernel says of a file. Any difference means that the file is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of content, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Time of the last change of content or attributes, in nanoseconds since 1970.
    pub ctime_ns: i64,
}

impl FileStat {
    /// Takes what matters from a file's metadata.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(SECOND_NS).saturating_add(rest);
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns whether a change after `read_ns` would have left another time stamp.
    fn is_settled(&self, read_ns: i64) -> bool {
        let is_coarse = self.ctime_ns % SECOND_NS == 0 && self.mtime_ns % SECOND_NS == 0;
        let latest = self.ctime_ns.max(self.mtime_ns);
        latest.saturating_add(if is_coarse { COARSE_NS } else { TICK_NS }) < read_ns
    }
}

/// A file with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// What the kernel said just before the file was read.
    pub stat: FileStat,
    /// Digest of its content.
    pub digest: Digest,
}

/// The known files of one build context, by their paths relative to its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileStats {
    files: BTreeMap<Vec<u8>, KnownFile>,
}

impl FileStats {
    /// Returns the digest of a file that has not changed since it was read.
    #[must_use]
    pub fn get(&self, path: &Path, stat: &FileStat) -> Option<Digest> {
        let known = self.files.get(path.as_os_str().as_bytes())?;
        (known.stat == *stat).then_some(known.digest)
    }

    /// Adds a file that was read, where [`Store::put_file_stats`] would remember it.
    pub fn learn(&mut self, read_ns: i64, path: &Path, file: &KnownFile) {
        if file.stat.is_settled(read_ns) {
            self.files.insert(path.as_os_str().as_bytes().to_vec(), file.clone());
        }
    }

    /// Returns how many files are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns whether no file is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl Store {
    /// Returns what is known of the files below a directory.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be read.
    pub fn file_stats(&self, root: &Path) -> Result<FileStats, IndexError> {
        self.inner.index.read(|index| {
            let Some(root) = root_id(index, root)? else { return Ok(FileStats::default()) };
            let sql =
                "SELECT path, dev, ino, size, mtime_ns, ctime_ns, sha256 FROM stats WHERE root = ?1 ORDER BY path";
            let take = |row: &rusqlite::Row<'_>| {
                let stat = FileStat {
                    dev: row.get::<_, i64>(1)?.cast_unsigned(),
                    ino: row.get::<_, i64>(2)?.cast_unsigned(),
                    size: row.get::<_, i64>(3)?.cast_unsigned(),
                    mtime_ns: row.get(4)?,
                    ctime_ns: row.get(5)?,
                };
                let Some(digest) = digest_of(row.get_ref(6)?.as_str()?) else { return Ok(None) };
                Ok(Some((row.get::<_, Vec<u8>>(0)?, KnownFile { stat, digest })))
            };
            let files = index.rows(sql, [root], take)?;
            Ok(FileStats { files: files.into_iter().flatten().collect() })
        })
    }

    /// Adds files that were read, in place of what was known of them, and forgets others.
    ///
    /// `read_ns` is the time at which reading began, in nanoseconds since 1970. Files that changed just before it are
    /// not remembered, since they could change again without looking different.
    ///
    /// # Errors
    ///
    /// Fails where the index cannot be written.
    pub fn put_file_stats<'f>(
        &self,
        root: &Path,
        read_ns: i64,
        read: impl IntoIterator<Item = (&'f Path, &'f KnownFile)>,
        gone: impl IntoIterator<Item = &'f Path>,
    ) -> Result<(), IndexError> {
        self.inner.index.write(Commit::Lazy, |index| {
            let id = ensure_root(index, root, self.inner.now)?;
            for path in gone {
                index.run("DELETE FROM stats WHERE root = ?1 AND path = ?2", (id, path.as_os_str().as_bytes()))?;
            }
            for (path, file) in read.into_iter().filter(|(_, file)| file.stat.is_settled(read_ns)) {
                put(index, id, path, file)?;
            }
            Ok(())
        })
    }
}

fn put(index: &Access<'_>, root: i64, path: &Path, file: &KnownFile) -> Result<usize, IndexError> {
    let sql = "INSERT OR REPLACE INTO stats (root, path, dev, ino, size, mtime_ns, ctime_ns, sha256) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let FileStat { dev, ino, size, mtime_ns, ctime_ns } = file.stat;
    let (dev, ino, size) = (dev.cast_signed(), ino.cast_signed(), size.cast_signed());
    index.run(sql, (root, path.as_os_str().as_bytes(), dev, ino, size, mtime_ns, ctime_ns, file.digest.hex()))
}

fn root_id(index: &Access<'_>, root: &Path) -> Result<Option<i64>, IndexError> {
    index.row("SELECT id FROM stat_roots WHERE root = ?1", [root.as_os_str().as_bytes()], |row| row.get(0))
}

fn ensure_root(index: &Access<'_>, root: &Path, now: i64) -> Result<i64, IndexError> {
    let sql = "INSERT INTO stat_roots (root, used) VALUES (?1, ?2) \
               ON CONFLICT (root) DO UPDATE SET used = max(used, ?2)";
    index.run(sql, (root.as_os_str().as_bytes(), now))?;
    Ok(root_id(index, root)?.expect("a row that was just made is there"))
}

#[cfg(test)]
mod tests {
    use super::{FileStat, SECOND_NS};

    #[test]
    fn a_file_is_settled_once_the_clock_has_ticked() {
        let stat = |ns| FileStat { dev: 1, ino: 2, size: 3, mtime_ns: ns, ctime_ns: ns };
        for (changed, read, settled) in [
            (SECOND_NS + 7, SECOND_NS + 8, false),
            (SECOND_NS + 7, SECOND_NS + 49_000_000, false),
            (SECOND_NS + 7, SECOND_NS + 60_000_000, true),
            (SECOND_NS, SECOND_NS + 60_000_000, false),
            (SECOND_NS, 4 * SECOND_NS, true),
            (9 * SECOND_NS + 1, 4 * SECOND_NS, false),
        ] {
            assert_eq!(stat(changed).is_settled(read), settled, "changed {changed}, read {read}");
        }
    }
}
