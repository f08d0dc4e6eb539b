// SPDX-License-Identifier: Apache-2.0
//! What nobody but the command is to see.

use std::fs;

use wythe_sandbox::{MountSource, Secret};

use crate::support::Sand;

crate::tests![
    a_secret_is_a_file_in_memory_that_cannot_be_changed,
    a_secret_in_a_variable_wins_over_the_plain_one,
    a_secret_is_shown_by_no_message,
    no_process_of_a_run_dumps_its_memory,
];

/// A run with a secret at a path, which becomes a file of the plumbing layer.
fn with_file(sand: Sand, mode: u32, owner: (u32, u32)) -> Sand {
    fs::create_dir(sand.path("plumbing").join("run")).unwrap();
    fs::write(sand.path("plumbing").join("run/token"), "").unwrap();
    let source = MountSource::Secret { content: Secret::from(b"hunter2".to_vec()), mode, owner };
    sand.with(|inputs| inputs.mounts.push(wythe_sandbox::Mount { target: "/run/token".into(), source }))
}

fn a_secret_is_a_file_in_memory_that_cannot_be_changed() {
    let script = "cat /run/token; stat -c ' %a %u:%g' /run/token; (echo x > /run/token) 2>/dev/null || echo read-only; \
                  rm /run/token 2>/dev/null || echo stays; grep -c ramfs /proc/mounts";
    let sand = with_file(Sand::sh(script), 0o440, (0, 0));
    assert_eq!(sand.prints(), "hunter2 440 0:0\nread-only\nstays\n1\n");
    assert_eq!(fs::read_dir(sand.path("upper")).unwrap().count(), 0);
    assert_eq!(fs::read(sand.path("plumbing").join("run/token")).unwrap(), b"");
    if wythe_sys::userns::standing() == wythe_sys::userns::Standing::SingleId {
        return;
    }
    let sand = with_file(Sand::sh("id -u; cat /run/token").user("app"), 0o400, (1000, 100));
    assert_eq!(sand.prints(), "1000\nhunter2");
    let refused = with_file(Sand::sh("cat /run/token 2>/dev/null || echo denied").user("app"), 0o400, (0, 0));
    assert_eq!(refused.prints(), "denied\n");
}

fn a_secret_in_a_variable_wins_over_the_plain_one() {
    let sand = Sand::sh("echo $TOKEN; env | grep -c TOKEN").with(|inputs| {
        inputs.env.insert("TOKEN".into(), "plain".into());
        inputs.secret_env.insert("TOKEN".into(), Secret::from(b"hunter2".to_vec()));
    });
    assert_eq!(sand.prints(), "hunter2\n1\n");
}

fn a_secret_is_shown_by_no_message() {
    let sand = Sand::sh("true").with(|inputs| {
        inputs.secret_env.insert("TOKEN".into(), Secret::from(b"hunter2\0".to_vec()));
    });
    assert_eq!(sand.refusal(), "cannot set up the sandbox: a zero byte in the variable `TOKEN`");
    assert!(!format!("{:?}", sand.request).contains("hunter2"));
}

fn no_process_of_a_run_dumps_its_memory() {
    // One and not zero: a program that takes dumps gets them at zero too (core(5)).
    let script = "ulimit -Hc; ulimit -Sc; grep core /proc/self/limits";
    let printed = Sand::sh(script).prints();
    assert!(printed.contains("Max core file size        1                    1 "), "{printed}");
}
