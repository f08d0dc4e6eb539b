// SPDX-License-Identifier: Apache-2.0
//! A store of format 1 as an older program has left it. It must open for ever, or the format must rise.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wythe_image::{Digest, LayerRef};
use wythe_store::{FileStat, ResultRecord, Store};

use crate::support::{NOW, parts_digest};

const INDEX: &str = include_str!("format-1.sql");
const KEY: &[u8] = b"key";

fn old_store(path: &Path) {
    fs::create_dir_all(path.join("blobs/sha256")).unwrap();
    for name in ["locks", "layers", "active", "volumes", "cache", "compiled", "logs"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    let layer = path.join("layers/20d8bb8f8a1ac0a6a8e65d2ef1ff3cc5a2ca7f6f3f8e4f3f6f5c0fcf5a1ac0a6/fs");
    fs::create_dir_all(layer.join("etc")).unwrap();
    fs::write(path.join("blobs/sha256").join(Digest::of(b"manifest").hex()), "manifest").unwrap();
    fs::write(path.join("blobs/sha256").join(Digest::of(b"config").hex()), "config").unwrap();
    let index = rusqlite::Connection::open(path.join("index.db")).unwrap();
    index.execute_batch(INDEX).unwrap();
}

#[test]
fn a_store_of_format_1_is_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("store");
    old_store(&path);
    let store = Store::open(&path, NOW).unwrap();
    let diff_id = Digest::from_hex("20d8bb8f8a1ac0a6a8e65d2ef1ff3cc5a2ca7f6f3f8e4f3f6f5c0fcf5a1ac0a6").unwrap();
    let record = ResultRecord {
        layer: Some(LayerRef { diff_id, size: 1536 }),
        parts: "{}".into(),
        definition: "d".into(),
        step: "s".into(),
        created: 1,
        log: None,
        trees: BTreeMap::new(),
        network: None,
    };
    assert_eq!(store.result(&Digest::of(KEY)).unwrap(), Some(record.clone()));
    assert_eq!(store.recall("d", "s").unwrap(), Some(serde_json::to_string(&record).unwrap()));
    assert_eq!(store.trace(&Digest::of(KEY)).unwrap().as_deref(), Some("trace"));
    let image = store.image("app:latest").unwrap().unwrap();
    assert_eq!((image.manifest.as_slice(), image.config.as_slice()), (&b"manifest"[..], &b"config"[..]));
    assert_eq!(store.images().unwrap()[0].size, 1536);
    let stat = FileStat { dev: 1, ino: 2, size: 3, mtime_ns: 4, ctime_ns: 5 };
    let stats = store.file_stats(Path::new("/context")).unwrap();
    assert_eq!(stats.get(Path::new("file"), &stat), Some(Digest::of(KEY)));
    let report = store.verify(false, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
    // The layer's digest is made up; all else is whole.
    assert_eq!(report.findings.len(), 3, "{:?}", report.findings);
}

/// The tables that this program makes are those of format 1.
#[test]
fn a_new_store_has_the_tables_of_its_format() {
    let root = tempfile::tempdir().unwrap();
    let (old, new) = (root.path().join("old"), root.path().join("new"));
    old_store(&old);
    drop(Store::open(&new, NOW).unwrap());
    let tables = |path: &Path| -> Vec<String> {
        let index = rusqlite::Connection::open(path.join("index.db")).unwrap();
        let mut sql = index.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        let rows = sql.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|row| row.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(tables(&old), tables(&new));
}
