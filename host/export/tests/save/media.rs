// SPDX-License-Identifier: Apache-2.0
//! What an export writes, and what it leaves when it fails.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::sample::{CREATED, Sample, copy, names_in};
use tempfile::tempdir;
use wythe_export::{Export, SaveError, save_docker_archive, save_layout, save_oci_archive};
use wythe_image::{Digest, Image, Platform, Reference};

const COMPRESSIONS: [&str; 4] = ["none", "gzip:1", "gzip:6", "zstd:3"];

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

/// Every file below a directory, with its bytes.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for name in names_in(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            files.extend(tree(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.push((name, fs::read(path).unwrap()));
        }
    }
    files
}

#[test]
fn without_compression_the_digest_is_the_stored_one() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    let target = dir.path().join("layout");
    let descriptor = sample.with("none", 0, |export| save_layout(export, &target)).unwrap();
    let packed = sample.image.pack(CREATED);
    assert_eq!(descriptor.digest().to_string(), packed.digest.to_string());
    let mut expected: Vec<_> = sample.image.layers().iter().map(|layer| layer.diff_id.hex()).collect();
    expected.extend([packed.digest.hex(), packed.config_digest.hex()]);
    expected.sort();
    expected.dedup();
    assert_eq!(names_in(&target.join("blobs/sha256")), expected);
}

#[test]
fn blobs_are_what_their_names_say() {
    for compression in COMPRESSIONS {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        sample.with(compression, 0, |export| save_layout(export, &dir.path().join("layout"))).unwrap();
        let blobs = tree(&dir.path().join("layout/blobs/sha256"));
        assert_eq!(blobs.len(), 4);
        for (name, bytes) in blobs {
            assert_eq!(Digest::of(&bytes).hex(), name, "{compression}");
        }
    }
}

/// The digests are a promise of the format: where they change, images change that nobody changed. A new release of a
/// compressing library may do that, and then says so here.
#[test]
fn the_index_and_its_digests_are_stable() {
    let index = |compression: &str| {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        sample.with(compression, 0, |export| save_layout(export, &dir.path().join("layout"))).unwrap();
        assert_eq!(read(dir.path().join("layout/oci-layout")), r#"{"imageLayoutVersion":"1.0.0"}"#);
        read(dir.path().join("layout/index.json"))
    };
    let expected = |digest: &str, size: u32| {
        format!(
            "{{\"manifests\":[{{\"annotations\":{{\"io.containerd.image.name\":\"docker.io/ada/app:1.4\",\
             \"org.opencontainers.image.ref.name\":\"1.4\"}},\"digest\":\"sha256:{digest}\",\
             \"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"platform\":{{\"architecture\":\"amd64\",\"os\":\"linux\"}},\"size\":{size}}}],\
             \"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}}"
        )
    };
    let none = "d122ac441d8e784408a75e56ce4398d32bb2085813d3e5be84363d3b72b600de";
    let gzip = "88eeb3610ca2641fa35640f79c5a59afbe1d8ed2f4fb9770b081ffb2fb0e808d";
    let zstd = "5a033df2a727725078708e044e0e443d3a21cb6c4dbff97f4b3d40add850a990";
    assert_eq!(index("none"), expected(none, 703));
    assert_eq!(index("gzip"), expected(gzip, 716));
    assert_eq!(index("zstd"), expected(zstd, 716));
}

#[test]
fn the_number_of_threads_does_not_reach_the_bytes() {
    for compression in COMPRESSIONS {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        for threads in [1, 4] {
            sample.with(compression, threads, |export| {
                save_layout(export, &dir.path().join(format!("layout{threads}"))).unwrap();
                save_oci_archive(export, &dir.path().join(format!("oci{threads}"))).unwrap();
                save_docker_archive(export, &dir.path().join(format!("docker{threads}"))).unwrap();
            });
        }
        assert!(tree(&dir.path().join("layout1")) == tree(&dir.path().join("layout4")), "{compression}");
        for kind in ["oci", "docker"] {
            let bytes = |threads| fs::read(dir.path().join(format!("{kind}{threads}"))).unwrap();
            assert!(bytes(1) == bytes(4), "{compression} {kind}");
        }
    }
}

#[test]
fn an_archive_holds_the_layout() {
    for compression in COMPRESSIONS {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        sample.with(compression, 0, |export| {
            save_layout(export, &dir.path().join("layout")).unwrap();
            save_oci_archive(export, &dir.path().join("oci.tar")).unwrap();
            save_docker_archive(export, &dir.path().join("docker.tar")).unwrap();
        });
        let unpacked = |name: &str| {
            let to = dir.path().join(name).with_extension("");
            tar::Archive::new(fs::File::open(dir.path().join(name)).unwrap()).unpack(&to).unwrap();
            tree(&to)
        };
        assert!(unpacked("oci.tar") == tree(&dir.path().join("layout")), "{compression}");
        let mut docker = unpacked("docker.tar");
        let at = docker.iter().position(|(name, _)| name == "manifest.json").unwrap();
        let (_, manifest) = docker.remove(at);
        assert!(docker == tree(&dir.path().join("layout")), "{compression}");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["docker.io/ada/app:1.4"]));
        let paths: Vec<_> = manifest[0]["Layers"].as_array().unwrap().iter().chain([&manifest[0]["Config"]]).collect();
        assert_eq!(paths.len(), 4);
        for path in paths {
            assert!(dir.path().join("docker").join(path.as_str().unwrap()).is_file(), "{path}");
        }
    }
}

#[test]
fn a_damaged_layer_is_named_and_nothing_stays() {
    for compression in COMPRESSIONS {
        let (dir, mut sample) = (tempdir().unwrap(), Sample::new());
        let damaged = sample.damage();
        sample.with(compression, 0, |export| {
            for result in [
                save_layout(export, &dir.path().join("layout")),
                save_oci_archive(export, &dir.path().join("oci")),
                save_docker_archive(export, &dir.path().join("docker")),
            ] {
                let error = result.unwrap_err();
                assert!(matches!(&error, SaveError::Damaged { expected, .. } if *expected == damaged), "{error:?}");
                let text = error.to_string();
                assert!(text.starts_with(&format!("layer {} is damaged: expected", damaged.diff_id)), "{text}");
            }
        });
        assert_eq!(names_in(dir.path()), [""; 0]);
    }
}

#[test]
fn a_layer_of_another_length_is_damaged_whatever_its_keeper_says() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    let lies = |layer: &wythe_image::LayerRef, out: &mut dyn io::Write| {
        out.write_all(b"short")?;
        Ok((layer.diff_id, layer.size))
    };
    let export = Export::new(&sample.image, CREATED, &sample.names, &lies);
    let error = save_layout(&export, &dir.path().join("layout")).unwrap_err();
    assert!(matches!(error, SaveError::Damaged { found_size: 5, .. }), "{error:?}");
}

#[test]
fn a_layer_that_cannot_be_read_leaves_what_was_there() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    let (layout, archive) = (dir.path().join("layout"), dir.path().join("archive"));
    sample.with("none", 0, |export| {
        save_layout(export, &layout).unwrap();
        save_oci_archive(export, &archive).unwrap();
    });
    let before = tree(dir.path());
    let broken = |_: &wythe_image::LayerRef, out: &mut dyn io::Write| {
        out.write_all(&[0; 5_000_000])?;
        Err("the disk is gone".into())
    };
    let export = Export::new(&sample.image, CREATED, &sample.names, &broken);
    for result in [save_layout(&export, &layout), save_oci_archive(&export, &archive)] {
        let error = result.unwrap_err();
        let layer = sample.image.layers()[0].diff_id;
        assert_eq!(error.to_string(), format!("cannot read layer {layer}"));
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is gone");
    }
    assert!(tree(dir.path()) == before);
}

#[test]
fn a_layout_that_is_there_gets_the_image_added() {
    let (dir, mut sample) = (tempdir().unwrap(), Sample::new());
    let layout = dir.path().join("layout");
    let first = sample.with("none", 0, |export| save_layout(export, &layout)).unwrap();
    sample.names = ["ada/app:2", "ada/app"].map(|name| name.parse::<Reference>().unwrap()).to_vec();
    let second = sample.with("zstd", 0, |export| save_layout(export, &layout)).unwrap();
    let index: serde_json::Value = serde_json::from_str(&read(layout.join("index.json"))).unwrap();
    let entries: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap(),
                entry["digest"].as_str().unwrap(),
            )
        })
        .collect();
    let (first, second) = (first.digest().to_string(), second.digest().to_string());
    assert_eq!(entries, [("1.4", first.as_str()), ("2", second.as_str()), ("latest", second.as_str())]);
    assert_eq!(names_in(&layout), ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn exports_into_one_layout_at_a_time_all_arrive() {
    let dir = tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let layout = dir.path();
            scope.spawn(move || {
                let image = Image::scratch(Platform::linux_amd64()).with_note(&format!("image {number}"));
                let names = [format!("app:{number}").parse().unwrap()];
                save_layout(&Export::new(&image, CREATED, &names, &|_, _| unreachable!()), layout).unwrap();
            });
        }
    });
    let index: serde_json::Value = serde_json::from_str(&read(dir.path().join("index.json"))).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 8);
    assert_eq!(names_in(dir.path()), ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn what_a_killed_export_left_goes() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    fs::create_dir(dir.path().join(".wythe-abc")).unwrap();
    sample.with("none", 0, |export| save_layout(export, dir.path())).unwrap();
    assert_eq!(names_in(dir.path()), ["blobs", "index.json", "oci-layout"]);
}

#[test]
fn what_is_no_medium_is_not_touched() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    fs::write(dir.path().join("notes"), "mine").unwrap();
    sample.with("none", 0, |export| {
        for (result, expected) in [
            (
                save_layout(export, dir.path()),
                format!("`{}` is there already and is not an OCI image layout", dir.path().display()),
            ),
            (
                save_layout(export, &dir.path().join("notes")),
                format!("`{}` is there already and is not a directory", dir.path().join("notes").display()),
            ),
            (
                save_oci_archive(export, dir.path()),
                format!("`{}` is there already and is not a file", dir.path().display()),
            ),
            (
                save_docker_archive(export, Path::new("/dev/null")),
                "`/dev/null` is there already and is not a file".to_owned(),
            ),
        ] {
            assert_eq!(result.unwrap_err().to_string(), expected);
        }
    });
    assert_eq!(tree(dir.path()), [("notes".to_owned(), b"mine".to_vec())]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    let target = dir.path().join("missing/archive");
    let error = sample.with("none", 0, |export| save_oci_archive(export, &target)).unwrap_err();
    assert!(matches!(&error, SaveError::Write { path, .. } if *path == target), "{error:?}");
}

#[test]
fn others_may_read_what_is_saved() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    let (layout, archive) = (dir.path().join("layout"), dir.path().join("archive"));
    sample.with("none", 0, |export| {
        save_layout(export, &layout).unwrap();
        save_oci_archive(export, &archive).unwrap();
    });
    fs::create_dir(dir.path().join("dir")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&layout), mode(&dir.path().join("dir")));
    assert_eq!(mode(&archive), mode(&dir.path().join("file")));
}

#[test]
fn progress_counts_the_layers_to_their_sum() {
    let (dir, sample) = (tempdir().unwrap(), Sample::new());
    let total: u64 = sample.image.layers().iter().map(|layer| layer.size).sum();
    for compression in COMPRESSIONS {
        let heard = RefCell::new(Vec::new());
        sample.with(compression, 2, |export| {
            let progress = |done| heard.borrow_mut().push(done);
            save_layout(&Export { progress: &progress, ..*export }, &dir.path().join(compression)).unwrap();
        });
        let heard = heard.into_inner();
        assert!(heard.len() > 5 && heard.is_sorted(), "{heard:?}");
        assert_eq!(heard.last(), Some(&total));
    }
}

#[test]
fn an_image_without_layers_and_an_empty_layer_can_be_saved() {
    let dir = tempdir().unwrap();
    let empty = wythe_image::LayerRef { diff_id: Digest::of(b""), size: 0 };
    let scratch = Image::scratch(Platform::linux_amd64());
    for (number, image) in [scratch.clone(), scratch.append(empty, "nothing")].iter().enumerate() {
        let layers = |_: &wythe_image::LayerRef, out: &mut dyn io::Write| copy(b"", out);
        let export = Export { compression: "gzip".parse().unwrap(), ..Export::new(image, CREATED, &[], &layers) };
        save_layout(&export, &dir.path().join(number.to_string())).unwrap();
    }
    assert_eq!(names_in(&dir.path().join("1/blobs/sha256")).len(), 3);
}
