// SPDX-License-Identifier: Apache-2.0
//! Dockerfiles as another builder builds them: configuration and files are equal. The judge is buildah, where it is
//! installed and may work, which takes root. What the two do not agree on is in `tests/dockerfiles/own.txt`.

use std::path::PathBuf;

use serde_json::{Map, Value};
use wythe_tests::{Bench, is_installed, is_root};

use crate::dockerfile::{busybox, inspect};
use crate::dockerfile_cases::{BASE, Case, cases, look_at, tree, unpacked};

#[test]
fn buildah_makes_the_same_of_the_same_file() {
    if !is_installed("buildah") || !is_installed("umoci") || !is_root() {
        return;
    }
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    let judge = Judge { bench: &bench };
    let archive = bench.dir().join("base.tar").display().to_string();
    bench.wythe(&["save", BASE, "-o", &archive]).stdout();
    bench.buildah(&["pull", &format!("oci-archive:{archive}")]).stdout();
    let files = ["copy.txt", "add.txt", "config.txt", "expand.txt", "run.txt", "stages.txt", "ignored.txt"];
    let all = files.iter().flat_map(|file| cases(file).into_iter().map(|case| (*file == "ignored.txt", case)));
    let differing = look_at(&bench, all, |number, dir, case| {
        judge.difference(&format!("case-{number}"), &dir.display().to_string(), case)
    });
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}

struct Judge<'a> {
    bench: &'a Bench,
}

impl Judge<'_> {
    /// Builds a case with both and says where they differ.
    fn difference(&self, image: &str, dir: &str, case: &Case) -> Option<String> {
        let options: Vec<&str> = case.options.iter().map(String::as_str).collect();
        let build = [&["build", "-t", image], &options[..], &[dir]].concat();
        let ours = self.bench.wythe(&build);
        let theirs = self.bench.buildah(
            &[
                &["build", "--isolation", "chroot", "--format", "docker", "--network", "host", "-t", image],
                &options[..],
                &[dir],
            ]
            .concat(),
        );
        if ours.code != Some(0) || theirs.code != Some(0) {
            return Some(format!("{}:\n  ours   {}\n  theirs {}", case.name, ours.stderr, theirs.stderr));
        }
        let mut said = String::new();
        let (root, theirs) = self.theirs(image);
        let ours = self.our_config(image);
        if ours != theirs {
            said = format!("configuration\n  ours   {ours}\n  theirs {theirs}\n");
        }
        let ours = tree(&unpacked(self.bench, image, image), "sha256sum");
        let theirs = tree(&root, "sha256sum");
        for line in ours.iter().filter(|line| !theirs.contains(line)) {
            said.extend(["  ours   ", line.as_str(), "\n"]);
        }
        for line in theirs.iter().filter(|line| !ours.contains(line)) {
            said.extend(["  theirs ", line.as_str(), "\n"]);
        }
        (!said.is_empty()).then(|| format!("{}:\n{said}", case.name))
    }

    fn our_config(&self, image: &str) -> Value {
        config_of(&inspect(self.bench, image)["config"]["config"])
    }

    /// Returns the root directory of an image of theirs, and its configuration, as their store has them: that of the driver
    /// `vfs` is a directory an image, and asking the tool for each would take three more processes.
    fn theirs(&self, image: &str) -> (PathBuf, Value) {
        let store = self.bench.dir().join("buildah/root");
        let json = |path: PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).ok();
        let images = json(store.join("vfs-images/images.json")).unwrap();
        let name = Value::from(format!("localhost/{image}:latest"));
        let is_it = |one: &&Value| one["names"].as_array().is_some_and(|names| names.contains(&name));
        let found = images.as_array().unwrap().iter().find(is_it).expect("it was just built");
        let files = std::fs::read_dir(store.join("vfs-images").join(found["id"].as_str().unwrap())).unwrap();
        let config = files.filter_map(|file| json(file.unwrap().path())).find(|value| value["rootfs"].is_object());
        let root = store.join("vfs/dir").join(found["layer"].as_str().unwrap());
        (root, config_of(&config.expect("an image has a configuration")["config"]))
    }
}

/// Returns the members that say something, without what a builder says of itself.
pub(crate) fn config_of(value: &Value) -> Value {
    let names = [
        "Env",
        "Cmd",
        "Entrypoint",
        "WorkingDir",
        "User",
        "ExposedPorts",
        "Volumes",
        "StopSignal",
        "Healthcheck",
        "OnBuild",
        "Shell",
        "Labels",
    ];
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || text == "/",
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    let mut kept = Map::new();
    for name in names {
        let mut value = value[name].clone();
        if let Some(labels) = value.as_object_mut().filter(|_| name == "Labels") {
            labels.remove("io.buildah.version");
        }
        if !is_empty(&value) {
            kept.insert(name.to_owned(), value);
        }
    }
    kept.into()
}
