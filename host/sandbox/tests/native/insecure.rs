// SPDX-License-Identifier: Apache-2.0
//! What a command has that is granted everything, and what it has not all the same.

use std::fs;
use std::process::Command;

use wythe_sandbox::Limits;
use wythe_sys::userns::{Standing, standing};

use crate::support::{Sand, chain, driver, runtime, status};

crate::tests![
    it_has_what_its_user_namespace_gives,
    without_the_grant_it_has_not,
    so_does_somebody_else,
    nothing_is_hidden_or_read_only,
    it_mounts_with_the_machine_s_network_too,
    it_has_no_more_of_the_machine_than_others,
    what_it_starts_ends_with_it,
    devices_work_where_root_is_root,
    control_groups_inside_are_gone_afterwards,
    only_groups_of_its_own_can_be_changed,
];

const MOUNTS: &str = "mkdir /tmp/m && mount -t tmpfs none /tmp/m && echo x > /tmp/m/x && cat /tmp/m/x";

fn insecure(script: &str) -> Sand {
    Sand::sh(script).with(|inputs| inputs.insecure = true)
}

fn it_has_what_its_user_namespace_gives() {
    let here = fs::read_to_string("/proc/self/status").unwrap();
    let there = insecure("cat /proc/self/status").prints();
    for name in ["CapEff", "CapPrm", "Seccomp"] {
        assert_eq!(status(&there, name), status(&here, name), "{name}");
    }
    assert_eq!(status(&there, "NoNewPrivs"), "0");
    assert_eq!(insecure(MOUNTS).prints(), "x\n");
    assert_eq!(insecure("hostname other && hostname").prints(), "other\n");
    assert_eq!(insecure("unshare -n ls /sys/class/net >/dev/null && echo yes").prints(), "yes\n");
}

fn without_the_grant_it_has_not() {
    let ran = Sand::sh(MOUNTS).run().unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(ran.stderr.contains("ermission denied") || ran.stderr.contains("not permitted"), "{ran:?}");
    assert_eq!(ran.stdout, "");
}

fn so_does_somebody_else() {
    if !crate::rootless::others_exist() {
        return;
    }
    let here = fs::read_to_string("/proc/self/status").unwrap();
    let text = insecure("cat /proc/self/status").user("app").prints();
    assert_eq!(status(&text, "CapEff"), status(&here, "CapEff"));
    assert_eq!(insecure(MOUNTS).user("app").prints(), "x\n");
    // And a set-id program gives what its bits say.
    let script = "cp /inside /tmp/ids && chmod 4755 /tmp/ids && su app -c '/tmp/ids inside ids'";
    assert_eq!(insecure(script).prints(), "1000 0\n");
}

fn nothing_is_hidden_or_read_only() {
    let text = insecure("cut -d' ' -f 2,4 /proc/self/mounts").prints();
    let over = |line: &&str| line.starts_with("/proc/") || line.starts_with("/sys/firmware");
    assert_eq!(text.lines().find(over), None, "{text}");
    let read_only = |line: &&str| {
        let (place, options) = line.split_once(' ').unwrap();
        ["/proc", "/sys", "/"].contains(&place) && options.split(',').any(|option| option == "ro")
    };
    assert_eq!(text.lines().find(read_only), None, "{text}");
}

fn it_mounts_with_the_machine_s_network_too() {
    assert_eq!(insecure(MOUNTS).host_network().prints(), "x\n");
}

fn it_has_no_more_of_the_machine_than_others() {
    let canary = tempfile::NamedTempFile::new().unwrap();
    let path = canary.path().display();
    for network in [false, true] {
        let script = format!("ls {path} /proc/1/root{path} /proc/self/root/../..{path} 2>/dev/null; ls /proc/self/fd");
        let sand = insecure(&script);
        let sand = if network { sand.host_network() } else { sand };
        assert_eq!(sand.prints(), "0\n1\n2\n3\n");
        let sand = insecure("echo $$; cd /proc; echo [0-9]*");
        let sand = if network { sand.host_network() } else { sand };
        assert_eq!(sand.prints(), "1\n1\n");
        // What lies over other things is taken away (a runtime lays one `/dev` over another): nothing of the machine is below.
        let script = format!(
            "for i in 1 2 3; do umount -l /proc /sys/fs/cgroup /sys /dev; done 2>/tmp/said; ls /sys/fs /dev; ls {path} 2>/dev/null; true"
        );
        let sand = insecure(&script);
        let sand = if network { sand.host_network() } else { sand };
        let text = sand.run().unwrap().stdout;
        assert!(!text.contains("null") && !text.contains("cgroup"), "{text}");
    }
}

fn what_it_starts_ends_with_it() {
    let marker = format!("{}", std::process::id());
    insecure(&format!("setsid sleep 98{marker} & sleep 0.05")).prints();
    let left = fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == format!("sleep\098{marker}\0").as_bytes())
    });
    assert!(!left, "it is still there");
}

fn devices_work_where_root_is_root() {
    let made = "mknod /tmp/n c 1 3 && echo x > /tmp/n && echo works";
    let ran = insecure(made).run().unwrap();
    if standing() == Standing::Root {
        assert_eq!(ran.stdout, "works\n", "{ran:?}");
    } else {
        assert_eq!(ran.stdout, "", "{ran:?}");
        assert_eq!(insecure("ls /dev | grep -c -e loop -e fuse; true").prints(), "0\n");
    }
    assert_eq!(Sand::sh(made).run().unwrap().stdout, "");
}

fn control_groups_inside_are_gone_afterwards() {
    let make = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir -p $d/wythe-test-inner/deeper && echo made; done 2>/tmp/said; true";
    let made = insecure(make).prints().lines().count();
    if fs::read_dir("/sys/fs/cgroup").is_ok_and(|mut entries| entries.next().is_some()) {
        assert_ne!(insecure("ls /sys/fs/cgroup").prints(), "");
        assert!(standing() != Standing::Root || made > 0, "it has no group of its own");
    }
    let left = Command::new("find").args(["/sys/fs/cgroup", "-name", "wythe-test-inner"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "with {:?}", runtime().map(|runtime| runtime.path));
}

/// A limit of one kind is kept in one hierarchy of the first interface: in all others its group is that of who runs it.
fn only_groups_of_its_own_can_be_changed() {
    let limits = Limits { memory: Some(64 << 20), ..Limits::default() };
    if !fs::exists("/sys/fs/cgroup/memory").unwrap() || driver().check(&limits).is_err() {
        return;
    }
    let make = "for d in /sys/fs/cgroup/*/; do mkdir $d/wythe-test-mine && basename $d; done 2>/tmp/said; true";
    assert_eq!(insecure(make).with_limits(limits).prints(), "memory\n");
}
