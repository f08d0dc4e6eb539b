// SPDX-License-Identifier: Apache-2.0

use wythe_store::{FindImageError, ImageRow, Store};

use crate::support::{NOW, TestStore, build, commit, flip_a_byte, pack, pack_for};

#[test]
fn images_are_listed_with_names_and_sizes() {
    let store = TestStore::new();
    let (one, two) = (commit(&store, "one"), commit(&store, "three"));
    let (old, new) = (pack(&[one]), pack(&[one, two]));
    store.save_image(&old, &["b".into(), "a".into()]).unwrap();
    let store = store.reopen(NOW + 1);
    store.save_image(&new, &[]).unwrap();
    let row = |packed: &wythe_image::Packed, names: &[&str], created, size| ImageRow {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        digest: packed.digest,
        config: packed.config_digest,
        created,
        size,
    };
    assert_eq!(store.images().unwrap(), [row(&new, &[], NOW + 1, 8), row(&old, &["a", "b"], NOW, 3)]);
}

#[test]
fn a_name_belongs_to_one_image() {
    let store = TestStore::new();
    let (one, two) = (pack(&[commit(&store, "one")]), pack(&[commit(&store, "two")]));
    store.save_image(&one, &["app".into(), "app:1".into()]).unwrap();
    store.save_image(&two, &["app".into()]).unwrap();
    let names = |name: &str| store.image(name).unwrap().map(|image| image.names);
    assert_eq!(names("app").unwrap(), ["app"]);
    assert_eq!(names("app:1").unwrap(), ["app:1"]);
    assert!(store.tag("app:1", &two.digest).unwrap());
    assert_eq!(names("app").unwrap(), ["app", "app:1"]);
    assert_eq!(store.untag("app:1").unwrap(), Some(two.digest));
    assert_eq!(store.untag("app:1").unwrap(), None);
    assert_eq!(names("app:1"), None);
    assert!(!store.tag("other", &wythe_image::Digest::of(b"no image")).unwrap());
    assert_eq!(store.remove_image(&two.digest).unwrap().unwrap(), ["app"]);
    assert_eq!(store.remove_image(&two.digest).unwrap(), None);
    assert_eq!(names("app"), None);
}

#[test]
fn a_name_that_goes_to_another_platform_is_kept_with_its_own() {
    let store = TestStore::new();
    let [intel, arm, newer] = [("linux/amd64", "one"), ("linux/arm64/v8", "two"), ("linux/arm64", "three")]
        .map(|(platform, text)| pack_for(platform, &[commit(&store, text)]));
    let names = |image: &wythe_image::Packed| {
        store.images().unwrap().into_iter().find(|row| row.digest == image.digest).unwrap().names
    };
    store.save_image(&intel, &["app".into(), "app:1".into()]).unwrap();
    store.save_image(&arm, &["app".into()]).unwrap();
    assert_eq!((names(&intel), names(&arm)), (vec!["app:1".into(), "app@linux/amd64".into()], vec!["app".into()]));
    // Another one of the same platform takes the name as ever.
    store.save_image(&newer, &["app".into()]).unwrap();
    assert_eq!((names(&arm), names(&newer)), (Vec::<String>::new(), vec!["app".into()]));
    assert!(store.tag("app", &intel.digest).unwrap());
    assert_eq!((names(&intel), names(&newer)), (vec!["app".into(), "app:1".into()], vec!["app@linux/arm64".into()]));
    assert!(store.tag("app", &arm.digest).unwrap());
    assert_eq!(names(&newer), Vec::<String>::new(), "an image of its platform has the name");
    // What the index has is what the roll has.
    let rows = store.images().unwrap();
    let store = store.reopen(NOW + 1);
    assert_eq!(store.images().unwrap(), rows);
    assert_eq!(store.untag("app").unwrap(), Some(arm.digest));
    let left: Vec<String> = store.images().unwrap().into_iter().flat_map(|row| row.names).collect();
    assert_eq!(left, ["app:1"]);
}

#[test]
fn an_image_is_found_by_digest_and_by_a_beginning_of_it() {
    let store = TestStore::new();
    let packed = pack(&[commit(&store, "one")]);
    store.save_image(&packed, &["app".into()]).unwrap();
    let hex = packed.digest.hex();
    for name in ["app", &packed.digest.to_string(), &hex, &hex[..12], &hex[..4], &format!("sha256:{}", &hex[..9])] {
        assert_eq!(store.image(name).unwrap().map(|image| image.digest), Some(packed.digest), "{name}");
    }
    for name in
        ["", "ap", &hex[..3], &format!("{hex}0"), &hex[..12].to_uppercase(), "sha256:", "sha512:abcd", "%", "____"]
    {
        assert_eq!(store.image(name).unwrap(), None, "{name}");
    }
}

#[test]
fn a_beginning_of_several_digests_names_them() {
    let store = TestStore::new();
    let layers: Vec<_> = (0..2).map(|number| commit(&store, &number.to_string())).collect();
    // Two digests with the same first four digits are a matter of luck: try images until there are.
    let mut known = std::collections::BTreeMap::new();
    let (one, two) = (0..)
        .find_map(|number: u32| {
            let layers: Vec<_> = (0..16).map(|bit| layers[(number >> bit & 1) as usize]).collect();
            let packed = pack(&layers);
            let short = packed.digest.hex()[..4].to_owned();
            known
                .insert(short, packed.clone())
                .filter(|other| other.digest != packed.digest)
                .map(|other| (other, packed))
        })
        .unwrap();
    store.save_image(&one, &["one".into()]).unwrap();
    store.save_image(&two, &[]).unwrap();
    let prefix = one.digest.hex()[..4].to_owned();
    let Err(FindImageError::Ambiguous { candidates, .. }) = store.image(&prefix) else { panic!("not ambiguous") };
    let mut expected = [(one.digest, vec!["one".to_owned()]), (two.digest, vec![])];
    expected.sort();
    assert_eq!(candidates.iter().map(|c| (c.digest, c.names.clone())).collect::<Vec<_>>(), expected);
    let text = store.resolve(&prefix).unwrap_err().to_string();
    assert!(text.starts_with(&format!("`{prefix}` stands for 2 images: {prefix}")) && text.contains("(one)"), "{text}");
    // A name wins.
    store.tag(&prefix, &two.digest).unwrap();
    assert_eq!(store.resolve(&prefix).unwrap(), Some(two.digest));
}

#[test]
fn a_damaged_manifest_is_an_error_and_saving_again_heals_it() {
    let store = TestStore::new();
    let (_, layer) = build(&store, "text");
    let packed = pack(&[layer]);
    store.save_image(&packed, &["app".into()]).unwrap();
    flip_a_byte(&store.blob_path(&packed.digest).unwrap().unwrap());
    assert!(matches!(store.image("app"), Err(FindImageError::Read { part: "manifest", .. })));
    store.save_image(&packed, &["app".into()]).unwrap();
    assert_eq!(store.image("app").unwrap().unwrap().manifest, packed.manifest);
}

#[test]
fn a_layer_may_be_there_as_a_blob_only() {
    let store = TestStore::new();
    let layer = wythe_image::LayerRef { diff_id: wythe_image::Digest::of(b"tar"), size: 3 };
    let image = wythe_image::Image::scratch(wythe_image::Platform::linux_amd64()).append(layer, "pulled");
    let blob = store.put_blob(b"compressed").unwrap();
    let descriptor = wythe_image::Image::descriptor("application/vnd.oci.image.layer.v1.tar+gzip".into(), blob, 10);
    let packed = image.pack_with("2026-11-01T00:00:00Z", vec![descriptor]);
    store.save_image(&packed, &["pulled".into()]).unwrap();
    let store = store.reopen(NOW);
    store.gc(&wythe_store::GcPolicy { max_age: Some(0), ..Default::default() }).unwrap();
    assert!(store.read_blob(&blob).unwrap().is_some());
    let report = store.verify(false, &mut |_| (), &|parts| Ok(crate::support::parts_digest(parts))).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_name_and_its_image_survive_reopening() {
    let store = TestStore::new();
    let packed = pack(&[]);
    store.save_image(&packed, &["scratch".into()]).unwrap();
    let other = Store::open(&store.directory(), NOW).unwrap();
    assert_eq!(other.image("scratch").unwrap().unwrap().config, packed.config);
}
