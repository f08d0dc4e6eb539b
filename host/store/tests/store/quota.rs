// SPDX-License-Identifier: Apache-2.0
//! A limit that is kept: what may go goes first, then nothing more comes.

use std::fs;

use wythe_store::{Class, QuotaError};

use crate::support::{TestStore, build, commit, pack};

fn total(store: &TestStore) -> u64 {
    store.occupied().values().map(|tally| tally.bytes).sum()
}

#[test]
fn a_quota_is_a_setting_of_the_store() {
    let store = TestStore::new();
    assert_eq!(store.quota().unwrap(), None);
    store.set_quota(Some(5_000_000)).unwrap();
    assert_eq!(store.quota().unwrap(), Some(5_000_000));
    let store = store.reopen(crate::support::NOW);
    assert_eq!(store.quota().unwrap(), Some(5_000_000));
    store.set_quota(None).unwrap();
    store.set_quota(None).unwrap();
    assert_eq!(store.quota().unwrap(), None);
    fs::write(store.directory().join("quota"), "plenty").unwrap();
    assert!(matches!(store.quota(), Err(QuotaError::File { .. })));
}

#[test]
fn room_is_made_by_what_nobody_needs() {
    let store = TestStore::new();
    let (key, old) = build(&store, &"old".repeat(100_000));
    let store = store.reopen(crate::support::NOW);
    let new = commit(&store, &"new".repeat(100_000));
    store.save_image(&pack(&[new]), &["app".into()]).unwrap();
    let occupied = total(&store);
    store.set_quota(Some(occupied + 50_000)).unwrap();
    store.make_room(40_000).unwrap();
    assert!(store.layer(&old.diff_id).unwrap().is_some(), "there was room enough");
    let store = store.reopen(crate::support::NOW);
    store.make_room(200_000).unwrap();
    assert!(total(&store) < occupied);
    assert!(store.result(&key).unwrap().is_none(), "an old result is the first to go");
    assert!(store.layer(&new.diff_id).unwrap().is_some(), "an image has it");
}

#[test]
fn what_does_not_fit_is_refused_with_what_is_in_use() {
    let store = TestStore::new();
    let layer = commit(&store, &"kept".repeat(100_000));
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    store.set_quota(Some(500_000)).unwrap();
    let Err(QuotaError::Exceeded { needed, quota, occupied }) = store.make_room(1 << 20) else {
        panic!("it fits");
    };
    assert_eq!((needed, quota), (1 << 20, 500_000));
    assert!(occupied[&Class::Layers].bytes >= 400_000);
    assert!(store.layer(&layer.diff_id).unwrap().is_some());
}
