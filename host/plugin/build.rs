// SPDX-License-Identifier: Apache-2.0
//! Compiles the bundled plugins, takes them apart, and writes down what the host offers to plugins.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

#[path = "src/anatomy.rs"]
mod anatomy;
#[path = "guests.rs"]
mod guests;

/// A directory of components that were compiled elsewhere, for whoever packages wythe without a Wasm target.
const PREBUILT: &str = "WYTHE_PREBUILT_PLUGINS";

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let checkout = here.ancestors().nth(2).ok_or("the crate lies in host/plugin")?;
    for watched in ["sdk", "wit", "plugins/Cargo.toml", "plugins/Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", checkout.join(watched).display());
    }
    // Not the folder as a whole: a target directory may lie in it. A new member is seen by the lock.
    for member in members(&checkout.join("plugins")) {
        println!("cargo::rerun-if-changed={}", member.display());
    }
    for watched in ["build.rs", "guests.rs", "src/anatomy.rs", "wit"] {
        println!("cargo::rerun-if-changed={}", here.join(watched).display());
    }
    println!("cargo::rerun-if-env-changed={PREBUILT}");

    fs::write(out.join("offers.rs"), offers(&[checkout.join("wit"), here.join("wit")])?)?;
    match components(checkout, &out) {
        Ok(components) => fs::write(out.join("bundled.rs"), bundled(&components, &out)?)?,
        Err(message) => println!("cargo::error={message}"),
    }
    Ok(())
}

fn variable(name: &str) -> String {
    #[allow(clippy::disallowed_methods, reason = "a build script is told by variables what to do")]
    env::var(name).unwrap_or_default()
}

/// The interfaces of a host, read from their WIT.
fn offers(directories: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut list = String::from("&[\n");
    for directory in directories {
        let mut resolve = wit_parser::Resolve::default();
        resolve.push_path(directory)?;
        for (id, interface) in resolve.interfaces.iter() {
            let Some(name) = resolve.id_of(id) else { continue };
            let functions: Vec<&String> = interface.functions.keys().collect();
            writeln!(list, "Offer {{ name: {name:?}, functions: &{functions:?} }},")?;
        }
    }
    list.push(']');
    Ok(list)
}

/// The components to bundle: folder name and file, sorted.
fn components(checkout: &Path, out: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let prebuilt = variable(PREBUILT);
    let files = if prebuilt.is_empty() { compile(checkout, out)? } else { prebuilt_in(Path::new(&prebuilt))? };
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut components: Vec<(String, PathBuf)> = files.into_iter().map(|(from, file)| (name(&from), file)).collect();
    components.sort();
    Ok(components)
}

fn prebuilt_in(directory: &Path) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{PREBUILT}: {}: {error}", directory.display()))?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let components = files.filter(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    Ok(components.map(|file| (file.clone(), file)).collect())
}

/// The folders of the guests' crates.
fn members(plugins: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(plugins).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|folder| folder.join("Cargo.toml").is_file()).collect()
}

fn compile(checkout: &Path, out: &Path) -> Result<Vec<(PathBuf, PathBuf)>, String> {
    let plugins = checkout.join("plugins");
    if members(&plugins).is_empty() {
        return Ok(Vec::new());
    }
    // <target>/<profile>/build/<crate>/out: debug and release share what is compiled for the guests.
    let target = out.ancestors().nth(4).ok_or("OUT_DIR does not lie in a target directory")?;
    let build = guests::GuestBuild {
        manifest: &plugins.join("Cargo.toml"),
        target_dir: &target.join("guests"),
        checkout,
        selection: &["--workspace", "--lib"],
    };
    build.run()
}

/// Rust source of the list of bundled plugins.
fn bundled(components: &[(String, PathBuf)], out: &Path) -> Result<String, Box<dyn Error>> {
    let mut list = String::from("&[\n");
    for (name, file) in components {
        let code = fs::read(file)?;
        let anatomy = anatomy::dissect(&code).map_err(|error| format!("{}: {error}", file.display()))?;
        let copy = out.join(format!("{name}.wasm"));
        fs::write(&copy, &code)?;
        let imports: Vec<&String> = anatomy.imports.iter().map(|import| &import.name).collect();
        let digest = hex::encode(Sha256::digest(&code));
        writeln!(
            list,
            "Bundled {{ code: include_bytes!({copy:?}), digest: {digest:?}, metadata: {:?}, imports: &{imports:?} }},",
            anatomy.metadata
        )?;
    }
    list.push(']');
    Ok(list)
}
