// SPDX-License-Identifier: Apache-2.0

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wythe_image::Digest;
use wythe_store::{Class, Damage, GcPolicy, Progress, Store, VerifyReport};

use crate::support::{NOW, TestStore, build, entries, flip_a_byte, key, layer_dir, pack, parts_digest, tree_digest};

fn verify(store: &Store, repair: bool) -> VerifyReport {
    store.verify(repair, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap()
}

fn damages(report: &VerifyReport) -> Vec<Damage> {
    report.findings.iter().map(|finding| finding.damage.clone()).collect()
}

#[test]
fn a_whole_store_has_no_findings() {
    let store = TestStore::new();
    let layers = ["one", "two"].map(|text| build(&store, text).1);
    store.save_image(&pack(&layers), &["app".into()]).unwrap();
    store.put_blob(b"artifact").unwrap();
    store.put_trace(&key("t"), "{}").unwrap();
    let mut last = None;
    let report = store.verify(true, &mut |progress| last = Some(progress), &|parts| Ok(parts_digest(parts))).unwrap();
    assert_eq!(report.findings, []);
    let checked: Vec<_> = report.checked.into_iter().collect();
    let expected = [(Class::Images, 1), (Class::Layers, 2), (Class::Blobs, 3), (Class::Records, 3), (Class::Index, 1)];
    assert_eq!(checked, expected);
    assert_eq!(last.map(|progress| (progress.class, progress.done, progress.total)), Some((Class::Images, 1, 1)));
}

#[test]
fn damage_is_found_repaired_and_made_again() {
    let store = TestStore::new();
    let (result, layer) = build(&store, "text");
    let (_, other) = build(&store, "other");
    let packed = pack(&[layer, other]);
    store.save_image(&packed, &["app".into()]).unwrap();
    let artifact = store.put_blob(b"artifact").unwrap();
    flip_a_byte(&store.blob_path(&artifact).unwrap().unwrap());
    let file = layer_dir(&store, &layer).join("etc/file");
    fs::write(&file, "tent").unwrap();

    let report = verify(&store, false);
    let found = Digest::of(b"brtifact");
    assert_ne!(found, artifact);
    let expected = |found_blob| {
        vec![
            Damage::Blob { digest: artifact, found: Some(found_blob) },
            Damage::Layer {
                digest: layer.diff_id,
                found: format!("its content has {}", tree_digest(file.parent().unwrap().parent().unwrap())),
            },
            Damage::Result { key: result.hex(), layer: layer.diff_id.hex() },
            Damage::Image { digest: packed.digest.hex(), names: vec!["app".into()], parts: vec![layer.diff_id.hex()] },
        ]
    };
    let flipped = Digest::of(b"`rtifact");
    assert_eq!(damages(&report), expected(flipped));
    assert!(report.findings.iter().all(|finding| !finding.is_repaired));
    assert!(store.result(&result).unwrap().is_some(), "looking changes nothing");

    let report = verify(&store, true);
    assert_eq!(damages(&report), expected(flipped));
    assert!(report.findings.iter().all(|finding| finding.is_repaired));
    assert_eq!(store.result(&result).unwrap(), None);
    assert_eq!(store.blob_path(&artifact).unwrap(), None);
    assert_eq!(store.images().unwrap(), []);
    assert_eq!(verify(&store, true).findings, []);

    // The next build makes it again, over what is still there.
    build(&store, "text");
    store.save_image(&packed, &["app".into()]).unwrap();
    assert_eq!(fs::read_to_string(file).unwrap(), "text");
    assert_eq!(verify(&store.reboot(NOW), true).findings, []);
}

#[test]
fn missing_content_and_unreadable_layers_are_findings() {
    let store = TestStore::new();
    let (_, layer) = build(&store, "text");
    let blob = store.put_blob(b"artifact").unwrap();
    fs::remove_file(store.blob_path(&blob).unwrap().unwrap()).unwrap();
    let report = store.verify(false, &mut |_| (), &|_| Err("cannot read it".into())).unwrap();
    let expected = [
        Damage::Blob { digest: blob, found: None },
        Damage::Layer { digest: layer.diff_id, found: "cannot read it".into() },
    ];
    assert_eq!(damages(&report)[..2], expected);
}

#[test]
fn records_with_flipped_bits_are_findings() {
    let store = TestStore::new();
    let (result, _) = build(&store, "text");
    store.put_trace(&key("t"), "trace").unwrap();
    let directory = store.directory();
    let store = store.reopen(NOW);
    let index = rusqlite::Connection::open(directory.join("index.db")).unwrap();
    index.execute("UPDATE traces SET record = 'tracf'", []).unwrap();
    index.execute("UPDATE results SET layer = 'somewhere'", []).unwrap();
    drop(index);
    let expected = vec![Damage::Record { key: result.hex() }, Damage::Record { key: key("t").hex() }];
    assert_eq!(damages(&verify(&store, true)), expected);
    assert_eq!(verify(&store, true).findings, []);
    assert_eq!(entries(&store.directory().join("active")), [""; 0]);
}

/// What is committed, saved and collected beside a check is whole at every moment, and the check must not see it otherwise: it
/// would drop an image that was just acknowledged.
#[test]
fn builds_and_collections_beside_a_check_are_no_findings() {
    let store = TestStore::new();
    let directory = &store.directory();
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| {
            let policy = GcPolicy { max_age: Some(0), ..GcPolicy::default() };
            for round in 0..150 {
                // Another handle each time: what one has made it leases.
                let store = Store::open(directory, NOW).unwrap();
                let layers = ["one", "two"].map(|step| build(&store, &format!("{round}-{step}")).1);
                let packed = pack(&layers);
                store.save_image(&packed, &["app".into()]).unwrap();
                assert!(store.image("app").unwrap().is_some_and(|image| image.digest == packed.digest), "{round}");
                drop(store);
                Store::open(directory, NOW).unwrap().gc(&policy).unwrap();
            }
        });
        while !builder.is_finished() {
            let checker = Store::open(directory, NOW).unwrap();
            assert_eq!(checker.verify(true, &mut |_| (), &|parts| Ok(parts_digest(parts))).unwrap().findings, []);
        }
        builder.join().unwrap();
    });
    // What a check held when it lost its name may still be there.
    let names: Vec<String> = store.images().unwrap().into_iter().flat_map(|image| image.names).collect();
    assert_eq!(names, ["app"]);
}

#[test]
fn an_image_that_is_saved_again_before_a_check_ends_stays() {
    let store = TestStore::new();
    let (_, layer) = build(&store, "text");
    let packed = pack(&[layer]);
    store.save_image(&packed, &["app".into()]).unwrap();
    let config = packed.config_digest;
    flip_a_byte(&store.blob_path(&config).unwrap().unwrap());
    let mut again = |progress: Progress| {
        if progress.class == Class::Images {
            // Another process was as quick, and its user has built once more.
            let other = Store::open(&store.directory(), NOW).unwrap();
            assert_ne!(verify(&other, true).findings, []);
            other.save_image(&packed, &["app".into()]).unwrap();
        }
    };
    let report = store.verify(true, &mut again, &|parts| Ok(parts_digest(parts))).unwrap();
    assert_eq!(report.findings.len(), 2, "{:?}", report.findings);
    assert_eq!(store.images().unwrap()[0].names, ["app"]);
    assert_eq!(verify(&store, false).findings, []);
}

#[test]
fn want_of_descriptors_is_no_damage() {
    let store = TestStore::new();
    let (_, layer) = build(&store, "text");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    let lack = || std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
    let error = store.verify(true, &mut |_| (), &|_| Err(lack().into())).unwrap_err();
    let path = store.directory().join("layers").join(layer.diff_id.hex());
    assert_eq!(
        error.to_string(),
        format!("cannot verify the store: cannot read {}; nothing was changed", path.display())
    );
    assert_eq!(std::error::Error::source(&error).map(ToString::to_string), Some(lack().to_string()));
    assert_eq!(verify(&store, true).findings, []);
}

#[test]
fn a_layer_is_read_before_it_is_used_where_that_is_asked_for() {
    let store = TestStore::new();
    let (good, _) = build(&store, "good");
    let (bad, layer) = build(&store, "text");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    let file = layer_dir(&store, &layer).join("etc/file");
    fs::write(&file, "tent").unwrap();
    let store = store.reopen(NOW);
    assert!(store.result(&bad).unwrap().is_some(), "nobody has asked");
    let store = store.reopen(NOW);
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    store.verify_before_use(move |path| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(parts_digest(path))
    });
    assert!(store.result(&good).unwrap().is_some() && store.result(&good).unwrap().is_some());
    assert_eq!(read.load(Ordering::Relaxed), 1, "once is enough");
    assert_eq!(store.result(&bad).unwrap(), None);
    assert_eq!(store.found_damaged(), [layer.diff_id]);
    // The image that has it does not bring it back.
    assert_eq!(store.images().unwrap()[0].names, ["app"]);
    assert_eq!(store.layer(&layer.diff_id).unwrap(), None);
    build(&store, "text");
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    assert!(store.layer(&layer.diff_id).unwrap().is_some());
    assert_eq!(read.load(Ordering::Relaxed), 2, "what was just made is not read");
    store.save_image(&pack(&[layer]), &["app".into()]).unwrap();
    assert_eq!(verify(&store.reboot(NOW), true).findings, []);
}

#[test]
fn a_damaged_layer_is_not_kept_for_one_that_is_made_again() {
    let store = TestStore::new();
    let (bad, layer) = build(&store, "text");
    let file = layer_dir(&store, &layer).join("etc/file");
    fs::write(&file, "tent").unwrap();
    let store = store.reopen(NOW);
    store.verify_before_use(|parts| Ok(parts_digest(parts)));
    // A step that is forced asks for no result.
    build(&store, "text");
    assert_eq!(store.found_damaged(), [layer.diff_id]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    assert!(store.result(&bad).unwrap().is_some());
}
