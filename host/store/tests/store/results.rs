// SPDX-License-Identifier: Apache-2.0

use std::fs;

use wythe_store::{GcPolicy, Missing, ResultRecord, Store};

use crate::support::{NOW, TestStore, build, commit, key, layer_dir, record};

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
    fs::remove_dir_all(layer_dir(&store, &layer)).unwrap();
    assert_eq!(store.result(&key).unwrap(), None);
    build(&store, "text");
    assert!(store.result(&key).unwrap().is_some());
}

#[test]
fn why_a_result_cannot_be_used_is_known() {
    let store = TestStore::new();
    assert_eq!(store.why_missing(&key("a")).unwrap(), Some(Missing::Unrecorded));
    let (key, layer) = build(&store, "text");
    assert_eq!(store.why_missing(&key).unwrap(), None);
    fs::remove_dir_all(layer_dir(&store, &layer)).unwrap();
    assert_eq!(store.why_missing(&key).unwrap(), Some(Missing::LayerGone));
    let directory = store.directory().to_owned();
    let store = store.reopen(NOW);
    let index = rusqlite::Connection::open(directory.join("index.db")).unwrap();
    index.execute("UPDATE results SET boot = 'another'", []).unwrap();
    assert_eq!(store.why_missing(&key).unwrap(), Some(Missing::NotFlushed));
    index.execute("UPDATE results SET record = record || ' '", []).unwrap();
    assert_eq!(store.why_missing(&key).unwrap(), Some(Missing::Damaged));
}

#[test]
fn what_builds_remember_outlives_results() {
    let store = TestStore::new();
    assert_eq!(store.recall("definition", "past").unwrap(), None);
    store.remember("definition", "past", &key("1"), || "one".to_owned()).unwrap();
    store.remember("definition", "past", &key("1"), || unreachable!("nothing has changed")).unwrap();
    store.remember("another", "past", &key("2"), || "two".to_owned()).unwrap();
    assert_eq!(store.recall("definition", "past").unwrap().as_deref(), Some("one"));
    assert_eq!(store.recall_digest("definition", "past").unwrap(), Some(key("1")));
    let policy = GcPolicy { max_age: Some(0), ..Default::default() };
    let store = store.reopen(NOW);
    store.gc(&policy).unwrap();
    assert_eq!(store.recall("another", "past").unwrap().as_deref(), Some("two"));
}

#[test]
fn the_results_of_a_layer_are_found_the_newest_first() {
    let store = TestStore::new();
    let layer = commit(&store, "text");
    store.put_result(&key("a"), &record(Some(layer), "one")).unwrap();
    store.put_result(&key("b"), &record(Some(layer), "two")).unwrap();
    store.put_result(&key("c"), &record(None, "three")).unwrap();
    let steps = |found: Vec<ResultRecord>| found.into_iter().map(|r| r.step).collect::<Vec<_>>();
    assert_eq!(steps(store.results_of_layer(&layer.diff_id).unwrap()), ["two", "one"]);
    assert_eq!(steps(store.results_without_layer().unwrap()), ["three"]);
}

#[test]
fn the_log_and_the_lists_of_a_result_stay_with_it() {
    let store = TestStore::new();
    let layer = commit(&store, "text");
    let log = store.log_path("b", "step").unwrap();
    fs::write(&log, "output").unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(NOW).unwrap());
    for path in [log.as_path(), log.parent().unwrap()] {
        fs::File::open(path).unwrap().set_modified(then).unwrap();
    }
    let list = store.put_blob(b"list").unwrap();
    let mut kept = record(Some(layer), "step");
    kept.log = Some("logs/b/step.log".into());
    kept.trees = [("0 context src".to_owned(), list)].into();
    store.put_result(&key("a"), &kept).unwrap();
    let directory = store.directory().to_owned();
    let (log, blob) = (directory.join("logs/b/step.log"), directory.join("blobs/sha256").join(list.hex()));
    let store = store.reopen(NOW + 100);
    store.gc(&GcPolicy { max_age: Some(200), ..Default::default() }).unwrap();
    assert!(log.exists() && blob.exists());
    let store = store.reopen(NOW + 100);
    store.gc(&GcPolicy { max_age: Some(0), ..Default::default() }).unwrap();
    assert!(!log.exists() && !blob.exists());
}

/// A collection that looked before the result was recorded comes to the blob after the build has ended; one that finds
/// the result in use leaves it. Neither may take what the result names.
#[test]
fn what_a_result_names_stays_with_one_that_is_in_use() {
    let store = TestStore::new();
    let list = store.put_blob(b"list").unwrap();
    let kept = ResultRecord { trees: [("0 context src".to_owned(), list)].into(), ..record(None, "step") };
    store.put_result(&key("a"), &kept).unwrap();
    let store = store.reopen(NOW);
    let builder = Store::open(&store.directory(), NOW).unwrap();
    assert_eq!(builder.result(&key("a")).unwrap(), Some(kept.clone()));
    let everything = GcPolicy { max_age: Some(0), ..Default::default() };
    assert_eq!(store.gc(&everything).unwrap().removed.len(), 0);
    drop(builder);
    assert_eq!(store.result(&key("a")).unwrap(), Some(kept));
    assert!(store.blob_path(&list).unwrap().is_some());
    let store = store.reopen(NOW);
    store.gc(&everything).unwrap();
    assert_eq!(store.blob_path(&list).unwrap(), None);
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
    store.commit_result(store.begin().unwrap(), &key("b"), &record(None, "step")).unwrap();
    assert_eq!(store.result(&key("b")).unwrap(), Some(record(None, "step")));
    store.finish_sweeping();
    assert_eq!(crate::support::entries(&store.directory().join("active")), [""; 0]);
}
