// SPDX-License-Identifier: Apache-2.0
//! What other programs say of our media. A judge that is not installed is skipped, with a line that says so.
#![allow(clippy::print_stderr, reason = "a judge that is absent is reported")]

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use crate::sample::{CREATED, Sample};
use tempfile::tempdir;
use wythe_export::{save_docker_archive, save_layout, save_oci_archive};

const COMPRESSIONS: [&str; 3] = ["none", "gzip", "zstd"];

/// Returns what a program prints, or nothing where it is not installed.
fn judge(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: `{program}` is not installed");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    Some(out.into_owned())
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn skopeo_reads_all_media() {
    for compression in COMPRESSIONS {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        let path = |name: &str| shown(&dir.path().join(name));
        let descriptor = sample.with(compression, 0, |export| {
            save_oci_archive(export, path("oci.tar").as_ref()).unwrap();
            save_docker_archive(export, path("docker.tar").as_ref()).unwrap();
            save_layout(export, path("layout").as_ref()).unwrap()
        });
        for (source, has_our_manifest) in [
            (format!("oci:{}:1.4", path("layout")), true),
            (format!("oci-archive:{}:1.4", path("oci.tar")), true),
            (format!("oci-archive:{}:1.4", path("docker.tar")), true),
            (format!("docker-archive:{}:docker.io/ada/app:1.4", path("docker.tar")), false),
        ] {
            let Some(json) = judge("skopeo", &["inspect", &source]) else { return };
            let inspected: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(inspected["Created"], CREATED, "{source}");
            assert_eq!(inspected["Layers"].as_array().unwrap().len(), 3);
            assert_eq!(inspected["Env"], serde_json::json!(["PATH=/bin"]));
            if has_our_manifest {
                assert_eq!(inspected["Digest"], descriptor.digest().to_string(), "{source}");
            }
            // Copying reads, decompresses and checks every layer.
            let copy = path("copy");
            judge(
                "skopeo",
                &["copy", "--quiet", "--insecure-policy", "--dest-decompress", &source, &format!("dir:{copy}")],
            );
            for layer in sample.image.layers() {
                let bytes = fs::read(Path::new(&copy).join(layer.diff_id.hex())).unwrap();
                assert_eq!(bytes.len() as u64, layer.size, "{source}");
            }
            fs::remove_dir_all(copy).unwrap();
        }
    }
}

/// Releases of umoci before 0.5 know no zstd; skopeo judges those layers.
#[test]
fn umoci_unpacks_a_layout() {
    for compression in ["none", "gzip"] {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        let path = |name: &str| shown(&dir.path().join(name));
        sample.with(compression, 0, |export| save_layout(export, path("layout").as_ref())).unwrap();
        let image = format!("{}:1.4", path("layout"));
        if judge("umoci", &["unpack", "--rootless", "--image", &image, &path("bundle")]).is_none() {
            return;
        }
        let root = dir.path().join("bundle/rootfs");
        assert_eq!(fs::read(root.join("hello")).unwrap(), b"hello\n");
        assert_eq!(fs::read(root.join("etc/os-release")).unwrap(), b"ID=wythe\n");
        assert!(fs::metadata(root.join("etc/large")).unwrap().len() > 3_000_000);
    }
}

#[test]
fn gzip_and_zstd_read_what_was_compressed() {
    for (compression, program) in [("gzip", "gzip"), ("gzip:12", "gzip"), ("zstd", "zstd")] {
        let (dir, sample) = (tempdir().unwrap(), Sample::new());
        let layout = dir.path().join("layout");
        sample.with(compression, 0, |export| save_layout(export, &layout)).unwrap();
        let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
        let largest = blobs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
        let is_same = format!("{program} -dc < '{}' | sha256sum", largest.display());
        if judge(program, &["--version"]).is_none() {
            continue;
        }
        let digest = judge("sh", &["-c", &is_same]).unwrap();
        assert_eq!(digest.split(' ').next().unwrap(), sample.image.layers()[0].diff_id.hex());
    }
}
