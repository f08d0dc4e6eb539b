// SPDX-License-Identifier: Apache-2.0
//! How the binary is linked.

fn main() {
    // At a fixed address, as the builders written in Go are: 64,000 places would be relocated at each start otherwise,
    // and this binary starts once more for each command that it runs (docs/performance.md).
    println!("cargo::rustc-link-arg-bins=-no-pie");
    println!("cargo::rerun-if-changed=build.rs");
}
