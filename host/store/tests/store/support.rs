// SPDX-License-Identifier: Apache-2.0
//! A store in a temporary directory, and layers whose digests are easy to compute.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{ControlFlow, Deref};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wythe_image::{Digest, Hasher, Image, LayerRef, Packed, Platform};
use wythe_store::{ResultRecord, Store};

pub const NOW: i64 = 1_790_000_000;
pub const DAY: i64 = 24 * 60 * 60;

pub struct TestStore {
    pub root: TempDir,
    store: Store,
}

impl TestStore {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&root.path().join("store"), NOW).unwrap();
        Self { root, store }
    }

    pub fn directory(&self) -> PathBuf {
        self.root.path().join("store")
    }

    /// Ends this handle and its leases, and opens another.
    pub fn reopen(self, now: i64) -> Self {
        let Self { root, store } = self;
        drop(store);
        let store = Store::open(&root.path().join("store"), now).unwrap();
        Self { root, store }
    }

    /// Ends this handle and leaves its directory.
    pub fn close(self) -> TempDir {
        let Self { root, store } = self;
        drop(store);
        root
    }

    /// As [`Self::reopen`], after a restart of the machine.
    pub fn reboot(self, now: i64) -> Self {
        let Self { root, store } = self;
        drop(store);
        let store = Store::open_in_boot(&root.path().join("store"), now, "another boot".into()).unwrap();
        Self { root, store }
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A stand-in for the digest of a layer's archive.
pub fn tree_digest(fs: &Path) -> Digest {
    parts_digest(&[fs.to_owned()])
}

/// The same for a layer in several directories, the lowest first.
pub fn parts_digest(parts: &[PathBuf]) -> Digest {
    let mut entries = BTreeMap::new();
    parts.iter().for_each(|part| list_tree(part, part, &mut entries));
    let mut hasher = Hasher::new();
    for (path, content) in entries {
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(b"\0");
        hasher.update(&content);
    }
    hasher.finish()
}

fn list_tree(root: &Path, directory: &Path, entries: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let content = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
        entries.insert(path.strip_prefix(root).unwrap().to_owned(), content);
        if path.is_dir() {
            list_tree(root, &path, entries);
        }
    }
}

/// The directory of a whole layer.
pub fn layer_dir(store: &Store, layer: &LayerRef) -> PathBuf {
    let dirs = store.layer_dirs(&layer.diff_id).unwrap().unwrap();
    assert_eq!(dirs.len(), 1);
    dirs.into_iter().next().unwrap()
}

/// Commits a layer with one file.
pub fn commit(store: &Store, text: &str) -> LayerRef {
    let active = store.begin().unwrap();
    fs::create_dir(active.upper().join("etc")).unwrap();
    fs::write(active.upper().join("etc/file"), text).unwrap();
    let layer = LayerRef { diff_id: tree_digest(&active.upper()), size: text.len() as u64 };
    store.commit_layer(active, &layer).unwrap();
    layer
}

pub fn record(layer: Option<LayerRef>, step: &str) -> ResultRecord {
    ResultRecord {
        layer,
        parts: format!(r#"{{"step":"{step}"}}"#),
        definition: "definition".into(),
        step: step.into(),
        created: NOW,
        log: None,
        trees: BTreeMap::new(),
        network: None,
    }
}

/// Commits a layer and its result, and returns both names.
pub fn build(store: &Store, text: &str) -> (Digest, LayerRef) {
    let (key, layer) = (key(text), commit(store, text));
    store.put_result(&key, &record(Some(layer), text)).unwrap();
    (key, layer)
}

pub fn key(text: &str) -> Digest {
    Digest::of(format!("key of {text}").as_bytes())
}

pub fn pack(layers: &[LayerRef]) -> Packed {
    pack_for("linux/amd64", layers)
}

pub fn pack_for(platform: &str, layers: &[LayerRef]) -> Packed {
    let scratch = Image::scratch(platform.parse::<Platform>().unwrap());
    let image = layers.iter().fold(scratch, |image, layer| image.append(*layer, "put"));
    image.pack("2026-11-01T00:00:00Z")
}

pub fn flip_a_byte(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    // Blobs are read-only; only a test overwrites one.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

pub fn never_wait() -> impl FnMut() -> ControlFlow<()> {
    || ControlFlow::Break(())
}

pub fn wait_for_ever() -> impl FnMut() -> ControlFlow<()> {
    || ControlFlow::Continue(())
}

/// Names of the entries of a directory of the store, sorted.
pub fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
