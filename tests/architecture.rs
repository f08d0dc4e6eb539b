// SPDX-License-Identifier: Apache-2.0
//! The rules of the house that a compiler does not check: who imports whom, and which words occur where.
//! `ARCHITECTURE.md` draws what this file enforces.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which rooms a room may import.
const ARROWS: [(&str, &[&str]); 11] = [
    ("image", &[]),
    ("plan", &["image"]),
    ("sys", &[]),
    ("store", &["image"]),
    ("snapshot", &["image", "sys"]),
    ("sandbox", &["sys"]),
    ("remote", &["image", "plan"]),
    ("plugin", &["plan", "image"]),
    ("solve", &["image", "plan", "store", "snapshot", "sandbox", "sys", "remote"]),
    ("export", &["image", "store", "snapshot"]),
    ("cli", &["image", "plan", "sys", "store", "snapshot", "sandbox", "remote", "plugin", "solve", "export"]),
];

/// Libraries that one room keeps to itself.
const KEPT: [(&str, &[&str]); 6] = [
    ("wasmtime", &["plugin"]),
    ("reqwest", &["remote"]),
    ("rusqlite", &["store"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("libc", &["sys"]),
];

/// Names of package tools: what they do is known to plugins only.
const TOOLS: [&str; 14] = [
    "pip",
    "pip3",
    "uv",
    "apt",
    "apt-get",
    "dpkg",
    "debootstrap",
    "micromamba",
    "conda",
    "poetry",
    "npm",
    "yum",
    "dnf",
    "Dockerfile",
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned()
}

/// Every Rust file below a directory, target directories left out.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "no Rust file below {}", dir.display());
    files.sort();
    files
}

/// The direct dependencies of each room, those for tests and build scripts left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"]).current_dir(top());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let room = |package: &serde_json::Value| {
        let name = package["name"].as_str().unwrap().strip_prefix("wythe-").unwrap().to_owned();
        let normal =
            package["dependencies"].as_array().unwrap().iter().filter(|dependency| dependency["kind"].is_null());
        (name, normal.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(room).collect()
}

#[test]
fn rooms_import_only_what_is_drawn() {
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for (room, allowed) in ARROWS {
        let imports = dependencies[room].iter().filter_map(|name| name.strip_prefix("wythe-"));
        wrong.extend(imports.filter(|import| !allowed.contains(import)).map(|import| format!("{room} -> {import}")));
    }
    assert!(wrong.is_empty(), "arrows not drawn in ARCHITECTURE.md: {wrong:?}");
    let host: BTreeSet<String> = fs::read_dir(top().join("host"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(host, ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect(), "a room without arrows");
}

#[test]
fn libraries_stay_in_their_rooms() {
    let dependencies = dependencies();
    let mut wrong = Vec::new();
    for (library, rooms) in KEPT {
        let users = dependencies.iter().filter(|(_, imports)| imports.contains(library)).map(|(room, _)| room.as_str());
        wrong.extend(users.filter(|room| !rooms.contains(room)).map(|room| format!("{room} uses {library}")));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_ground_floor_is_pure() {
    let mut wrong = Vec::new();
    for room in ["image", "plan"] {
        for file in rust_files(&top().join("host").join(room).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            for word in ["std::fs", "std::env::var", "std::net", "std::process", "SystemTime", "Instant::now", "tokio"]
            {
                // Tests beside the code may look at files; the code before them may not.
                if text.split("#[cfg(test)]").next().unwrap().contains(word) && !file.ends_with("tests.rs") {
                    wrong.push(format!("{}: {word}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_in_one_room() {
    for (room, _) in ARROWS {
        let dir = top().join("host").join(room).join("src");
        let root = fs::read_to_string(dir.join("lib.rs")).unwrap();
        if room != "sys" {
            assert!(root.contains("#![forbid(unsafe_code)]"), "{room} does not forbid unsafe code");
        }
    }
}

#[test]
fn the_host_knows_no_package_tool() {
    let mut wrong = Vec::new();
    for file in rust_files(&top().join("host"))
        .into_iter()
        .filter(|file| file.components().any(|part| part.as_os_str() == "src"))
    {
        let text = fs::read_to_string(&file).unwrap();
        for (index, line) in text.lines().enumerate() {
            let words = line.split(|char: char| !(char.is_ascii_alphanumeric() || char == '-' || char == '_'));
            for word in words.filter(|word| TOOLS.contains(word)) {
                wrong.push(format!("{}:{}: {word}", file.display(), index + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "package tools named in the host:\n{}", wrong.join("\n"));
}

#[test]
fn plugins_import_nothing_of_the_host() {
    for entry in fs::read_dir(top().join("plugins")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        // What two plugins share lies beside them; nothing comes from further away.
        let ours = text.lines().filter(|line| line.trim_start().starts_with("wythe-")).map(str::trim);
        for line in ours {
            let is_near = line.starts_with("wythe-sdk") || line.contains("path = \"../") && !line.contains("host");
            assert!(is_near, "{}: {line}", manifest.display());
        }
    }
    let sdk = fs::read_to_string(top().join("sdk/rust/Cargo.toml")).unwrap();
    assert!(!sdk.lines().any(|line| line.starts_with("wythe-")), "the SDK imports a room of the host");
}

#[test]
fn every_file_names_its_licence() {
    let mut wrong = Vec::new();
    for dir in ["host", "sdk", "plugins", "tests"] {
        for file in rust_files(&top().join(dir)) {
            let text = fs::read_to_string(&file).unwrap();
            if !text.starts_with("// SPDX-License-Identifier: Apache-2.0\n") {
                wrong.push(file.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "without an SPDX line: {wrong:#?}");
}
