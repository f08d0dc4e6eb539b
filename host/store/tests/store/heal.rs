// SPDX-License-Identifier: Apache-2.0
//! A damaged index is made again when the store is opened next, and loses no image.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use wythe_image::{Digest, LayerRef, Packed};
use wythe_store::{Damage, GcPolicy, Store};

use crate::support::{NOW, TestStore, build, entries, key, never_wait, pack, parts_digest, record};

/// A closed store with two images of three names, a removed image, and results of which one has no layer.
struct Kept {
    root: tempfile::TempDir,
    one: Packed,
    two: Packed,
    layer: LayerRef,
}

impl Kept {
    fn new() -> Self {
        let store = TestStore::new();
        let layers = ["one", "two", "gone"].map(|text| build(&store, text).1);
        let [one, two, gone] = layers.map(|layer| pack(&[layer]));
        store.save_image(&one, &["app".into(), "app:1".into()]).unwrap();
        store.save_image(&gone, &["gone".into()]).unwrap();
        store.save_image(&two, &["other".into(), "no-more".into()]).unwrap();
        store.untag("no-more").unwrap();
        store.remove_image(&gone.digest).unwrap();
        store.put_result(&key("nothing"), &record(None, "nothing")).unwrap();
        Self { one, two, layer: layers[0], root: store.close() }
    }

    fn store(&self) -> PathBuf {
        self.root.path().join("store")
    }

    fn index(&self) -> PathBuf {
        self.store().join("index.db")
    }

    /// Moves all of the log into the database, so that this is all there is.
    fn fold(&self) {
        let index = rusqlite::Connection::open(self.index()).unwrap();
        index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        fs::File::options().write(true).open(self.index()).unwrap().write_all_at(bytes, at).unwrap();
    }

    /// Uses the store as commands do: once more where the first time met damage.
    fn opened<T>(&self, work: impl Fn(&Store) -> Result<T, String>) -> T {
        let attempt = || {
            let store = Store::open(&self.store(), NOW).map_err(|error| error.to_string())?;
            work(&store)
        };
        attempt().or_else(|_| attempt()).unwrap()
    }

    /// All images are there with their names, and nothing else; a collection takes nothing of them.
    fn check(&self) {
        let listed = |store: &Store| {
            let images = store.images().map_err(|error| error.to_string())?;
            let mut listed: Vec<_> = images.into_iter().map(|image| (image.digest, image.names)).collect();
            listed.sort();
            Ok(listed)
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut expected = vec![(self.one.digest, names(&["app", "app:1"])), (self.two.digest, names(&["other"]))];
        expected.sort();
        assert_eq!(self.opened(listed), expected);
        let policy = GcPolicy { max_age: Some(0), ..GcPolicy::default() };
        self.opened(|store| store.gc(&policy).map_err(|error| error.to_string()));
        assert_eq!(self.opened(listed), expected);
        self.opened(|store| {
            let image = store.image("app").map_err(|error| error.to_string())?.ok_or("no app")?;
            assert_eq!((image.manifest, image.config), (self.one.manifest.clone(), self.one.config.clone()));
            let layer = store.layer(&self.layer.diff_id).map_err(|error| error.to_string())?;
            assert_eq!(layer, Some(self.layer));
            Ok(())
        });
        let verify = |store: &Store| {
            let report = store.verify(true, &mut |_| (), &|parts| Ok(parts_digest(parts)));
            Ok(report.map_err(|error| error.to_string())?.findings)
        };
        // What only a check sees in an index is made good when the store is opened next.
        let found = self.opened(verify);
        assert!(found.iter().all(|finding| matches!(finding.damage, Damage::Index(_))), "{found:?}");
        assert_eq!(self.opened(verify), []);
        drop(self.opened(|store| store.gc(&policy).map_err(|error| error.to_string())));
        assert_eq!(entries(&self.store().join("blobs/sha256")).len(), 4);
        let index = ["index.db", "index.db-shm", "index.db-wal"];
        let here = entries(&self.store());
        assert_eq!(here.iter().filter(|name| name.starts_with("index.db")).collect::<Vec<_>>(), index);
    }
}

#[test]
fn an_index_of_nothing_but_noise_is_made_again() {
    let kept = Kept::new();
    fs::write(kept.index(), [0xA5; 9000]).unwrap();
    fs::remove_file(kept.store().join("index.db-wal")).unwrap();
    let store = Store::open(&kept.store(), NOW).unwrap();
    let healed = store.healed().unwrap();
    // Layers that no image has are not known any more; blobs know themselves.
    assert_eq!((healed.images, healed.layers, healed.blobs, healed.results), (2, 2, 6, 0));
    drop(store);
    kept.check();
}

#[test]
fn a_damaged_head_costs_nothing() {
    for (at, bytes) in [(0, &b"X"[..]), (16, &[3]), (18, &[66]), (19, &[66]), (45, &[1]), (60, &[1]), (63, &[0])] {
        let kept = Kept::new();
        kept.fold();
        kept.write(at, bytes);
        let result = kept.opened(|store| {
            // Writing is what a flag in the head forbids.
            store.put_trace(&key("t"), "trace").map_err(|error| error.to_string())?;
            let found = |text| store.result(&key(text)).map_err(|error| error.to_string());
            Ok((found("one")?, found("nothing")?))
        });
        let expected = (Some(record(Some(kept.layer), "one")), Some(record(None, "nothing")));
        assert_eq!(result, expected, "byte {at}");
        kept.check();
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a failure says where")]
fn any_flipped_byte_of_the_index_and_of_its_log_loses_no_image() {
    for file in ["index.db", "index.db-wal"] {
        let kept = Kept::new();
        if file == "index.db" {
            kept.fold();
        }
        let path = kept.store().join(file);
        let length = fs::metadata(&path).unwrap().len();
        let copy = kept.root.path().join("copy");
        let duplicate = |from: &Path, to: &Path| {
            drop(fs::remove_dir_all(to));
            let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
            assert!(copied.success());
        };
        duplicate(&kept.store(), &copy);
        for round in 0..60u32 {
            duplicate(&copy, &kept.store());
            let noise = u64::from_str_radix(&key(&format!("round {round}")).hex()[..15], 16).unwrap();
            // The head is what programs look at first.
            let at = if round % 4 == 0 { noise % 100 } else { noise % length };
            let mut bytes = fs::read(&path).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 1 << (noise >> 32 & 7);
            fs::write(&path, bytes).unwrap();
            eprintln!("{file}, byte {at}");
            kept.check();
        }
    }
}

#[test]
fn rows_that_vanish_without_a_sign_come_back() {
    for sql in [
        "DELETE FROM names",
        "UPDATE names SET name = 'apq' WHERE name = 'app'",
        "DELETE FROM images",
        "DELETE FROM image_layers",
        "DELETE FROM layers",
        "UPDATE layers SET size = 77",
        "DELETE FROM blobs",
        "UPDATE blobs SET size = 77",
    ] {
        let kept = Kept::new();
        rusqlite::Connection::open(kept.index()).unwrap().execute_batch(sql).unwrap();
        let found = kept.opened(|store| store.image("app").map_err(|error| error.to_string()));
        assert_eq!(found.unwrap().manifest, kept.one.manifest, "{sql}");
        kept.check();
    }
}

#[test]
fn a_crash_while_the_index_is_made_again_is_made_good() {
    // Put aside and not made: the mark is there and the index is not.
    let kept = Kept::new();
    fs::write(kept.store().join("index.db-damaged"), "damaged\n").unwrap();
    fs::rename(kept.index(), kept.store().join("index.db-aside")).unwrap();
    fs::rename(kept.store().join("index.db-wal"), kept.store().join("index.db-aside-wal")).unwrap();
    fs::write(kept.store().join("index.db-new"), "half").unwrap();
    let store = Store::open(&kept.store(), NOW).unwrap();
    assert!(store.result(&key("one")).unwrap().is_some());
    drop(store);
    kept.check();
}

#[test]
fn a_mark_without_damage_changes_nothing() {
    let kept = Kept::new();
    fs::write(kept.store().join("index.db-damaged"), "cannot be written\n").unwrap();
    let store = Store::open(&kept.store(), NOW).unwrap();
    assert_eq!(store.healed(), None);
    assert!(!Store::will_heal(&kept.store()));
    drop(store);
    kept.check();
}

#[test]
fn who_has_a_damaged_index_open_is_waited_for() {
    let kept = Kept::new();
    let mut other = Some(Store::open(&kept.store(), NOW).unwrap());
    fs::write(kept.store().join("index.db-damaged"), "damaged\n").unwrap();
    let mut waits = 0;
    let store = Store::open_waiting(&kept.store(), NOW, &mut || {
        waits += 1;
        // Nothing is made again as long as somebody would go on with what was there before.
        assert!(Store::will_heal(&kept.store()) && !kept.store().join("index.db-aside").exists());
        if waits == 3 {
            other = None;
        }
        ControlFlow::Continue(())
    });
    assert_eq!(store.unwrap().healed().map(|healed| healed.images), Some(2));
    assert_eq!((waits, other.is_none()), (3, true));
    kept.check();
}

#[test]
fn who_does_not_wait_is_told_what_for() {
    let kept = Kept::new();
    let other = Store::open(&kept.store(), NOW).unwrap();
    fs::write(kept.store().join("index.db-damaged"), "damaged\n").unwrap();
    let error = Store::open_waiting(&kept.store(), NOW, &mut never_wait()).unwrap_err();
    let text = format!(
        "the index of the store in {} is damaged; it is made again once no other process uses the store: wait for them and run \
         this again",
        kept.store().display()
    );
    assert_eq!(error.to_string(), text);
    assert!(other.result(&key("one")).unwrap().is_some(), "who has it open goes on with it");
    drop(other);
    kept.check();
}

#[test]
fn a_damaged_roll_is_written_again() {
    for damage in [&b""[..], b"noise", b"wythe images 9\n\nnoise"] {
        let kept = Kept::new();
        fs::write(kept.store().join("roll"), damage).unwrap();
        kept.check();
        let roll = fs::read_to_string(kept.store().join("roll")).unwrap();
        assert!(roll.starts_with("wythe images 1\n\n") && roll.contains("\"app:1\""), "{roll}");
    }
}

#[test]
fn a_blob_that_goes_on_is_read_before() {
    let store = TestStore::new();
    let blob = store.put_blob(b"artifact").unwrap();
    assert!(store.is_checked(&blob), "what was just written was hashed on the way");
    let store = store.reopen(NOW);
    crate::support::flip_a_byte(&store.blob_path(&blob).unwrap().unwrap());
    assert_eq!(store.checked_blob(&blob).unwrap(), None);
    assert_eq!(store.blob_path(&blob).unwrap(), None, "it is forgotten");
    assert_eq!(store.checked_blob(&Digest::of(b"another")).unwrap(), None);
    store.put_blob(b"artifact").unwrap();
    assert!(store.checked_blob(&blob).unwrap().is_some());
}
