// SPDX-License-Identifier: Apache-2.0

use std::fs;

use wythe_image::Digest;
use wythe_store::{CacheSharing, Class, GcPolicy, GcReport, Store, Tally};

use crate::support::{DAY, NOW, TestStore, build, commit, entries, key, layer_dir, never_wait, pack};

fn everything() -> GcPolicy {
    GcPolicy { max_age: Some(0), caches: true, ..GcPolicy::default() }
}

fn count(report: &GcReport, class: Class) -> u64 {
    report.removed.get(&class).map_or(0, |tally| tally.count)
}

#[test]
fn named_images_stay_with_all_they_need() {
    let store = TestStore::new();
    let (kept_key, kept) = build(&store, "kept");
    let (gone_key, gone) = build(&store, "gone!");
    let packed = pack(&[kept]);
    store.save_image(&packed, &["app".into()]).unwrap();
    let artifact = store.put_blob(b"artifact").unwrap();
    store.put_trace(&key("t"), "{}").unwrap();
    fs::write(store.log_path("build", "step").unwrap(), "output").unwrap();
    let store = store.reopen(i64::from(u32::MAX));

    let dry = store.gc(&GcPolicy { dry_run: true, ..everything() }).unwrap();
    assert!(store.directory().join("layers").join(gone.diff_id.hex()).exists());
    let report = store.gc(&everything()).unwrap();
    assert_eq!(report, dry);
    assert_eq!(report.removed[&Class::Layers], Tally { count: 1, bytes: 5 });
    assert_eq!(report.removed[&Class::Blobs], Tally { count: 1, bytes: 8 });
    assert_eq!((count(&report, Class::Records), count(&report, Class::Logs), report.in_use), (2, 1, 0));
    assert!(report.bytes() >= 13);

    assert!(store.image("app").unwrap().is_some());
    assert!(store.result(&kept_key).unwrap().is_some(), "a result whose layer stays is worth keeping");
    assert_eq!(store.result(&gone_key).unwrap(), None);
    assert_eq!(store.blob_path(&artifact).unwrap(), None);
    assert_eq!(store.trace(&key("t")).unwrap(), None);
    assert_eq!(entries(&store.directory().join("layers")), [kept.diff_id.hex()]);
    assert_eq!(entries(&store.directory().join("blobs/sha256")).len(), 2);
    assert_eq!(entries(&store.directory().join("logs")), [""; 0]);
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
    assert_eq!(store.gc(&everything()).unwrap().removed.len(), 0);
}

#[test]
fn what_a_handle_has_seen_stays_until_it_ends() {
    let store = TestStore::new();
    let (result, layer) = build(&store, "text");
    let (_, other) = build(&store, "other");
    let blob = store.put_blob(b"artifact").unwrap();
    let store = store.reopen(NOW);
    let builder = Store::open(&store.directory(), NOW).unwrap();
    assert!(builder.result(&result).unwrap().is_some());
    assert!(builder.blob_path(&blob).unwrap().is_some());
    let mounted = builder.cache("id", CacheSharing::Shared, &mut never_wait()).unwrap();
    let report = store.gc(&everything()).unwrap();
    // The result, its layer, the blob and the cache mount.
    assert_eq!((report.in_use, count(&report, Class::Layers)), (4, 1));
    assert!(builder.layer_dirs(&layer.diff_id).unwrap().is_some());
    assert!(builder.blob_path(&blob).unwrap().is_some());
    assert_eq!(builder.layer_dirs(&other.diff_id).unwrap(), None);
    assert!(mounted.dir().is_dir());
    drop((builder, mounted));
    let report = store.gc(&everything()).unwrap();
    let removed: Vec<_> = report.removed.iter().map(|(class, tally)| (*class, tally.count)).collect();
    assert_eq!(removed, [(Class::Layers, 1), (Class::Blobs, 1), (Class::Records, 1), (Class::Caches, 1)]);
    assert_eq!(store.layer_dirs(&layer.diff_id).unwrap(), None);
}

#[test]
fn an_image_without_a_name_goes_by_age_and_is_never_half_there() {
    let store = TestStore::new();
    let packed = pack(&[commit(&store, "text")]);
    store.save_image(&packed, &["app".into()]).unwrap();
    store.untag("app").unwrap();
    let policy = GcPolicy { max_age: Some(7 * DAY), ..GcPolicy::default() };
    let store = store.reopen(NOW + 6 * DAY);
    store.gc(&policy).unwrap();
    // Looking at it is using it.
    assert!(store.image(&packed.digest.to_string()).unwrap().is_some());
    let store = store.reopen(NOW + 12 * DAY);
    store.gc(&policy).unwrap();
    assert_eq!(store.images().unwrap().len(), 1);
    let store = store.reopen(NOW + 14 * DAY);
    let report = store.gc(&policy).unwrap();
    assert_eq!((count(&report, Class::Images), count(&report, Class::Layers)), (1, 1));
    assert_eq!(store.image(&packed.digest.to_string()).unwrap(), None);
    assert_eq!(entries(&store.directory().join("blobs/sha256")), [""; 0]);
}

#[test]
fn a_hit_renews_the_age_of_a_result() {
    let store = TestStore::new();
    let (used, _) = build(&store, "used");
    let (unused, _) = build(&store, "unused");
    let store = store.reopen(NOW + 5 * DAY);
    assert!(store.result(&used).unwrap().is_some());
    let store = store.reopen(NOW + 10 * DAY);
    store.gc(&GcPolicy { max_age: Some(7 * DAY), ..GcPolicy::default() }).unwrap();
    assert!(store.result(&used).unwrap().is_some());
    assert_eq!(store.result(&unused).unwrap(), None);
}

#[test]
fn size_takes_the_oldest_first() {
    let mut store = TestStore::new();
    let mut keys = Vec::new();
    for (day, text) in (0..).zip(["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"]) {
        store = store.reopen(NOW + day * DAY);
        keys.push(build(&store, text).0);
    }
    store = store.reopen(NOW + 3 * DAY);
    let report = store.gc(&GcPolicy { max_bytes: Some(20), ..GcPolicy::default() }).unwrap();
    assert_eq!((report.bytes(), report.kept_bytes), (10, 20));
    let known: Vec<bool> = keys.iter().map(|key| store.result(key).unwrap().is_some()).collect();
    assert_eq!(known, [false, true, true]);
}

#[test]
fn content_without_records_goes_and_strangers_stay() {
    let store = TestStore::new();
    let layers = store.directory().join("layers");
    fs::create_dir_all(layers.join(Digest::of(b"loose").hex()).join("fs/deep")).unwrap();
    fs::create_dir(layers.join("lost+found")).unwrap();
    fs::write(store.directory().join("blobs/sha256").join(Digest::of(b"blob").hex()), "half").unwrap();
    let report = store.gc(&GcPolicy::default()).unwrap();
    assert_eq!((count(&report, Class::Layers), count(&report, Class::Blobs)), (1, 1));
    assert_eq!(entries(&layers), ["lost+found"]);
    assert_eq!(entries(&store.directory().join("blobs/sha256")), [""; 0]);
}

#[test]
fn what_another_boot_left_without_a_flush_goes() {
    let store = TestStore::new();
    let (_, layer) = build(&store, "text");
    store.put_blob(b"artifact").unwrap();
    let store = store.reboot(NOW);
    let report = store.gc(&GcPolicy::default()).unwrap();
    assert_eq!(
        (count(&report, Class::Layers), count(&report, Class::Blobs), count(&report, Class::Records)),
        (1, 1, 1)
    );
    assert!(!store.directory().join("layers").join(layer.diff_id.hex()).exists());
}

#[test]
fn volumes_are_never_collected() {
    let store = TestStore::new();
    fs::write(store.volume("weights").unwrap().dir().join("file"), "text").unwrap();
    store.gc(&GcPolicy { max_bytes: Some(0), ..everything() }).unwrap();
    assert!(store.directory().join("volumes/weights/file").exists());
}

#[test]
fn collecting_while_others_build_takes_nothing_from_them() {
    let store = TestStore::new();
    std::thread::scope(|scope| {
        let builders: Vec<_> = (0..3)
            .map(|builder| {
                let directory = store.directory();
                scope.spawn(move || {
                    for round in 0..15 {
                        let store = Store::open(&directory, NOW).unwrap();
                        // Texts meet among builders, so that one commits what another's collection wants.
                        let texts: Vec<String> =
                            (0..4).map(|step| format!("{}", (builder + round + step) % 5)).collect();
                        let layers: Vec<_> = texts.iter().map(|text| build(&store, text).1).collect();
                        for (text, layer) in texts.iter().zip(&layers) {
                            assert_eq!(store.result(&key(text)).unwrap().unwrap().layer, Some(*layer));
                            let file = layer_dir(&store, layer).join("etc/file");
                            assert_eq!(&fs::read_to_string(file).unwrap(), text);
                        }
                        let packed = pack(&layers);
                        store.save_image(&packed, &[]).unwrap();
                        assert!(store.image(&packed.digest.to_string()).unwrap().is_some());
                    }
                })
            })
            .collect();
        while builders.iter().any(|builder| !builder.is_finished()) {
            let collector = Store::open(&store.directory(), NOW).unwrap();
            collector.gc(&everything()).unwrap();
        }
    });
    let store = store.reopen(NOW);
    let report = store.verify(false, &mut |_| (), &|parts| Ok(crate::support::parts_digest(parts))).unwrap();
    assert_eq!(report.findings, []);
    // What was verified is leased.
    let store = store.reopen(NOW);
    store.gc(&everything()).unwrap();
    let usage = store.usage().unwrap();
    let left = [Class::Images, Class::Layers, Class::Blobs, Class::Records, Class::Active].map(|c| usage[&c].count);
    assert_eq!(left, [0; 5]);
}
