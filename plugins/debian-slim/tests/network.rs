// SPDX-License-Identifier: Apache-2.0
//! Resolves against a real mirror. Ignored, since it needs one: `cargo test -- --ignored network_`.
//!
//! Lock entries and plans stay in cargo's directory for test files, for other tools to look at.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wythe_plugin_debian_slim::DebianSlim;
use wythe_sdk::testing::{Build, resolving};

/// Answers what the plugin asks for, one question more each time, with `curl`.
fn resolve(options: &Value) -> Result<Value, Box<dyn Error>> {
    let mut build = Build::new().builder_version("2026.11").source_date_epoch(1_793_491_200);
    loop {
        let failure = match build.resolve(resolving::<DebianSlim>(), options, None) {
            Ok(resolved) => return Ok(resolved.lock),
            Err(failure) => failure.to_string(),
        };
        let url = failure.strip_suffix(": the test has no answer for it").unwrap_or_else(|| panic!("{failure}"));
        let answer = Command::new("curl").args(["-sSf", "--retry", "3", url]).output()?;
        assert!(answer.status.success(), "{url}: {}", String::from_utf8_lossy(&answer.stderr));
        build = build.fetch(url, Ok(answer.stdout));
    }
}

fn check(name: &str, options: &Value) -> Result<(), Box<dyn Error>> {
    let lock = resolve(options)?;
    let packages = lock["packages"].as_array().into_iter().flatten();
    let names: Vec<_> = packages.filter_map(|package| package["name"].as_str()).collect();
    for expected in ["apt", "base-files", "bash", "coreutils", "dpkg", "libc6", "perl-base"] {
        assert!(names.contains(&expected), "{name} has {expected}: {names:?}");
    }
    assert!(names.len() < 150, "{name} is minimal: {names:?}");
    let plan = Build::new().plan(resolving::<DebianSlim>(), options, Some(&lock))?;
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (kind, value) in [("options", options), ("lock", &lock), ("plan", &plan.to_json())] {
        std::fs::write(directory.join(format!("{name}.{kind}.json")), format!("{value:#}\n"))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a Debian mirror"]
fn network_every_release_resolves() -> Result<(), Box<dyn Error>> {
    for release in ["bullseye", "bookworm", "trixie", "sid"] {
        check(release, &json!({ "release": release, "accept-expired": true }))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs a Debian mirror"]
fn network_every_python_resolves() -> Result<(), Box<dyn Error>> {
    for (release, python) in [("bullseye", "3.9"), ("bookworm", "3.11"), ("trixie", "3.13"), ("sid", "3.14")] {
        check(&format!("{release}-python"), &json!({ "release": release, "python": python, "accept-expired": true }))?;
    }
    Ok(())
}
