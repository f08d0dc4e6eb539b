// SPDX-License-Identifier: Apache-2.0
//! The small files of a medium: `oci-layout`, `index.json`, `manifest.json`.
//!
//! An index that is there already is edited as JSON, so that what other programs wrote into it stays.

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor};
use serde_json::{Value, json};
use wythe_image::{Digest, Reference, to_canonical_json};

use crate::export::Written;

/// The file that makes a directory a layout (OCI image-spec, image-layout.md).
pub(crate) const LAYOUT: &str = "oci-layout";

/// The content of that file.
pub(crate) const LAYOUT_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The file that names the images of a layout.
pub(crate) const INDEX: &str = "index.json";

/// The file that `docker load` reads.
pub(crate) const DOCKER_MANIFEST: &str = "manifest.json";

/// The whole name. The annotation for the tag has no room for a registry and a repository; containerd, Docker and podman
/// look for them here.
const ANNOTATION_IMAGE_NAME: &str = "io.containerd.image.name";

/// Returns an index with no images.
pub(crate) fn empty() -> Value {
    json!({
        "manifests": [],
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "schemaVersion": 2,
    })
}

/// Puts an image into an index under each of its names; whatever had one of these tags loses its entry.
///
/// Returns nothing where the value is not an index.
pub(crate) fn put(mut index: Value, manifest: &Descriptor, names: &[Reference]) -> Option<Value> {
    let entries: Vec<_> = entries(manifest, names);
    let list = index.as_object_mut()?.entry("manifests").or_insert_with(|| json!([])).as_array_mut()?;
    list.retain(|old| !entries.iter().any(|new| is_same_place(old, new)));
    list.extend(entries);
    Some(index)
}

/// Returns the path of a blob in a layout and in an archive.
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Returns the content of `manifest.json`.
pub(crate) fn docker_manifest(written: &Written, names: &[Reference]) -> Vec<u8> {
    let layers: Vec<_> = written.layers.iter().map(blob_path).collect();
    let tags: Vec<_> = tagged(names).into_iter().map(|(whole, _)| whole).collect();
    to_canonical_json(&json!([{ "Config": blob_path(&written.config), "Layers": layers, "RepoTags": tags }]))
}

fn entries(manifest: &Descriptor, names: &[Reference]) -> Vec<Value> {
    let plain = serde_json::to_value(manifest).expect("a descriptor is representable as JSON");
    let mut entries = Vec::new();
    for (whole, tag) in tagged(names) {
        let mut entry = plain.clone();
        entry["annotations"] = json!({ ANNOTATION_IMAGE_NAME: whole, ANNOTATION_REF_NAME: tag });
        entries.push(entry);
    }
    if entries.is_empty() {
        entries.push(plain);
    }
    entries
}

/// Two entries with one tag cannot be told apart by readers that ask for it, and two without a tag only by their digest.
fn is_same_place(old: &Value, new: &Value) -> bool {
    let tag = |entry: &Value| entry["annotations"][ANNOTATION_REF_NAME].as_str().map(str::to_owned);
    match (tag(old), tag(new)) {
        (Some(old), Some(new)) => old == new,
        (None, None) => old["digest"] == new["digest"],
        _ => false,
    }
}

/// Returns the names that have a tag, whole, and their tags; each name once, in the order in which they came.
fn tagged(names: &[Reference]) -> Vec<(String, &str)> {
    let mut tagged: Vec<(String, &str)> = Vec::new();
    for name in names {
        let Some(tag) = name.tag() else { continue };
        let whole = whole(name, tag);
        if !tagged.iter().any(|(known, _)| *known == whole) {
            tagged.push((whole, tag));
        }
    }
    tagged
}

/// Returns a whole name, without its digest.
///
/// Docker's archives have room for short names as well, but who reads them does not agree on what a short name is short for.
fn whole(name: &Reference, tag: &str) -> String {
    format!("{}/{}:{tag}", name.registry(), name.repository())
}

#[cfg(test)]
mod tests {
    use oci_spec::image::MediaType;
    use serde_json::{Value, json};
    use wythe_image::{Digest, Image, Reference};

    use super::{empty, put};

    fn names(texts: &[&str]) -> Vec<Reference> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Digest and tag of each entry.
    fn shown(index: &Value) -> Vec<(String, String)> {
        let shown = |entry: &Value| {
            let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or("-");
            (entry["digest"].as_str().unwrap()[7..11].to_owned(), tag.to_owned())
        };
        index["manifests"].as_array().unwrap().iter().map(shown).collect()
    }

    #[test]
    fn an_image_takes_the_places_of_its_names_and_no_others() {
        let add = |index, content: &[u8], tags: &[&str]| {
            put(index, &Image::descriptor(MediaType::ImageManifest, Digest::of(content), 1), &names(tags)).unwrap()
        };
        let index = add(empty(), b"one", &["app:1", "app"]);
        let pair = |digest: &str, tag: &str| (digest.to_owned(), tag.to_owned());
        assert_eq!(shown(&index), [pair("7692", "1"), pair("7692", "latest")]);
        let index = add(index, b"two", &["app", "app:2", "app:latest"]);
        assert_eq!(shown(&index), [pair("7692", "1"), pair("3fc4", "latest"), pair("3fc4", "2")]);
        let index = add(index, b"two", &[]);
        let index = add(index, b"three", &[]);
        let again = add(index, b"two", &[]);
        let tags = [pair("7692", "1"), pair("3fc4", "latest"), pair("3fc4", "2")];
        assert_eq!(shown(&again)[..3], tags);
        assert_eq!(shown(&again)[3..], [pair("8b5b", "-"), pair("3fc4", "-")]);
    }

    #[test]
    fn what_others_wrote_into_an_index_stays() {
        let theirs = json!({"schemaVersion": 2, "x": [1], "manifests": [{"digest": "sha512:aa", "y": {"z": null}}]});
        let manifest = Image::descriptor(MediaType::ImageManifest, Digest::of(b"one"), 1);
        let index = put(theirs.clone(), &manifest, &names(&["app:1"])).unwrap();
        assert_eq!((&index["x"], &index["manifests"][0]), (&theirs["x"], &theirs["manifests"][0]));
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
        for not_an_index in [json!([]), json!({"manifests": {}}), json!("x")] {
            assert_eq!(put(not_an_index, &manifest, &[]), None);
        }
    }
}
