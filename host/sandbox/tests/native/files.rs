// SPDX-License-Identifier: Apache-2.0
//! The root file system and what is mounted into it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use wythe_sandbox::{DeviceNumber, Ending, MountSource};
use wythe_sys::overlay::Overlay;

use crate::support::Sand;

crate::tests![
    changes_land_in_the_upper_directory_and_nothing_else_does,
    a_root_without_an_upper_directory_is_read_only,
    three_hundred_layers_are_one_root,
    binds_show_files_and_directories,
    a_bind_below_a_path_cannot_leave_it,
    states_are_shown_in_part,
    memory_is_limited_and_empty,
    outer_mounts_come_first,
    a_mount_inside_another_has_its_place_made,
    a_place_is_made_in_mounts_that_may_be_written_to_only,
    a_missing_target_is_said_to_be_missing,
    targets_that_would_change_the_sandbox_are_refused,
    hostile_roots_do_not_move_the_kernel_s_file_systems,
    a_device_that_has_become_another_is_refused,
    devices_appear_in_dev_only,
    what_is_mounted_is_inert,
];

fn bind(path: impl Into<PathBuf>, read_only: bool) -> MountSource {
    MountSource::Bind { path: path.into(), subpath: String::new(), read_only }
}

fn part(path: impl Into<PathBuf>, subpath: &str) -> MountSource {
    MountSource::Bind { path: path.into(), subpath: subpath.into(), read_only: true }
}

fn tree(path: &Path) -> Vec<String> {
    let mut names = vec![];
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            names.push(entry.path().strip_prefix(path).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            }
        }
    }
    names.sort();
    names
}

fn changes_land_in_the_upper_directory_and_nothing_else_does() {
    let sand = Sand::sh("echo x > /srv/new; rm /etc/group; mkdir -p /opt/a; echo y > /data/y; touch /dev/shm/z");
    let host = sand.host_directory("host");
    let sand = sand.mount("/data", bind(&host, false));
    sand.prints();
    assert_eq!(tree(&sand.path("upper")), ["etc", "etc/group", "opt", "opt/a", "srv", "srv/new"]);
    assert_eq!(tree(&host), ["y"]);
    assert_eq!(tree(&sand.path("plumbing")), ["data", "dev", "proc", "sys"]);
    let nothing = Sand::sh("true");
    nothing.prints();
    assert_eq!(tree(&nothing.path("upper")), Vec::<String>::new());
}

fn a_root_without_an_upper_directory_is_read_only() {
    let sand = Sand::sh("touch /srv/x").with(|inputs| {
        inputs.root.upper = None;
        inputs.root.work = None;
    });
    let ran = sand.run().unwrap();
    assert_eq!(ran.ending, Ending::Exited(1));
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
}

fn three_hundred_layers_are_one_root() {
    let sand = Sand::sh("cd /layers; echo * | wc -w; cat all");
    let layers = sand.host_directory("layers");
    let sand = sand.with(|inputs| {
        for index in 0..300 {
            let layer = layers.join(index.to_string());
            fs::create_dir_all(layer.join("layers")).unwrap();
            fs::write(layer.join(format!("layers/{index}")), "").unwrap();
            fs::write(layer.join("layers/all"), format!("{index}\n")).unwrap();
            inputs.root.lowers.push(layer);
        }
    });
    assert_eq!(sand.prints(), "301\n299\n");
}

fn binds_show_files_and_directories() {
    let sand = Sand::sh("cat /in/file /etc/passwd; echo more > /out/file; echo no > /in/file");
    let (input, output) = (sand.host_directory("input"), sand.host_directory("output"));
    fs::write(input.join("file"), "from outside\n").unwrap();
    fs::write(sand.path("passwd"), "root:x:0:0::/:\n").unwrap();
    let passwd = sand.path("passwd");
    let sand = sand.mount("/in", bind(&input, true)).mount("/out", bind(&output, false));
    let sand = sand.with(|inputs| {
        inputs.mounts.push(wythe_sandbox::Mount { target: "/etc/passwd".into(), source: bind(passwd, true) });
    });
    let ran = sand.run().unwrap();
    assert_eq!(ran.stdout, "from outside\nroot:x:0:0::/:\n");
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
    assert_eq!(fs::read_to_string(output.join("file")).unwrap(), "more\n");
    assert_eq!(fs::read_to_string(input.join("file")).unwrap(), "from outside\n");
}

/// CVE-2024-1753, CVE-2024-23651: what a step can change must not lead a later mount out.
fn a_bind_below_a_path_cannot_leave_it() {
    let sand = Sand::sh("ls -A /data");
    let cache = sand.host_directory("cache");
    fs::write(sand.path("secret"), "").unwrap();
    fs::create_dir_all(cache.join("inner/below")).unwrap();
    fs::create_dir_all(cache.join("etc")).unwrap();
    fs::write(cache.join("etc/of-the-cache"), "").unwrap();
    symlink("/etc", cache.join("absolute")).unwrap();
    symlink("../../../../../etc", cache.join("relative")).unwrap();
    for (subpath, expected) in [
        ("absolute", "of-the-cache\n"),
        ("relative", "of-the-cache\n"),
        ("../../etc", "of-the-cache\n"),
        ("inner", "below\n"),
    ] {
        let sand = Sand::sh("ls -A /data").mount("/data", part(&cache, subpath));
        assert_eq!(sand.prints(), expected, "{subpath}");
    }
    let refusal = sand.mount("/data", part(&cache, "absent")).refusal();
    assert!(refusal.starts_with("cannot set up the sandbox: cannot mount `"), "{refusal}");
    assert!(refusal.ends_with("cache/absent` on `/data`: No such file or directory (os error 2)"), "{refusal}");
}

fn states_are_shown_in_part() {
    let sand = Sand::sh("cat /state/below/file /one; touch /state/x 2>/dev/null || echo read-only");
    let (lower, upper) = (sand.host_directory("lower"), sand.host_directory("higher"));
    fs::create_dir_all(lower.join("usr/below")).unwrap();
    fs::create_dir_all(upper.join("usr/below")).unwrap();
    fs::write(lower.join("usr/below/file"), "covered\n").unwrap();
    fs::write(upper.join("usr/below/file"), "seen\n").unwrap();
    symlink("/usr/below", lower.join("link")).unwrap();
    let overlay = Overlay { lowers: vec![lower, upper], upper: None, work: None };
    let state =
        |subpath: &str| MountSource::Overlay { overlay: overlay.clone(), subpath: subpath.into(), read_only: true };
    fs::write(sand.path("plumbing/one"), "").unwrap();
    let sand = sand.mount("/state", state("usr")).with(|inputs| {
        inputs.mounts.push(wythe_sandbox::Mount { target: "/one".into(), source: state("link/file") });
    });
    assert_eq!(sand.prints(), "seen\nseen\nread-only\n");
    let whole = Sand::sh("cat /state/usr/below/file").mount("/state", state(""));
    assert_eq!(whole.prints(), "seen\n");
}

fn memory_is_limited_and_empty() {
    let source = MountSource::Tmpfs { size: Some(1 << 20), mode: 0o1777 };
    let sand =
        Sand::sh("ls -A /scratch; stat -c %a /scratch; head -c 2000000 /dev/zero > /scratch/x; wc -c < /scratch/x");
    let ran = sand.mount("/scratch", source).run().unwrap();
    assert_eq!(ran.stdout, "1777\n1048576\n");
    assert!(ran.stderr.starts_with("head: "), "{ran:?}");
}

fn outer_mounts_come_first() {
    let sand = Sand::sh("cat /a/b/file");
    let (outer, inner) = (sand.host_directory("outer"), sand.host_directory("inner"));
    fs::create_dir(outer.join("b")).unwrap();
    fs::write(inner.join("file"), "inner\n").unwrap();
    let sand = sand.mount("/a/b", bind(&inner, true)).mount("/a", bind(&outer, true));
    assert_eq!(sand.prints(), "inner\n");
}

fn a_mount_inside_another_has_its_place_made() {
    let sand = Sand::sh("cat /outer/a/b/file /memory/secret /memory/deep/file; stat -c '%a %F' /outer/a /memory/deep");
    let (outer, inner) = (sand.host_directory("outer"), sand.host_directory("inner"));
    fs::write(inner.join("file"), "inner\n").unwrap();
    let memory = MountSource::Tmpfs { size: None, mode: 0o755 };
    let sand = sand.mount("/outer", bind(&outer, false)).mount("/memory", memory).with(|inputs| {
        let mut inside = |target: &str, source| {
            inputs.mounts.push(wythe_sandbox::Mount { target: target.into(), source });
        };
        inside("/outer/a/b", bind(&inner, true));
        inside("/memory/secret", bind(inner.join("file"), true));
        inside("/memory/deep", bind(&inner, true));
    });
    assert_eq!(sand.prints(), "inner\ninner\ninner\n755 directory\n755 directory\n");
    // What is inside is not in the directory of the machine.
    assert_eq!(tree(&outer), ["a", "a/b"]);
}

/// Neither one that is read-only, nor one that a link leads out of.
fn a_place_is_made_in_mounts_that_may_be_written_to_only() {
    for (read_only, target, error) in [
        (true, "/outer/a", "Read-only file system (os error 30)"),
        (false, "/outer/link/a", "No such file or directory (os error 2)"),
        (false, "/outer/gone/a", "No such file or directory (os error 2)"),
    ] {
        let sand = Sand::sh("true");
        let (outer, inner) = (sand.host_directory("outer"), sand.host_directory("inner"));
        symlink("/srv", outer.join("link")).unwrap();
        symlink("/srv/gone", outer.join("gone")).unwrap();
        let sand = sand.mount("/outer", bind(&outer, read_only)).with(|inputs| {
            inputs.mounts.push(wythe_sandbox::Mount { target: target.into(), source: bind(&inner, true) });
        });
        assert_eq!(sand.refusal(), format!("cannot set up the sandbox: cannot mount anything on `{target}`: {error}"));
        assert_eq!(tree(&sand.path("upper")), [""; 0], "{target}");
        assert_eq!(tree(&outer), ["gone", "link"], "{target}");
    }
}

fn a_missing_target_is_said_to_be_missing() {
    let sand = Sand::sh("true");
    let host = sand.host_directory("host");
    let sand = sand.with(|inputs| {
        inputs.mounts.push(wythe_sandbox::Mount { target: "/nowhere".into(), source: bind(host, true) });
    });
    let expected =
        "cannot set up the sandbox: cannot mount anything on `/nowhere`: No such file or directory (os error 2)";
    assert_eq!(sand.refusal(), expected);
}

fn targets_that_would_change_the_sandbox_are_refused() {
    let cases = [
        ("/", "it is the root"),
        ("/srv/..", "it is the root"),
        ("/proc", "it is in /proc"),
        ("/proc/sys/kernel", "it is in /proc"),
        ("/sys/kernel", "it is in /sys"),
        ("/dev", "it is in /dev"),
        ("/dev/pts", "it is in /dev"),
        ("/dev/null", "it is neither a file nor a directory"),
        ("/link/kernel", "it is in /proc"),
        ("/../../proc", "it is in /proc"),
    ];
    for (target, reason) in cases {
        let sand = Sand::sh("true");
        symlink("/proc/sys", sand.path("plumbing/link")).unwrap();
        let source = MountSource::Tmpfs { size: None, mode: 0o755 };
        let sand = sand.with(|inputs| inputs.mounts.push(wythe_sandbox::Mount { target: target.into(), source }));
        let expected = format!("cannot set up the sandbox: nothing may be mounted on `{target}`: {reason}");
        assert_eq!(sand.refusal(), expected);
    }
    let source = MountSource::Tmpfs { size: Some(1 << 20), mode: 0o700 };
    assert_eq!(Sand::sh("stat -c %a /dev/shm").mount("/dev/shm", source).prints(), "700\n");
}

/// CVE-2019-19921, CVE-2023-27561, CVE-2023-28642.
fn hostile_roots_do_not_move_the_kernel_s_file_systems() {
    for name in ["proc", "sys", "dev"] {
        for target in ["/srv", "../../../../../../tmp", "/nowhere"] {
            let sand = Sand::sh("true");
            fs::remove_dir(sand.path("plumbing").join(name)).unwrap();
            symlink(target, sand.path("plumbing").join(name)).unwrap();
            let refusal = sand.refusal();
            let expected = format!("cannot set up the sandbox: cannot mount anything on `/{name}`: ");
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
    }
}

fn devices_appear_in_dev_only() {
    let device = |path: &str| MountSource::Device { path: path.into(), number: None };
    let sand = Sand::sh("echo x > /dev/gpu/zero0 && head -c2 /dev/gpu/zero0 | od -An -tx1");
    assert_eq!(sand.mount("/dev/gpu/zero0", device("/dev/zero")).prints(), " 00 00\n");
    let refusal = Sand::sh("true").mount("/srv/zero", device("/dev/zero")).refusal();
    assert!(refusal.contains("a device belongs into /dev"), "{refusal}");
    let refusal = Sand::sh("true").mount("/dev/x", device("/etc/passwd")).refusal();
    assert!(refusal.contains("cannot mount `/etc/passwd` on `/dev/x`"), "{refusal}");
    let refusal = Sand::sh("true").mount("/dev/../x", device("/dev/zero")).refusal();
    assert!(refusal.contains("a device needs a name in /dev"), "{refusal}");
}

fn a_device_that_has_become_another_is_refused() {
    let zero = |is_block, minor| MountSource::Device {
        path: "/dev/zero".into(),
        number: Some(DeviceNumber { is_block, major: 1, minor }),
    };
    assert_eq!(Sand::sh("test -c /dev/x && echo there").mount("/dev/x", zero(false, 5)).prints(), "there\n");
    for other in [zero(false, 3), zero(true, 5)] {
        let refusal = Sand::sh("true").mount("/dev/x", other).refusal();
        assert!(refusal.contains("cannot mount `/dev/zero` on `/dev/x`: No such device"), "{refusal}");
    }
}

fn what_is_mounted_is_inert() {
    let sand = Sand::sh("grep ' /data ' /proc/self/mounts | cut -d' ' -f4 | tr , '\n' | grep -E '^(ro|nodev|nosuid)$'");
    let host = sand.host_directory("host");
    assert_eq!(sand.mount("/data", bind(&host, true)).prints(), "ro\nnosuid\nnodev\n");
}
