// SPDX-License-Identifier: Apache-2.0
//! Compiles guests, wherever wythe is compiled, to the same bytes. Included by `build.rs` and by the tests.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

const TARGET: &str = "wasm32-wasip2";

/// Stands before rustc. Cargo names a crate outside of a workspace's folder (the SDK) by its absolute path; the name is in every
/// symbol, the symbols decide the order of functions, and the order is in the digest. Here a crate is named by what it is.
const WRAPPER: &str = r#"#!/bin/sh
rustc=$1
shift
case " $* " in
*" --target "*)
    left=$#
    while [ "$left" -gt 0 ]; do
        word=$1
        shift
        case $word in metadata=*) word="metadata=$CARGO_PKG_NAME-$CARGO_PKG_VERSION" ;; esac
        set -- "$@" "$word"
        left=$((left - 1))
    done
    ;;
esac
exec "$rustc" "$@"
"#;

/// A nested run of cargo on one workspace of guests.
pub(crate) struct GuestBuild<'a> {
    /// The workspace's manifest.
    pub(crate) manifest: &'a Path,
    /// Where cargo keeps what it compiles; not the outer cargo's directory, which is locked meanwhile.
    pub(crate) target_dir: &'a Path,
    /// The root of the checkout. Its path does not reach the components.
    pub(crate) checkout: &'a Path,
    /// What to build, as in `--examples`.
    pub(crate) selection: &'a [&'a str],
}

impl GuestBuild<'_> {
    /// Builds and returns the components: the folder of each crate's manifest, and the file.
    pub(crate) fn run(&self) -> Result<Vec<(PathBuf, PathBuf)>, String> {
        check_target()?;
        let packages = self.package_roots()?;
        let mut command = self.cargo("build");
        command.args(["--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
        command.args(self.selection);
        command.env("CARGO_TARGET_DIR", self.target_dir).env("CARGO_ENCODED_RUSTFLAGS", self.flags(&packages));
        command.env("RUSTC_WRAPPER", self.wrapper().map_err(|error| format!("cannot write the wrapper: {error}"))?);
        let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("cannot compile the guests of {}", self.manifest.display()));
        }
        Ok(messages(&output.stdout).filter_map(|message| component_of(&message)).collect())
    }

    fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg(subcommand).arg("--locked").arg("--manifest-path").arg(self.manifest).stderr(Stdio::inherit());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(leaks) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Writes the wrapper, where it is not there already.
    fn wrapper(&self) -> io::Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.target_dir.join("rustc-wrapper");
        if fs::read(&path).is_ok_and(|present| present == WRAPPER.as_bytes()) {
            return Ok(path);
        }
        fs::create_dir_all(self.target_dir)?;
        // Renamed into place: another build may be about to run it.
        let unfinished = path.with_extension(std::process::id().to_string());
        fs::write(&unfinished, WRAPPER)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
        fs::rename(&unfinished, &path)?;
        Ok(path)
    }

    /// The folders in which sources of dependencies lie, each standing for one registry.
    fn package_roots(&self) -> Result<BTreeSet<PathBuf>, String> {
        let mut command = self.cargo("metadata");
        command.args(["--format-version", "1", "--filter-platform", TARGET]);
        let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("cannot read the packages of {}", self.manifest.display()));
        }
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let roots = packages
            .iter()
            .filter(|package| !package["source"].is_null())
            .filter_map(|package| Path::new(package["manifest_path"].as_str()?).parent()?.parent().map(Path::to_owned));
        Ok(roots.collect())
    }

    /// Compiler flags that keep this machine's paths out of panic messages, and so out of the digest.
    fn flags(&self, packages: &BTreeSet<PathBuf>) -> OsString {
        let mut mappings: Vec<(PathBuf, &str)> = packages.iter().map(|root| (root.clone(), "registry")).collect();
        if let Some(sysroot) = output_of(rustc().args(["--print", "sysroot"])) {
            mappings.push((PathBuf::from(sysroot), "sysroot"));
        }
        mappings.push((self.checkout.to_owned(), "wythe"));
        let mut flags = OsString::new();
        for (from, to) in mappings {
            if !flags.is_empty() {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
        flags
    }
}

/// Whether a variable of the outer cargo, or of a person's setup of it, would change what the inner one makes.
fn leaks(name: &str) -> bool {
    const KEPT: [&str; 9] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_TERM_",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_CREDENTIAL_",
        "RUSTUP_",
    ];
    let is_cargo =
        name == "CARGO" || name.starts_with("CARGO_") || name.starts_with("RUST") || name.starts_with("DEP_");
    let is_build_script = ["TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS", "OUT_DIR"].contains(&name);
    (is_cargo || is_build_script) && !KEPT.iter().any(|kept| name.starts_with(kept))
}

/// Checks that the compiler has the standard library of the guests' target.
fn check_target() -> Result<(), String> {
    let directory = output_of(rustc().args(["--print", "target-libdir", "--target", TARGET]));
    if directory.is_some_and(|directory| Path::new(&directory).is_dir()) {
        return Ok(());
    }
    Err(format!("the Wasm target is missing; run: rustup target add {TARGET}"))
}

fn rustc() -> Command {
    Command::new(variable("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[allow(clippy::disallowed_methods, reason = "a build script is told by variables what to do")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn messages(stdout: &[u8]) -> impl Iterator<Item = serde_json::Value> {
    stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

fn component_of(message: &serde_json::Value) -> Option<(PathBuf, PathBuf)> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let files = message["filenames"].as_array()?.iter().filter_map(serde_json::Value::as_str);
    let component = files.map(Path::new).find(|file| file.extension().is_some_and(|extension| extension == "wasm"))?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    Some((folder.to_owned(), component.to_owned()))
}
