// SPDX-License-Identifier: Apache-2.0

use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};

use wythe_store::{CacheSharing, LockError, Store, VolumeError};

use crate::support::{NOW, TestStore, build, entries, key, never_wait, wait_for_ever};

#[test]
fn thirty_two_threads_make_one_result() {
    let store = TestStore::new();
    let made = AtomicU32::new(0);
    let key = key("text");
    std::thread::scope(|scope| {
        for number in 0..32 {
            let (made, directory) = (&made, store.directory());
            let shared = Store::clone(&store);
            scope.spawn(move || {
                // Half of them share a handle, half have their own.
                let store = if number % 2 == 0 { shared } else { Store::open(&directory, NOW).unwrap() };
                let lock = store.lock_key(&key, &mut wait_for_ever()).unwrap();
                if store.result(&key).unwrap().is_none() {
                    made.fetch_add(1, Ordering::Relaxed);
                    build(&store, "text");
                }
                drop(lock);
                assert!(store.result(&key).unwrap().is_some());
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
}

#[test]
fn waiting_ends_when_told_so() {
    let store = TestStore::new();
    let lock = store.lock_key(&key("a"), &mut never_wait()).unwrap();
    let _other = store.lock_key(&key("b"), &mut never_wait()).unwrap();
    let mut waits = 0;
    let result = store.lock_key(&key("a"), &mut || {
        waits += 1;
        if waits < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(matches!(result, Err(LockError::Interrupted)));
    assert_eq!(waits, 3);
    drop(lock);
    store.lock_key(&key("a"), &mut never_wait()).unwrap();
}

#[test]
fn cache_mounts_are_shared_locked_or_private() {
    let store = TestStore::new();
    let open = |id: &str, sharing| store.cache(id, sharing, &mut never_wait());
    let one = open("wheels", CacheSharing::Shared).unwrap();
    fs::write(one.dir().join("wheel"), "").unwrap();
    let two = open("wheels", CacheSharing::Shared).unwrap();
    assert_eq!((one.dir(), two.dir()), (&*store.cache_dir("wheels"), &*store.cache_dir("wheels")));
    assert!(open("wheels", CacheSharing::Locked).is_err());
    let other = open("../wheels", CacheSharing::Locked).unwrap();
    assert_eq!(other.dir().parent(), one.dir().parent());
    drop((one, two));
    let locked = open("wheels", CacheSharing::Locked).unwrap();
    assert_eq!(entries(locked.dir()), ["wheel"]);
    assert!(open("wheels", CacheSharing::Shared).is_err());
    drop(locked);
    let first = open("wheels", CacheSharing::Private).unwrap();
    let second = open("wheels", CacheSharing::Private).unwrap();
    assert_eq!(first.dir(), store.cache_dir("wheels"));
    assert_ne!(first.dir(), second.dir());
    assert_eq!(entries(second.dir()), [""; 0]);
}

#[test]
fn volumes_have_plain_names_and_stay_while_in_use() {
    let store = TestStore::new();
    let long = "x".repeat(129);
    for name in ["", ".", "..", ".hidden", "a/b", "../a", "a\0", "ä", "a b", &long] {
        assert!(matches!(store.volume(name), Err(VolumeError::Name(_))), "{name:?}");
    }
    let volume = store.volume("model-weights_1.0").unwrap();
    fs::write(volume.dir().join("file"), "").unwrap();
    drop(store.volume("another").unwrap());
    assert_eq!(store.volumes().unwrap(), ["another", "model-weights_1.0"]);
    assert!(matches!(store.remove_volume("model-weights_1.0"), Err(VolumeError::InUse(_))));
    drop(volume);
    assert!(store.remove_volume("model-weights_1.0").unwrap());
    assert!(!store.remove_volume("model-weights_1.0").unwrap());
    assert_eq!(store.volumes().unwrap(), ["another"]);
}

#[test]
fn logs_lie_below_their_build() {
    let store = TestStore::new();
    let path = store.log_path("build", "step 1").unwrap();
    assert!(path.starts_with(store.directory().join("logs/build")));
    fs::write(&path, "output").unwrap();
    assert_eq!(store.log_path("build", "step 1").unwrap(), path);
}

#[test]
fn a_part_that_somebody_has_removed_is_made_again() {
    let store = TestStore::new();
    for part in ["cache", "volumes", "logs"] {
        fs::remove_dir(store.directory().join(part)).unwrap();
    }
    let mount = store.cache("id", CacheSharing::Shared, &mut never_wait()).unwrap();
    assert!(mount.dir().is_dir());
    assert!(store.volume("name").unwrap().dir().is_dir());
    fs::write(store.log_path("build", "step").unwrap(), "output").unwrap();
}
