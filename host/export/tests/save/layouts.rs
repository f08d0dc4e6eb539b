// SPDX-License-Identifier: Apache-2.0
//! Images out of layouts: ours, and those that somebody has tampered with.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use wythe_export::{ReadLayoutError, Wanted, read_layout, save_layout};
use wythe_image::{Digest, Platform};

use crate::sample::Sample;

/// A layout with an image of the tag `1.4`.
struct Medium {
    _dir: TempDir,
    path: PathBuf,
    sample: Sample,
}

impl Medium {
    fn new(compression: &str) -> Self {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        let path = dir.path().join("layout");
        sample.with(compression, 0, |export| save_layout(export, &path).unwrap());
        Self { _dir: dir, path, sample }
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.path.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    fn index(&self) -> Value {
        json_of(&self.path.join("index.json"))
    }

    /// Puts a blob there and returns a descriptor of it.
    fn put(&self, media_type: &str, content: &Value) -> Value {
        let bytes = content.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        fs::write(self.blob(&digest.to_string()), &bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn name(&self, entries: &Value) {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }

    /// The manifest with a change, in place of the one that is named.
    fn with_manifest(&self, change: impl FnOnce(&mut Value)) {
        let mut manifest = json_of(&self.blob(self.index()["manifests"][0]["digest"].as_str().unwrap()));
        change(&mut manifest);
        self.name(&json!([self.put(MANIFEST, &manifest)]));
    }

    fn read(&self, wanted: &Wanted) -> Result<wythe_export::LayoutImage, ReadLayoutError> {
        read_layout(&self.path, wanted, &Platform::linux_amd64())
    }

    /// What is said where reading all of it fails.
    fn refusal(&self, wanted: &Wanted) -> String {
        let read = self.read(wanted).and_then(|image| image.layers.iter().try_for_each(|layer| layer.open().map(drop)));
        read.unwrap_err().to_string().replace(&self.path.display().to_string(), "LAYOUT")
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn for_platform(mut entry: Value, architecture: &str) -> Value {
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

#[test]
fn what_was_saved_is_read_back() {
    for compression in ["none", "gzip", "zstd"] {
        let medium = Medium::new(compression);
        let entry = medium.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
        for wanted in [Wanted::Usual, Wanted::Tag("1.4".to_owned()), Wanted::Digest(entry.parse().unwrap())] {
            let read = medium.read(&wanted).unwrap();
            assert_eq!(read.image.config(), medium.sample.image.config());
            let expected: Vec<Digest> = medium.sample.image.layers().iter().map(|layer| layer.diff_id).collect();
            assert_eq!(read.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>(), expected);
            for layer in &read.layers {
                let mut bytes = Vec::new();
                layer.open().unwrap().read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes.len() as u64, layer.size, "it is read from its beginning");
            }
        }
    }
}

#[test]
fn an_index_of_several_platforms_has_one_for_this() {
    let medium = Medium::new("gzip");
    let ours = medium.index()["manifests"][0].clone();
    let other = json!({"mediaType": MANIFEST, "digest": format!("sha256:{}", "a".repeat(64)), "size": 3});
    let entries = json!([for_platform(other.clone(), "s390x"), for_platform(ours.clone(), "amd64")]);
    // Behind a descriptor of its own, as most builders write it, and in the index itself.
    medium.name(&json!([medium.put(INDEX, &json!({"schemaVersion": 2, "manifests": entries}))]));
    assert_eq!(medium.read(&Wanted::Usual).unwrap().image.config(), medium.sample.image.config());
    medium.name(&entries);
    assert_eq!(medium.read(&Wanted::Usual).unwrap().image.config(), medium.sample.image.config());
    // Where there is none, those are named that are there.
    medium.name(&json!([for_platform(other.clone(), "s390x"), for_platform(ours, "arm64")]));
    assert_eq!(medium.refusal(&Wanted::Usual), "there is no image for linux/amd64; there is: linux/s390x, linux/arm64");
    let inner = medium.put(INDEX, &json!({"schemaVersion": 2, "manifests": []}));
    let nested = json!({"schemaVersion": 2, "manifests": [for_platform(inner.clone(), "amd64")]});
    medium.name(&json!([medium.put(INDEX, &nested)]));
    let digest = inner["digest"].as_str().unwrap();
    let expected = format!("the index lists another index, {digest}, for the platform, where a manifest is expected");
    assert_eq!(medium.refusal(&Wanted::Usual), expected);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let medium = Medium::new("none");
    let tag = |tag: &str| Wanted::Tag(tag.to_owned());
    assert_eq!(medium.refusal(&tag("2.0")), "`LAYOUT` has no image `2.0`; there is: :1.4");
    let digest = Digest::of(b"nothing");
    assert_eq!(medium.refusal(&Wanted::Digest(digest)), format!("`LAYOUT` has no entry {digest}; there is: :1.4"));
    let other = json!({"mediaType": MANIFEST, "digest": digest, "size": 3});
    medium.name(&json!([medium.index()["manifests"][0], other]));
    let expected = format!("`LAYOUT` has several images, and none is `latest`; there is: :1.4, @{digest}");
    assert_eq!(medium.refusal(&Wanted::Usual), expected);
    medium.name(&json!([]));
    assert_eq!(medium.refusal(&Wanted::Usual), "the index of `LAYOUT` names no image");
    fs::write(medium.path.join("index.json"), "{").unwrap();
    assert_eq!(medium.refusal(&Wanted::Usual), "the index cannot be understood");
    fs::remove_file(medium.path.join("oci-layout")).unwrap();
    let expected = "`LAYOUT` is not an OCI image layout: it has no file `oci-layout`";
    assert_eq!(medium.refusal(&Wanted::Usual), expected);
}

#[test]
fn damaged_and_missing_parts_are_told_apart() {
    let medium = Medium::new("none");
    let manifest = medium.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let parts = json_of(&medium.blob(&manifest));
    let of = |value: &Value| value["digest"].as_str().unwrap().to_owned();
    for (what, digest) in
        [("layer", of(&parts["layers"][1])), ("configuration", of(&parts["config"])), ("manifest", manifest)]
    {
        let path = medium.blob(&digest);
        let mut bytes = fs::read(&path).unwrap();
        let size = bytes.len();
        bytes[10] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let found = Digest::of(&bytes);
        let expected = |found_size: usize, more: &str, found: Digest| {
            format!(
                "the {what} {digest} is damaged: expected {size} bytes, found {found_size}{more} bytes with digest {found}"
            )
        };
        assert_eq!(medium.refusal(&Wanted::Usual), expected(size, "", found));
        bytes[10] ^= 1;
        bytes.push(0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(medium.refusal(&Wanted::Usual), expected(size + 1, " or more", Digest::of(&bytes)));
        fs::remove_file(&path).unwrap();
        let hex = digest.trim_start_matches("sha256:");
        let missing = format!("the {what} {digest} is missing: there is no file `LAYOUT/blobs/sha256/{hex}`");
        assert_eq!(medium.refusal(&Wanted::Usual), missing);
        // What is no file is not waited for.
        fs::create_dir(&path).unwrap();
        assert_eq!(medium.refusal(&Wanted::Usual), missing);
        fs::remove_dir(&path).unwrap();
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn what_is_no_image_of_ours_is_refused() {
    let medium = Medium::new("none");
    let layer = "application/vnd.oci.image.layer.v1.tar+encrypted";
    medium.with_manifest(|manifest| manifest["layers"][0]["mediaType"] = json!(layer));
    assert!(medium.refusal(&Wanted::Usual).ends_with(&format!("is of the type `{layer}`, which cannot be unpacked")));
    let medium = Medium::new("none");
    medium.with_manifest(|manifest| manifest["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json"));
    assert!(
        medium
            .refusal(&Wanted::Usual)
            .ends_with("its configuration is of the type `application/vnd.oci.empty.v1+json`")
    );
    let medium = Medium::new("none");
    medium.with_manifest(|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()));
    assert_eq!(medium.refusal(&Wanted::Usual), "manifest and configuration do not fit each other");
    let medium = Medium::new("none");
    medium.with_manifest(|manifest| manifest["config"]["size"] = json!(1u64 << 40));
    assert_eq!(medium.refusal(&Wanted::Usual), "the configuration is larger than 16 MiB");
    let medium = Medium::new("none");
    let long = format!("sha512:{}", "0".repeat(128));
    medium.with_manifest(|manifest| manifest["layers"][0]["digest"] = json!(long));
    let expected = format!("`{long}` is not a digest of SHA-256, and others are not understood");
    assert_eq!(medium.refusal(&Wanted::Usual), expected);
    let medium = Medium::new("none");
    let other: Platform = "linux/s390x".parse().unwrap();
    let refused = read_layout(&medium.path, &Wanted::Usual, &other).unwrap_err().to_string();
    assert_eq!(refused, "there is no image for linux/s390x; there is: linux/amd64");
}
