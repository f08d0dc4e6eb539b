// SPDX-License-Identifier: Apache-2.0

use std::fs;

use wythe_store::LastResult;

use crate::support::{NOW, TestStore, build, commit, key, record};

#[test]
fn a_result_is_found_as_it_was_put() {
    let store = TestStore::new();
    let layer = commit(&store, "text");
    let mut put = record(Some(layer), "step");
    put.log = Some("logs/b/step.log".into());
    assert_eq!(store.result(&key("a")).unwrap(), None);
    store.put_result(&key("a"), &put).unwrap();
    assert_eq!(store.result(&key("a")).unwrap(), Some(put.clone()));
    let nothing_changed = record(None, "step");
    store.put_result(&key("a"), &nothing_changed).unwrap();
    assert_eq!(store.result(&key("a")).unwrap(), Some(nothing_changed));
    assert_eq!(store.reopen(NOW).result(&key("a")).unwrap(), Some(record(None, "step")));
}

#[test]
fn a_result_without_its_layer_is_none() {
    let store = TestStore::new();
    let (key, layer) = build(&store, "text");
    fs::remove_dir_all(store.layer_dir(&layer.diff_id).unwrap().unwrap()).unwrap();
    assert_eq!(store.result(&key).unwrap(), None);
    build(&store, "text");
    assert!(store.result(&key).unwrap().is_some());
}

#[test]
fn the_last_result_of_a_step_is_known_even_when_it_is_gone() {
    let store = TestStore::new();
    assert_eq!(store.last_for_step("definition", "step").unwrap(), None);
    let (one, two) = (record(None, "step"), record(Some(commit(&store, "text")), "step"));
    store.put_result(&key("1"), &one).unwrap();
    store.put_result(&key("2"), &two).unwrap();
    let last = |store: &TestStore| store.last_for_step("definition", "step").unwrap().unwrap();
    assert_eq!(last(&store), LastResult { key: key("2"), record: two.clone() });
    assert_eq!(store.last_for_step("another", "step").unwrap(), None);
    // Going back to what was built before makes that the last.
    store.put_last("definition", "step", &key("1"), &one).unwrap();
    assert_eq!(last(&store), LastResult { key: key("1"), record: one });
    store.put_last("another", "step", &key("2"), &two).unwrap();
    let policy = wythe_store::GcPolicy { max_age: Some(0), ..Default::default() };
    let store = store.reopen(NOW);
    store.gc(&policy).unwrap();
    assert_eq!(store.result(&key("2")).unwrap(), None);
    assert_eq!(store.last_for_step("another", "step").unwrap().unwrap().record, two);
}

#[test]
fn traces_are_kept_as_they_are() {
    let store = TestStore::new();
    assert_eq!(store.trace(&key("t")).unwrap(), None);
    store.put_trace(&key("t"), "{\"a\": \"ä\"}").unwrap();
    assert_eq!(store.trace(&key("t")).unwrap().as_deref(), Some("{\"a\": \"ä\"}"));
    store.put_trace(&key("t"), "{}").unwrap();
    assert_eq!(store.reopen(NOW).trace(&key("t")).unwrap().as_deref(), Some("{}"));
}

#[test]
fn a_record_with_a_flipped_bit_is_none() {
    let store = TestStore::new();
    store.put_trace(&key("t"), "trace").unwrap();
    store.put_result(&key("r"), &record(None, "step")).unwrap();
    let directory = store.directory();
    let store = store.reopen(NOW);
    let index = rusqlite::Connection::open(directory.join("index.db")).unwrap();
    index.execute("UPDATE traces SET record = 'tracf'", []).unwrap();
    index.execute("UPDATE results SET record = replace(record, 'step', 'stfp')", []).unwrap();
    drop(index);
    assert_eq!(store.trace(&key("t")).unwrap(), None);
    assert_eq!(store.result(&key("r")).unwrap(), None);
}

#[test]
fn a_step_may_end_with_one_transaction() {
    use wythe_image::LayerRef;
    let store = TestStore::new();
    let active = store.begin().unwrap();
    fs::write(active.upper().join("file"), "text").unwrap();
    let layer = LayerRef { diff_id: crate::support::tree_digest(&active.upper()), size: 4 };
    store.commit_result(active, &key("a"), &record(Some(layer), "step")).unwrap();
    assert_eq!(store.result(&key("a")).unwrap(), Some(record(Some(layer), "step")));
    assert_eq!(store.last_for_step("definition", "step").unwrap().unwrap().key, key("a"));
    store.commit_result(store.begin().unwrap(), &key("b"), &record(None, "step")).unwrap();
    assert_eq!(store.result(&key("b")).unwrap(), Some(record(None, "step")));
    assert_eq!(crate::support::entries(&store.directory().join("active")), [""; 0]);
}
