// SPDX-License-Identifier: Apache-2.0
//! The bytes of the bundled plugins do not depend on where they are compiled.

#[path = "../guests.rs"]
mod guests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

#[test]
#[ignore = "compiles all plugins twice: minutes"]
fn two_checkouts_give_the_same_components() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a checkout");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let mut seen = Vec::new();
    for place in ["a", "another/place/with/a/long/name"] {
        let checkout = elsewhere.path().join(place);
        for part in ["Cargo.toml", "plugins", "sdk", "wit"] {
            copy(&here.join(part), &checkout.join(part)).expect("a copy");
        }
        seen.push(components(&checkout));
    }
    assert!(!seen[0].is_empty());
    assert_eq!(seen[0], seen[1]);
}

/// File name → digest.
fn components(checkout: &Path) -> BTreeMap<String, String> {
    let build = guests::GuestBuild {
        manifest: &checkout.join("plugins/Cargo.toml"),
        // Shared, so that only what depends on the place is compiled twice.
        target_dir: &Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory").join("guests"),
        checkout,
        selection: &["--workspace", "--lib"],
    };
    let built: Vec<(PathBuf, PathBuf)> = build.run().expect("the plugins compile");
    let digest = |file: &Path| wythe_image::Digest::of(&fs::read(file).expect("a component")).to_string();
    built
        .into_iter()
        .map(|(_, file)| (file.file_name().expect("a name").to_string_lossy().into_owned(), digest(&file)))
        .collect()
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().expect("a place"))?;
        return fs::copy(from, to).map(drop);
    }
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if name != "target" {
            copy(&from.join(&name), &to.join(&name))?;
        }
    }
    Ok(())
}
