// SPDX-License-Identifier: Apache-2.0
//! What is done with packages in the sandbox, by this machine's Python.

use std::path::Path;
use std::process::Command;

#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says why")]
fn modules_are_compiled_once_and_kept_whole() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Command::new("python3");
    let Ok(ended) = tests.arg(here.join("tests/finish.py")).arg(here.join("src")).output() else {
        eprintln!("skipped: there is no python3 to run the tests of finish.py with");
        return;
    };
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
