// SPDX-License-Identifier: Apache-2.0

use wythe_store::SaveImageError;

use crate::support::{NOW, TestStore, build, commit, entries, key, layer_dir, pack, record};

#[test]
fn what_was_not_synced_counts_for_nothing_after_a_restart_of_the_machine() {
    let store = TestStore::new();
    let (result, layer) = build(&store, "text");
    let blob = store.put_blob(b"artifact").unwrap();
    store.put_trace(&key("t"), "{}").unwrap();
    let store = store.reopen(NOW);
    assert!(store.result(&result).unwrap().is_some());
    let store = store.reboot(NOW);
    assert_eq!(store.result(&result).unwrap(), None);
    assert_eq!(store.layer_dirs(&layer.diff_id).unwrap(), None);
    assert_eq!(store.blob_path(&blob).unwrap(), None);
    assert_eq!(store.trace(&key("t")).unwrap(), None);
    // Made again, each takes the place of what nobody trusts.
    build(&store, "text");
    store.put_blob(b"artifact").unwrap();
    assert!(store.result(&result).unwrap().is_some());
    assert_eq!(store.read_blob(&blob).unwrap().unwrap(), b"artifact");
    store.finish_sweeping();
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

#[test]
fn what_was_synced_stays() {
    let store = TestStore::new();
    let (one, layer) = build(&store, "one");
    let blob = store.put_blob(b"artifact").unwrap();
    store.put_trace(&key("t"), "{}").unwrap();
    store.sync().unwrap();
    let (two, _) = build(&store, "two");
    let store = store.reboot(NOW);
    assert!(store.result(&one).unwrap().is_some());
    assert!(store.layer_dirs(&layer.diff_id).unwrap().is_some());
    assert!(store.blob_path(&blob).unwrap().is_some());
    assert!(store.trace(&key("t")).unwrap().is_some());
    assert_eq!(store.result(&two).unwrap(), None);
}

#[test]
fn a_saved_image_is_durable_with_all_that_was_committed_before() {
    let store = TestStore::new();
    let (result, layer) = build(&store, "text");
    let packed = pack(&[layer]);
    store.save_image(&packed, &["app:latest".into()]).unwrap();
    let store = store.reboot(NOW);
    let image = store.image("app:latest").unwrap().unwrap();
    assert_eq!((image.manifest, image.config), (packed.manifest, packed.config));
    assert!(store.result(&result).unwrap().is_some());
    assert!(store.layer_dirs(&layer.diff_id).unwrap().is_some());
}

#[test]
fn a_layer_that_was_made_again_is_made_durable_with_its_image() {
    let store = TestStore::new();
    let (_, layer) = build(&store, "text");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    std::fs::remove_dir_all(layer_dir(&store, &layer)).unwrap();
    commit(&store, "text");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    let store = store.reboot(NOW);
    assert!(store.layer_dirs(&layer.diff_id).unwrap().is_some());
}

#[test]
fn an_image_without_one_of_its_layers_is_not_saved() {
    let store = TestStore::new();
    let layer = commit(&store, "text");
    std::fs::remove_dir_all(layer_dir(&store, &layer)).unwrap();
    let error = store.save_image(&pack(&[layer]), &["app".into()]).unwrap_err();
    assert!(matches!(error, SaveImageError::MissingLayer { digest } if digest == layer.diff_id));
    assert_eq!(store.images().unwrap(), []);
    let store = store.reboot(NOW);
    assert!(store.save_image(&pack(&[commit(&store, "text")]), &[]).is_ok());
}

#[test]
fn syncing_with_nothing_to_sync_does_nothing() {
    let store = TestStore::new();
    store.sync().unwrap();
    store.put_result(&key("a"), &record(None, "a")).unwrap();
    store.sync().unwrap();
    store.sync().unwrap();
    assert!(store.reboot(NOW).result(&key("a")).unwrap().is_some());
}
