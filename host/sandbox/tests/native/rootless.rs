// SPDX-License-Identifier: Apache-2.0
//! The whole suite again, as an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use wythe_sys::userns::{Standing, standing};

crate::tests![with_many_ids, with_a_single_id];

/// An ordinary user without subordinate ids: nobody has this number.
const NOBODY_IN_PARTICULAR: u32 = 54321;

/// Whether there are users but root; false in a user namespace with a single id.
pub(crate) fn others_exist() -> bool {
    standing() != Standing::SingleId
}

fn with_many_ids() {
    suite_as_somebody(None);
}

/// The suite, with the native driver or with a runtime, as a user of this machine that has subordinate ids.
pub(crate) fn suite_as_somebody(runtime: Option<&str>) {
    let list = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split(':').next()).collect();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (names.contains(&fields[0]) && fields[2] != "0").then(|| fields[2].parse::<u32>().ok())?
    });
    match user {
        Some(uid) => suite_as(uid, runtime),
        None => println!("skipped: no user of this machine has subordinate ids"),
    }
}

fn with_a_single_id() {
    suite_as(NOBODY_IN_PARTICULAR, None);
}

fn suite_as(uid: u32, runtime: Option<&str>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Where we were built may not be readable for others.
    let program = directory.path().join("suite");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".into(), "--".into()])
        .arg(program)
        .env(crate::ENTER, "1")
        .envs(runtime.map(|name| (crate::support::RUNTIME, name)))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "as user {uid}:\n{}", String::from_utf8_lossy(&text));
}
