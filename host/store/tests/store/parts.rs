// SPDX-License-Identifier: Apache-2.0
//! Layers in two parts: what stands on another one needs it, and keeps it.

use std::fs;

use wythe_image::{Digest, LayerRef};
use wythe_store::{Class, Damage, GcPolicy, Missing, Store};

use crate::support::{NOW, TestStore, build, entries, key, layer_dir, pack, parts_digest, record};

/// Everything that no named image has.
fn everything() -> GcPolicy {
    GcPolicy { max_age: Some(0), ..GcPolicy::default() }
}

/// Commits a layer that has one file more than another one, with its result.
fn build_on(store: &Store, below: &LayerRef, text: &str) -> (Digest, LayerRef) {
    let dirs = store.layer_dirs(&below.diff_id).unwrap().unwrap();
    let mut active = store.begin().unwrap();
    fs::create_dir(active.upper().join("etc")).unwrap();
    fs::write(active.upper().join("etc/more"), text).unwrap();
    active.note("note", text.as_bytes()).unwrap();
    active.stand_on(below.diff_id);
    let parts = [dirs, vec![active.upper()]].concat();
    let layer = LayerRef { diff_id: parts_digest(&parts), size: 1000 };
    store.commit_result(active, &key(text), &record(Some(layer), text)).unwrap();
    (key(text), layer)
}

fn places(store: &TestStore) -> Vec<String> {
    entries(&store.directory().join("layers"))
}

fn sorted(layers: &[LayerRef]) -> Vec<String> {
    let mut names: Vec<String> = layers.iter().map(|layer| layer.diff_id.hex()).collect();
    names.sort();
    names
}

#[test]
fn a_layer_that_stands_on_another_one_is_a_layer() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (result, layer) = build_on(&store, &below, "more");
    let store = store.reopen(NOW);
    assert_eq!(store.result(&result).unwrap().and_then(|record| record.layer), Some(layer));
    let dirs = store.layer_dirs(&layer.diff_id).unwrap().unwrap();
    let top = store.directory().join("layers").join(layer.diff_id.hex()).join("top");
    assert_eq!(dirs, [layer_dir(&store, &below), top]);
    assert_eq!(parts_digest(&dirs), layer.diff_id);
    assert_eq!(store.layer_note(&layer.diff_id, "note").unwrap(), Some((Digest::of(b"more"), b"more".to_vec())));
    assert_eq!(store.layer_note(&layer.diff_id, "other").unwrap(), None);
    assert_eq!(store.layer_note(&below.diff_id, "note").unwrap(), None);
    let report = store.verify(false, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
    assert_eq!((report.findings, report.checked[&Class::Layers]), (Vec::new(), 2));
}

#[test]
fn what_a_kept_layer_stands_on_is_kept() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (result, layer) = build_on(&store, &below, "more");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    let store = store.reopen(NOW + 100);
    store.gc(&everything()).unwrap();
    assert_eq!(places(&store), sorted(&[below, layer]));
    assert_eq!(store.result(&result).unwrap().and_then(|record| record.layer), Some(layer));
    store.untag("app").unwrap();
    // Both at once: the one that stands goes first.
    let store = store.reopen(NOW + 200);
    store.gc(&everything()).unwrap();
    assert_eq!(places(&store), [""; 0]);
}

#[test]
fn by_size_a_layer_and_what_it_stands_on_go_together() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (result, _) = build_on(&store, &below, "more");
    let store = store.reopen(NOW + 100);
    // Only the result of the upper one has been used since.
    assert!(store.result(&result).unwrap().is_some());
    let store = store.reopen(NOW + 100);
    store.gc(&GcPolicy { max_bytes: Some(0), ..GcPolicy::default() }).unwrap();
    assert_eq!(places(&store), [""; 0]);
    assert_eq!(store.why_missing(&result).unwrap(), Some(Missing::Unrecorded));
}

#[test]
fn what_stands_there_since_the_choice_is_seen() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    // Its own record is lost, and a collection takes it for content without one.
    let (result, layer) = build_on(&store, &below, "more");
    let store = store.reopen(NOW);
    let index = rusqlite::Connection::open(store.directory().join("index.db")).unwrap();
    index.execute("DELETE FROM layers WHERE digest = ?1", [below.diff_id.hex()]).unwrap();
    drop(index);
    store.gc(&GcPolicy::default()).unwrap();
    assert_eq!(places(&store), sorted(&[below, layer]));
    assert!(store.result(&result).unwrap().is_some());
}

#[test]
fn without_what_it_stands_on_a_layer_is_not_there() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (result, layer) = build_on(&store, &below, "more");
    let store = store.reopen(NOW);
    fs::remove_dir_all(store.directory().join("layers").join(below.diff_id.hex())).unwrap();
    assert_eq!(store.result(&result).unwrap(), None);
    assert_eq!(store.layer_dirs(&layer.diff_id).unwrap(), None);
    assert_eq!(store.why_missing(&result).unwrap(), Some(Missing::LayerGone));
    // Made again, it is there again.
    let store = store.reopen(NOW);
    build(&store, "text");
    assert!(store.result(&result).unwrap().is_some());
}

#[test]
fn rot_below_is_found_in_both() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (_, layer) = build_on(&store, &below, "more");
    fs::write(layer_dir(&store, &below).join("etc/file"), "tent").unwrap();
    let report = store.verify(true, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap();
    let mut damaged: Vec<String> = report
        .findings
        .iter()
        .filter_map(|finding| match &finding.damage {
            Damage::Layer { digest, .. } => Some(digest.hex()),
            _ => None,
        })
        .collect();
    damaged.sort();
    assert_eq!(damaged, sorted(&[below, layer]));
}

#[test]
fn damaged_notes_go_and_the_layer_stays() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (_, layer) = build_on(&store, &below, "more");
    let notes = store.directory().join("layers").join(layer.diff_id.hex()).join("notes");
    fs::write(notes.join(&entries(&notes)[0]), "mare").unwrap();
    assert_eq!(store.layer_note(&layer.diff_id, "note").unwrap(), None);
    let check = || store.verify(true, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap().findings;
    let found: Vec<Damage> = check().into_iter().map(|finding| finding.damage).collect();
    assert_eq!(found, [Damage::Notes { digest: layer.diff_id }]);
    assert_eq!(check(), []);
    assert!(store.layer_dirs(&layer.diff_id).unwrap().is_some() && !notes.exists());
}

#[test]
fn an_image_of_such_a_layer_survives_a_lost_index() {
    let store = TestStore::new();
    let (_, below) = build(&store, "text");
    let (_, layer) = build_on(&store, &below, "more");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    let root = store.close();
    let directory = root.path().join("store");
    for companion in ["-wal", "-shm"] {
        drop(fs::remove_file(directory.join(format!("index.db{companion}"))));
    }
    fs::write(directory.join("index.db"), [b'x'; 8192]).unwrap();
    let store = Store::open(&directory, NOW).unwrap();
    assert_eq!(store.images().unwrap()[0].names, ["app"]);
    store.gc(&everything()).unwrap();
    let dirs = store.layer_dirs(&layer.diff_id).unwrap().unwrap();
    assert_eq!(parts_digest(&dirs), layer.diff_id);
}
