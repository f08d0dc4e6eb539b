// SPDX-License-Identifier: Apache-2.0
//! An ordinary user builds what root builds. Needs root, to become somebody else, and an account with sub-ids.

use std::process::Command;

use wythe_tests::{Bench, Ended, binary};

/// The account that the tests use, made by whoever prepares the machine (`.ci/run` does).
const ACCOUNT: &str = "wythe-test";

pub(crate) fn is_possible() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    let is_root = output.stdout == b"0\n";
    let has_account = Command::new("id").arg(ACCOUNT).output().unwrap().status.success();
    if !is_root || !has_account {
        eprintln!("skipped: needs root and an account `{ACCOUNT}` with sub-ids (useradd {ACCOUNT})");
    }
    is_root && has_account
}

/// Runs the binary as the ordinary user, in a copy of the bench that belongs to that user.
pub(crate) fn as_user(bench: &Bench, args: &[&str]) -> Ended {
    let home = format!("/tmp/{ACCOUNT}-{}", std::process::id());
    let copy = format!(
        "rm -rf {home} && mkdir -p {home} && cp -a {}/. {home}/ && rm -rf {home}/store && cp {} {home}/wythe-binary && chown -R {ACCOUNT} {home}",
        bench.dir().display(),
        binary().display()
    );
    assert!(Command::new("sh").args(["-ec", &copy]).status().unwrap().success());
    let output = Command::new("setpriv")
        .args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups", "--reset-env", &format!("{home}/wythe-binary")])
        .args(args)
        .current_dir(&home)
        .env("XDG_DATA_HOME", format!("{home}/data"))
        .output()
        .unwrap();
    let cleaned = Command::new("rm").args(["-rf", &home]).status().unwrap();
    assert!(cleaned.success());
    output.into()
}

#[test]
fn rootless_gives_roots_digest() {
    if !is_possible() {
        return;
    }
    let bench = Bench::new();
    bench.file("src/a.txt", "a\n").definition(
        "base = \"scratch\"\n[[steps]]\nkind = \"files\"\nfrom = \"src\"\nto = \"/src\"\nowner = \"1000:100\"\n",
    );
    let roots = bench.wythe(&["build"]).stdout();
    let users = as_user(&bench, &["--store", "own-store", "build"]);
    assert_eq!(users.stdout(), roots);
}

#[test]
fn rootless_doctor_says_how_it_stands() {
    if !is_possible() {
        return;
    }
    let bench = Bench::new();
    let ended = as_user(&bench, &["--store", "own-store", "doctor"]);
    assert!(ended.stdout.contains("an ordinary user with"), "{}{}", ended.stdout, ended.stderr);
}
