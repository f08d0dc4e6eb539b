// SPDX-License-Identifier: Apache-2.0
//! How the binary is linked.
#![allow(clippy::disallowed_methods, reason = "cargo tells a build script its target by the environment")]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // At a fixed address, as the builders written in Go are: 64,000 places would be relocated at each start otherwise,
    // and this binary starts once more for each command that it runs (docs/performance.md). With another C library the
    // compiler links in ways that this does not go with.
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux")
        && env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu")
    {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
