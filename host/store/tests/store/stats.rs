// SPDX-License-Identifier: Apache-2.0

use std::fs;
use std::path::{Path, PathBuf};

use wythe_image::Digest;
use wythe_store::{FileStat, FileStats, KnownFile};

use crate::support::TestStore;

const LATER_NS: i64 = i64::MAX;

fn known(number: u64) -> KnownFile {
    let stat = FileStat { dev: u64::MAX, ino: number, size: number, mtime_ns: 7, ctime_ns: -8 };
    KnownFile { stat, digest: Digest::of(&number.to_le_bytes()) }
}

#[test]
fn known_files_are_found_while_nothing_differs() {
    let store = TestStore::new();
    let files: Vec<(PathBuf, KnownFile)> = (0..300).map(|n| (format!("dir/{n}").into(), known(n))).collect();
    let read = || files.iter().map(|(path, file)| (path.as_path(), file));
    store.put_file_stats(Path::new("/context"), LATER_NS, read(), []).unwrap();
    let stats = store.file_stats(Path::new("/context")).unwrap();
    assert_eq!(stats.len(), 300);
    let mut learned = FileStats::default();
    read().for_each(|(path, file)| learned.learn(LATER_NS, path, file));
    assert_eq!(learned, stats, "what a build has read is known to it as to the next one");
    for (path, file) in &files {
        assert_eq!(stats.get(path, &file.stat), Some(file.digest));
        assert_eq!(stats.get(path, &FileStat { ino: file.stat.ino + 1, ..file.stat }), None);
        assert_eq!(stats.get(path, &FileStat { ctime_ns: 0, ..file.stat }), None);
    }
    assert!(store.file_stats(Path::new("/other")).unwrap().is_empty());
    let changed = known(1000);
    store
        .put_file_stats(Path::new("/context"), LATER_NS, [(Path::new("dir/1"), &changed)], [Path::new("dir/2")])
        .unwrap();
    let stats = store.file_stats(Path::new("/context")).unwrap();
    assert_eq!(stats.get(Path::new("dir/1"), &changed.stat), Some(changed.digest));
    assert_eq!(stats.get(Path::new("dir/2"), &files[2].1.stat), None);
    assert_eq!(stats.len(), 299);
}

#[test]
fn a_file_that_was_just_changed_is_not_remembered() {
    let store = TestStore::new();
    let path = store.directory().join("file");
    fs::write(&path, "text").unwrap();
    let stat = FileStat::of(&fs::metadata(&path).unwrap());
    let file = KnownFile { stat, digest: Digest::of(b"text") };
    let put = |read_ns| {
        store.put_file_stats(&store.directory(), read_ns, [(Path::new("file"), &file)], []).unwrap();
        let stats = store.file_stats(&store.directory()).unwrap();
        let mut learned = FileStats::default();
        learned.learn(read_ns, Path::new("file"), &file);
        assert_eq!(learned, stats);
        stats.len()
    };
    assert_eq!(put(stat.ctime_ns + 1_000_000), 0);
    assert_eq!(put(stat.ctime_ns + 3_000_000_000), 1);
}
