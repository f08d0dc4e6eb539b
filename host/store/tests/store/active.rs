// SPDX-License-Identifier: Apache-2.0

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use wythe_image::LayerRef;
use wythe_store::Store;

use crate::support::{NOW, TestStore, commit, entries, layer_dir, tree_digest};

#[test]
fn directories_have_fixed_modes_and_go_when_dropped() {
    let store = TestStore::new();
    let active = store.begin().unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!([mode(active.upper()), mode(active.work())], [0o755, 0o700]);
    // As overlayfs leaves it.
    fs::DirBuilder::new().mode(0o000).create(active.work().join("work")).unwrap();
    fs::write(active.upper().join("file"), "").unwrap();
    let dir = active.dir().to_owned();
    drop(active);
    store.finish_sweeping();
    assert!(!dir.exists());
}

#[test]
fn garbage_without_an_owner_goes_at_the_next_opening_and_beginning() {
    let store = TestStore::new();
    let active = store.begin().unwrap();
    let garbage = store.directory().join("active/1-0");
    let plant = || {
        fs::create_dir_all(garbage.join("work/work")).unwrap();
        fs::write(garbage.join("upper"), "").unwrap();
        fs::set_permissions(garbage.join("work/work"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::write(store.directory().join("active/1-1.blob"), "half").unwrap();
    };
    plant();
    Store::open(&store.directory(), NOW).unwrap();
    assert_eq!(entries(&store.directory().join("active")).len(), 1);
    plant();
    let other = store.begin().unwrap();
    assert_eq!(entries(&store.directory().join("active")).len(), 2);
    assert!(active.upper().is_dir() && other.upper().is_dir());
}

#[test]
fn a_committed_layer_is_found_and_only_its_changes_stay() {
    let store = TestStore::new();
    let active = store.begin().unwrap();
    fs::write(active.upper().join("file"), "text").unwrap();
    fs::create_dir(active.plumbing()).unwrap();
    fs::write(active.plumbing().join("resolv.conf"), "").unwrap();
    let layer = LayerRef { diff_id: tree_digest(&active.upper()), size: 7 };
    assert_eq!(store.layer_dirs(&layer.diff_id).unwrap(), None);
    store.commit_layer(active, &layer).unwrap();
    let path = layer_dir(&store, &layer);
    assert_eq!(path, store.directory().join("layers").join(layer.diff_id.hex()).join("fs"));
    assert_eq!(store.layer_dirs(&layer.diff_id).unwrap(), Some(vec![path.clone()]));
    assert_eq!(store.layer(&layer.diff_id).unwrap(), Some(layer));
    assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "text");
    store.finish_sweeping();
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn committing_again_keeps_the_first() {
    use std::os::unix::fs::MetadataExt as _;
    let store = TestStore::new();
    let layer = commit(&store, "text");
    let path = layer_dir(&store, &layer);
    let before = fs::metadata(&path).unwrap().ino();
    assert_eq!(commit(&store, "text"), layer);
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
    store.finish_sweeping();
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn a_directory_without_a_record_is_replaced() {
    let store = TestStore::new();
    let active = store.begin().unwrap();
    fs::write(active.upper().join("file"), "text").unwrap();
    let layer = LayerRef { diff_id: tree_digest(&active.upper()), size: 7 };
    // A process was killed between the rename and the commit of its record.
    let place = store.directory().join("layers").join(layer.diff_id.hex());
    fs::create_dir_all(place.join("fs/half")).unwrap();
    assert_eq!(store.layer_dirs(&layer.diff_id).unwrap(), None);
    store.commit_layer(active, &layer).unwrap();
    let path = layer_dir(&store, &layer);
    assert_eq!(entries(&path), ["file"]);
    store.finish_sweeping();
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn what_is_dropped_is_gone_when_the_handle_is() {
    let store = TestStore::new();
    let place = store.directory().join("active");
    let own = Store::open(&store.directory(), NOW).unwrap();
    for _ in 0..20 {
        let active = own.begin().unwrap();
        fs::create_dir_all(active.upper().join("a/b/c")).unwrap();
        drop(active);
    }
    drop(own);
    assert_eq!(entries(&place), [""; 0]);
}
