// SPDX-License-Identifier: Apache-2.0
//! The whole suite again, with the OCI runtimes that are installed.

use std::process::Command;

use crate::support::{RUNTIME, installed};

crate::tests![with_crun, with_runc, with_crun_as_a_user, with_runc_as_a_user];

fn with_crun() {
    suite_with("crun");
}

fn with_runc() {
    suite_with("runc");
}

fn with_crun_as_a_user() {
    as_a_user("crun");
}

fn with_runc_as_a_user() {
    as_a_user("runc");
}

fn as_a_user(name: &str) {
    match installed(name) {
        Some(_) => crate::rootless::suite_as_somebody(Some(name)),
        None => println!("skipped: {name} is not installed"),
    }
}

fn suite_with(name: &str) {
    if installed(name).is_none() {
        println!("skipped: {name} is not installed");
        return;
    }
    let output = Command::new("/proc/self/exe").env(RUNTIME, name).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "with {name}:\n{}", String::from_utf8_lossy(&text));
}
