// SPDX-License-Identifier: Apache-2.0
//! `RUN --security=insecure`: not for the asking, and what it is where it is granted.

use std::fs;

use wythe_tests::{Bench, Ended, can_become_ordinary};

use crate::dockerfile::busybox;

const MOUNTS: &str =
    "mkdir /m && mount -t tmpfs none /m && echo x > /m/x && cp /m/x /x && umount /m && grep Seccomp: /proc/self/status";

fn build(bench: &Bench, args: &[&str]) -> Ended {
    bench.wythe(&[&["build", "--progress", "plain"], args].concat())
}

#[test]
fn what_nobody_has_granted_is_refused_at_its_place_and_before_all() {
    let bench = Bench::new();
    if !busybox(&bench) {
        return;
    }
    bench.file("Dockerfile", &format!("FROM busybox:test\nRUN echo first\nRUN --security=insecure {MOUNTS}\n"));
    let refused = build(&bench, &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for part in ["security.insecure", "--> Dockerfile:3:1", "--allow security.insecure", "it was not run"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    assert!(!refused.stderr.contains("| first"), "{}", refused.stderr);
    let granted = build(&bench, &["--allow", "security.insecure", "-o", "out"]);
    assert!(granted.code == Some(0) && granted.stderr.contains("| Seccomp:\t0"), "{}", granted.stderr);
    assert_eq!(fs::read_to_string(bench.dir().join("out/x")).unwrap(), "x\n");
    assert_eq!(build(&bench, &[]).code, Some(1), "what is known is taken without the grant");
    // It is in the key, and planning needs no grant.
    bench.file("Dockerfile", &format!("FROM busybox:test\nRUN echo first\nRUN {MOUNTS}\n"));
    let confined = build(&bench, &["--allow", "security.insecure"]);
    assert_eq!(confined.code, Some(3), "{}", confined.stderr);
    bench.file("Dockerfile", "FROM busybox:test\nRUN --security=insecure true\n");
    assert!(bench.wythe(&["plan"]).stdout().contains("security insecure"));
    assert_eq!(bench.wythe(&["check"]).code, Some(0));
}

#[test]
fn a_grant_that_there_is_not_is_an_error() {
    let bench = Bench::new();
    bench.file("Dockerfile", "FROM scratch\nCOPY <<EOF /a\nEOF\n");
    build(&bench, &["--allow", "network.host", "--allow", "device=vendor.com/x"]).stdout();
    let wrong = build(&bench, &["--allow", "security.insecur"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("did you mean `security.insecure`?"), "{}", wrong.stderr);
}

#[test]
fn a_definition_asks_with_the_same_word() {
    let Some(bench) = Bench::with_busybox() else { return };
    let step = |security: &str| {
        format!(
            "{}[[steps]]\nkind = \"run\"\nsecurity = \"{security}\"\ncommands = [\"busybox mkdir /m; busybox mount -t tmpfs none /m && echo mounted; busybox umount /m\"]\n",
            crate::sandbox::BASE
        )
    };
    bench.definition(&step("insecure"));
    let refused = bench.wythe(&["build"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("--allow security.insecure"), "{}", refused.stderr);
    let check = |ended: Ended| assert!(ended.code == Some(0) && ended.stderr.contains("| mounted"), "{}", ended.stderr);
    check(bench.wythe(&["build", "--allow", "security.insecure"]));
    if can_become_ordinary() {
        check(bench.wythe_elsewhere(&["build", "--allow", "security.insecure"]));
    }
    bench.definition(&step("sandbox"));
    let confined = bench.wythe(&["build", "--allow", "security.insecure"]);
    assert!(!confined.stderr.contains("| mounted"), "{}", confined.stderr);
}
