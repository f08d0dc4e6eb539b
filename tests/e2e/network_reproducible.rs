// SPDX-License-Identifier: Apache-2.0
//! From one lock, two users on two stores get one digest, of every bundled plugin; and a warm store is enough to make
//! it again without a network.

use std::process::Command;

use wythe_tests::{Bench, Ended, can_become_ordinary, debian};

/// Packages whose scripts make users, set-id programs and owned directories; wheels with and without compiled code; and
/// what has no wheel.
fn definition() -> String {
    let python = debian(", python = \"3.11\"");
    let plain = debian("");
    format!(
        "[images.full]\n{python}
[[images.full.steps]]
kind = \"apt\"
packages = [\"openssh-server\", \"sudo\", \"man-db\"]
[[images.full.steps]]
kind = \"pip\"
packages = [\"docopt==0.6.2\", \"humanize==4.9.0\", \"six==1.17.0\"]
[[images.full.steps]]
kind = \"uv\"
packages = [\"idna==3.6\", \"markupsafe==2.1.5\", \"sgmllib3k==1.0.0\"]
[images.plain]\n{plain}"
    )
}

#[test]
fn network_one_lock_gives_one_digest_for_two_users_and_without_a_network() {
    let bench = Bench::shared();
    bench.definition(&definition());
    let first = bench.wythe(&["build"]).stdout();
    let offline: Ended = Command::new("unshare")
        .args(["--net", "sh", "-c", "umask 0077; exec \"$@\"", "sh"])
        .arg(wythe_tests::binary())
        .args(["build", "--locked", "--offline", "--rebuild", "apt", "--rebuild", "pip", "--rebuild", "uv"])
        .current_dir(bench.dir())
        .env("WYTHE_HOME", bench.store())
        .output()
        .unwrap()
        .into();
    assert_eq!(offline.stdout(), first, "what was made again without a network");
    if can_become_ordinary() {
        assert_eq!(bench.wythe_elsewhere(&["build", "--locked"]).stdout(), first, "what another user made");
    }
}

#[test]
fn network_a_lock_stands_at_another_time() {
    let bench = Bench::shared();
    bench.definition(&debian(""));
    bench.wythe(&["lock"]).stdout();
    let planned = bench.command(&["plan", "--offline"]).env("SOURCE_DATE_EPOCH", "1793577600").output();
    let planned: Ended = planned.unwrap().into();
    // Without a network, nothing can have been resolved.
    assert_eq!(planned.code, Some(0), "{}", planned.stderr);
    assert!(planned.stdout.contains("configure"), "{}", planned.stdout);
}

#[test]
fn network_a_missing_file_is_named_where_there_is_no_network() {
    let bench = Bench::shared();
    bench.definition(&format!(
        "{}[[steps]]\nkind = \"pip\"\npackages = [\"humanize==4.9.0\"]\n",
        debian(", python = \"3.11\"")
    ));
    bench.wythe(&["build"]).stdout();
    // As if the store had been another one when this was locked.
    let lock = std::fs::read_to_string(bench.dir().join("wythe.lock")).unwrap();
    let at = lock.find("\"humanize\"").unwrap();
    let start = at + lock[at..].find("\"sha256\": \"").unwrap() + "\"sha256\": \"".len();
    bench.file("wythe.lock", &format!("{}{}{}", &lock[..start], "0".repeat(64), &lock[start + 64..]));
    let ended = bench.wythe(&["build", "--locked", "--offline"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""), "{}", ended.stderr);
    for word in ["step `pip`", "humanize-4.9.0-py3-none-any.whl` is not in the store", "`--offline`"] {
        assert!(ended.stderr.contains(word), "{word:?} is missing:\n{}", ended.stderr);
    }
}
