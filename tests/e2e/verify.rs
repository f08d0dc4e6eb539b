// SPDX-License-Identifier: Apache-2.0
//! `build --verify` against a disk that loses bytes.

use std::fs;
use std::path::{Path, PathBuf};

use wythe_tests::Bench;

use crate::sandbox::BASE;

const STEPS: &str = "\
[[steps]]
kind = \"run\"
name = \"one\"
commands = [\"echo first > /one\"]
[[steps]]
kind = \"run\"
name = \"two\"
commands = [\"cat /one > /two\"]
";

/// Returns where a file of a layer lies in a store.
fn in_a_layer(store: &Path, name: &str) -> PathBuf {
    let layers = fs::read_dir(store.join("layers")).unwrap().map(|layer| layer.unwrap().path().join("fs").join(name));
    let found: Vec<PathBuf> = layers.filter(|path| path.is_file()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

/// Changes a byte as a disk does: neither the length nor a time tells of it.
fn rot(path: &Path) {
    let times = fs::metadata(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(times.modified().unwrap()).unwrap();
}

#[test]
fn a_damaged_layer_is_made_again_before_it_is_used() {
    let Some(bench) = Bench::with_busybox() else { return };
    bench.definition(&format!("{BASE}{STEPS}"));
    let build = |args: &[&str]| bench.wythe(&[&["build", "--progress", "plain"], args].concat());
    let digest = build(&[]).stdout();
    let file = in_a_layer(bench.store(), "one");
    for args in [["--verify"].as_slice(), &["--verify", "--rebuild", "one"], &["--verify", "--rebuild-all"]] {
        rot(&file);
        assert_eq!(fs::read_to_string(&file).unwrap(), "girst\n");
        let ended = build(args);
        let told = ended.stderr.matches("had changed on the disk: it is removed, and made again where it is needed");
        assert_eq!(told.count(), 1, "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout(), digest, "{args:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "first\n", "{args:?}");
    }
    let ended = build(&["--verify"]);
    assert!(!ended.stderr.contains("had changed"), "{}", ended.stderr);
    assert_eq!(ended.stdout(), digest);
    bench.wythe(&["store", "verify"]).stdout();
}
