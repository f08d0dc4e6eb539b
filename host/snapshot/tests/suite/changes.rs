// SPDX-License-Identifier: Apache-2.0
//! The normal form of a step's changes, and the laws about it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use proptest::prelude::*;
use wythe_snapshot::{NormaliseError, Normalised, apply_layer, layer_digest, normalise, prepare};
use wythe_sys::overlay::Overlay;

use crate::support::{
    Detail, EPOCH, Merged, Site, archive, chmod, describe, is_root, link, mkdir, set_time, set_times, write,
};

/// What most of these tests begin with.
fn base(root: &Path) {
    for path in ["etc", "usr/bin", "usr/lib", "var/cache", "tmp"] {
        mkdir(root, path);
    }
    write(root, "etc/hosts", "127.0.0.1 localhost\n");
    write(root, "etc/motd", "welcome\n");
    write(root, "usr/bin/one", "1");
    write(root, "usr/bin/two", "2");
    fs::hard_link(root.join("usr/bin/two"), root.join("usr/bin/deux")).unwrap();
    link(root, "usr/lib", "lib");
    write(root, "var/cache/a", "a");
    write(root, "var/cache/b/c", "c");
    chmod(root, "tmp", 0o1777);
    set_times(root, 1_000_000_000);
}

fn finish(site: &Site) -> Option<Normalised> {
    normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap()
}

/// Changes a tree, and returns what the layer then is: a line for each path.
fn layer_of(change: impl FnOnce(&Path)) -> Vec<String> {
    let site = Site::new(&[&base]);
    prepare(site.upper(), site.below().as_ref()).unwrap();
    site.change(change);
    if finish(&site).is_none() {
        assert_eq!(fs::read_dir(site.upper()).unwrap().count(), 0, "something is left of no change");
        return Vec::new();
    }
    let lines = describe(site.upper(), Detail::Times);
    lines.into_iter().map(|(path, line)| format!("/{path}: {line}")).collect()
}

const ROOT: &str = "/: 755 0:0 directory @1000000000.0";

#[test]
fn what_is_not_a_change_goes() {
    if !is_root("what_is_not_a_change_goes") {
        return;
    }
    type Change = fn(&Path);
    let changes: [(&str, Change); 9] = [
        ("nothing", |_| {}),
        ("a file that comes and goes", |root| {
            write(root, "etc/x", "x");
            fs::remove_file(root.join("etc/x")).unwrap();
        }),
        ("a directory that comes and goes", |root| {
            write(root, "opt/a/b", "x");
            fs::remove_dir_all(root.join("opt")).unwrap();
        }),
        ("the same content again", |root| write(root, "etc/motd", "welcome\n")),
        ("the same file anew", |root| {
            fs::remove_file(root.join("etc/motd")).unwrap();
            write(root, "etc/motd", "welcome\n");
        }),
        ("the same link anew", |root| {
            fs::remove_file(root.join("lib")).unwrap();
            link(root, "usr/lib", "lib");
        }),
        ("there and back", |root| {
            chmod(root, "etc/motd", 0o600);
            chmod(root, "etc/motd", 0o644);
            chmod(root, "usr", 0o700);
            chmod(root, "usr", 0o755);
            chown(root.join("lib"), Some(0), Some(0)).unwrap();
        }),
        ("only times", |root| set_times(root, 5)),
        ("the same directory anew", |root| {
            fs::remove_dir_all(root.join("var/cache")).unwrap();
            write(root, "var/cache/a", "a");
            write(root, "var/cache/b/c", "c");
        }),
    ];
    for (what, change) in changes {
        assert_eq!(layer_of(change), Vec::<String>::new(), "after {what}");
    }
}

#[test]
fn what_is_a_change_stays_and_nothing_else() {
    if !is_root("what_is_a_change_stays_and_nothing_else") {
        return;
    }
    let now = format!("@{EPOCH}.0");
    let etc = "/etc: 755 0:0 directory @1000000000.0";
    let etc_now = format!("/etc: 755 0:0 directory {now}");
    // The content of a file is no name of its directory, so the directory keeps its time.
    assert_eq!(
        layer_of(|root| write(root, "etc/motd", "other")),
        [ROOT, etc, &format!("/etc/motd: 644 0:0 5 bytes \"other\" {now}")]
    );
    assert_eq!(
        layer_of(|root| write(root, "etc/new", "n")),
        [ROOT, &etc_now, &format!("/etc/new: 644 0:0 1 bytes \"n\" {now}")]
    );
    // A time before the build's is content.
    assert_eq!(
        layer_of(|root| {
            write(root, "etc/old", "o");
            set_time(&root.join("etc/old"), 77);
            set_time(&root.join("etc"), 78);
        }),
        [ROOT, "/etc: 755 0:0 directory @78.0", "/etc/old: 644 0:0 1 bytes \"o\" @77.0"]
    );
    assert_eq!(layer_of(|root| fs::remove_file(root.join("etc/motd")).unwrap()), [ROOT, &etc_now, "/etc/motd: gone"]);
    assert_eq!(layer_of(|root| chmod(root, "etc", 0o700)), [ROOT, "/etc: 700 0:0 directory @1000000000.0"]);
    // An emptied directory, and one that was made again with other things: a line for each name that is gone.
    assert_eq!(
        layer_of(|root| {
            fs::remove_dir_all(root.join("var/cache")).unwrap();
            write(root, "var/cache/a", "a");
            write(root, "var/cache/z", "z");
        }),
        [
            ROOT,
            "/var: 755 0:0 directory @1000000000.0",
            &format!("/var/cache: 755 0:0 directory {now}"),
            "/var/cache/b: gone",
            &format!("/var/cache/z: 644 0:0 1 bytes \"z\" {now}"),
        ]
    );
    // A file in place of a directory, and the other way round.
    assert_eq!(
        layer_of(|root| {
            fs::remove_dir_all(root.join("etc")).unwrap();
            write(root, "etc", "no directory");
            fs::remove_file(root.join("lib")).unwrap();
            mkdir(root, "lib");
        }),
        [
            format!("/: 755 0:0 directory {now}"),
            format!("/etc: 644 0:0 12 bytes \"no directory\" {now}"),
            format!("/lib: 755 0:0 directory {now}"),
        ]
    );
}

#[test]
fn hard_links_are_kept_together_or_dropped_together() {
    if !is_root("hard_links_are_kept_together_or_dropped_together") {
        return;
    }
    let now = format!("@{EPOCH}.0");
    let bin = format!("/usr/bin: 755 0:0 directory {now}");
    let usr = "/usr: 755 0:0 directory @1000000000.0";
    // `one` is as it was, but it is now the same file as `uno`.
    assert_eq!(
        layer_of(|root| fs::hard_link(root.join("usr/bin/one"), root.join("usr/bin/uno")).unwrap()),
        [
            ROOT,
            usr,
            &bin,
            "/usr/bin/one: 644 0:0 1 bytes \"1\" @1000000000.0",
            "/usr/bin/uno: 644 0:0 1 bytes \"1\" = usr/bin/one @1000000000.0",
        ]
    );
    // Both names anew, the same file as before.
    let anew = |root: &Path| {
        fs::remove_file(root.join("usr/bin/two")).unwrap();
        fs::remove_file(root.join("usr/bin/deux")).unwrap();
        write(root, "usr/bin/two", "2");
        fs::hard_link(root.join("usr/bin/two"), root.join("usr/bin/deux")).unwrap();
    };
    assert_eq!(layer_of(anew), Vec::<String>::new());
}

#[test]
fn what_the_host_lent_does_not_enter_the_layer() {
    if !is_root("what_the_host_lent_does_not_enter_the_layer") {
        return;
    }
    let site = Site::new(&[&base]);
    let lent = site.make_dir("lent");
    for path in ["etc/ssl", "proc", "run/wythe"] {
        mkdir(&lent, path);
    }
    write(&lent, "etc/hosts", "127.0.0.1 localhost\n10.0.0.1 secret\n");
    write(&lent, "etc/ssl/bundle", "HOST CERTIFICATES\n");
    write(&lent, "etc/empty", "");
    chmod(&lent, "etc", 0o711);
    prepare(site.upper(), site.below().as_ref()).unwrap();
    let mut with_lent = site.overlay.clone();
    with_lent.lowers.push(lent.clone());
    {
        let merged = Merged::of(&with_lent);
        let root = merged.path();
        // Copied up as it is, appended to, and replaced.
        chmod(&root, "etc/ssl/bundle", 0o600);
        let mut hosts = fs::read(root.join("etc/hosts")).unwrap();
        hosts.extend_from_slice(b"10.0.0.2 step\n");
        fs::write(root.join("etc/hosts"), hosts).unwrap();
        write(&root, "etc/empty", "filled");
        chmod(&root, "run/wythe", 0o700);
        chmod(&root, "run/wythe", 0o755);
        fs::remove_dir(root.join("proc")).unwrap();
    }
    normalise(site.upper(), site.below().as_ref(), Some(&lent), EPOCH).unwrap().unwrap();
    let lines: Vec<String> =
        describe(site.upper(), Detail::NoTimes).into_iter().map(|(path, line)| format!("/{path}: {line}")).collect();
    assert_eq!(
        lines,
        [
            "/: 755 0:0 directory",
            "/etc: 755 0:0 directory",
            "/etc/empty: 644 0:0 6 bytes \"filled\"",
            "/etc/hosts: 644 0:0 34 bytes \"127.0.0.1 localhost\\n10.0.0.2 step\\n\"",
        ]
    );
    let bytes = archive(site.upper());
    for secret in ["secret", "HOST CERTIFICATES"] {
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "`{secret}` is in the layer");
    }
}

#[test]
fn what_a_layer_cannot_hold_is_left_out_and_said() {
    if !is_root("what_a_layer_cannot_hold_is_left_out_and_said") {
        return;
    }
    let site = Site::new(&[&base]);
    prepare(site.upper(), site.below().as_ref()).unwrap();
    site.change(|root| {
        fs::remove_file(root.join("etc/motd")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(root.join("etc/motd")).unwrap());
        drop(std::os::unix::net::UnixListener::bind(root.join("tmp/s")).unwrap());
    });
    let made = finish(&site).unwrap();
    let left_out: Vec<String> =
        made.left_out.iter().map(|left| format!("{} {}", left.kind, left.path.display())).collect();
    assert_eq!(left_out, ["socket etc/motd", "socket tmp/s"]);
    let lines: Vec<String> = describe(site.upper(), Detail::NoTimes).into_keys().collect();
    assert_eq!(lines, ["", "etc", "etc/motd"]);
    assert!(!site.merged().path().join("etc/motd").exists());
}

#[test]
fn a_name_that_means_a_deletion_is_refused() {
    let site = Site::new(&[]);
    write(site.upper(), "a/.wh.b", "");
    let error = normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap_err();
    assert!(matches!(&error, NormaliseError::Reserved { path } if path == Path::new("a/.wh.b")), "{error}");
}

#[test]
fn a_redirected_directory_is_refused() {
    if !is_root("a_redirected_directory_is_refused") {
        return;
    }
    let site = Site::new(&[&base]);
    mkdir(site.upper(), "other");
    let own = if wythe_sys::userns::is_initial() { "trusted" } else { "user" };
    let name = format!("{own}.overlay.redirect");
    let none = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(site.upper().join("other"), name.as_str(), b"/etc", none).unwrap();
    let error = normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap_err();
    assert!(matches!(error, NormaliseError::Redirected { .. }), "{error}");
}

#[test]
fn marks_of_overlay_are_no_content() {
    if !is_root("marks_of_overlay_are_no_content") {
        return;
    }
    let site = Site::new(&[]);
    chmod(site.upper(), "", 0o755);
    write(site.upper(), "a/b", "x");
    let none = rustix::fs::XattrFlags::empty();
    for (path, name) in [
        ("a", "user.overlay.opaque"),
        ("a/b", "user.overlay.origin"),
        ("a/b", "user.overlay.x"),
        ("a/b", "user.kept"),
        ("a", "user.kept"),
    ] {
        rustix::fs::setxattr(site.upper().join(path), name, b"y", none).unwrap();
    }
    finish(&site).unwrap();
    for path in ["a", "a/b"] {
        let mut list = [0; 256];
        let length = rustix::fs::listxattr(site.upper().join(path), &mut list).unwrap();
        assert_eq!(String::from_utf8_lossy(&list[..length]), "user.kept\0", "on {path}");
    }
}

/// One change of a tree by a step.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, u8),
    Append(usize),
    Remove(usize),
    MakeDir(usize),
    Link(usize, usize),
    HardLink(usize, usize),
    Chmod(usize, u32),
    Rename(usize, usize),
    Anew(usize),
}

const PATHS: [&str; 14] = [
    "etc",
    "etc/hosts",
    "etc/motd",
    "etc/new",
    "usr",
    "usr/bin",
    "usr/bin/one",
    "usr/bin/two",
    "usr/bin/deux",
    "lib",
    "lib/x",
    "var/cache",
    "var/cache/b",
    "var/cache/b/c",
];

fn a_change() -> impl Strategy<Value = Change> {
    let path = || 0..PATHS.len();
    prop_oneof![
        (path(), any::<u8>()).prop_map(|(path, byte)| Change::Write(path, byte % 3)),
        path().prop_map(Change::Append),
        path().prop_map(Change::Remove),
        path().prop_map(Change::MakeDir),
        (path(), path()).prop_map(|(a, b)| Change::Link(a, b)),
        (path(), path()).prop_map(|(a, b)| Change::HardLink(a, b)),
        (path(), prop_oneof![Just(0o644), Just(0o755), Just(0o4711)])
            .prop_map(|(path, mode)| Change::Chmod(path, mode)),
        (path(), path()).prop_map(|(a, b)| Change::Rename(a, b)),
        path().prop_map(Change::Anew),
    ]
}

/// Makes a change as far as it can be made; what cannot is no matter.
fn make(root: &Path, change: &Change) {
    let at = |path: &usize| root.join(PATHS[*path]);
    let done = match change {
        Change::Write(path, byte) => fs::write(at(path), vec![*byte; usize::from(*byte)]),
        Change::Append(path) => fs::read(at(path)).and_then(|bytes| fs::write(at(path), [&bytes[..], b"+"].concat())),
        Change::Remove(path) => match fs::symlink_metadata(at(path)) {
            Ok(stat) if stat.is_dir() => fs::remove_dir_all(at(path)),
            _ => fs::remove_file(at(path)),
        },
        Change::MakeDir(path) => fs::create_dir(at(path)),
        Change::Link(target, path) => std::os::unix::fs::symlink(PATHS[*target], at(path)),
        Change::HardLink(target, path) => fs::hard_link(at(target), at(path)),
        Change::Chmod(path, mode) => fs::set_permissions(at(path), std::os::unix::fs::PermissionsExt::from_mode(*mode)),
        Change::Rename(from, to) => fs::rename(at(from), at(to)),
        Change::Anew(path) => {
            make(root, &Change::Remove(*path));
            make(root, &Change::MakeDir(*path));
            fs::write(at(path).join("c"), "c")
        }
    };
    drop(done);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_says_what_changed_and_nothing_else(changes in proptest::collection::vec(a_change(), 1..20)) {
        if !is_root("a_layer_says_what_changed_and_nothing_else") {
            return Ok(());
        }
        let site = Site::new(&[&base, &|root: &Path| {
            write(root, "usr/bin/three", "3");
            set_times(root, 1_100_000_000);
        }]);
        prepare(site.upper(), site.below().as_ref()).unwrap();
        let mut seen = BTreeMap::new();
        site.change(|root| {
            changes.iter().for_each(|change| make(root, change));
            seen = describe(root, Detail::NoTimes);
        });
        let made = finish(&site);
        let upper = describe(site.upper(), Detail::Times);

        // What is seen afterwards is what the step saw. Only links that overlay broke when it copied a file up are whole again.
        let merged = describe(&site.merged().path(), Detail::NoTimes);
        prop_assert_eq!(without_links(&merged), without_links(&seen));

        // The normal form is one.
        let again = finish(&site);
        prop_assert_eq!(&again, &made);
        prop_assert_eq!(&describe(site.upper(), Detail::Times), &upper);

        let Some(made) = made else {
            let below = Overlay { upper: None, work: None, ..site.overlay.clone() };
            let below = describe(&Merged::of(&below).path(), Detail::NoTimes);
            prop_assert_eq!(without_links(&below), without_links(&seen));
            return Ok(());
        };

        // Its archive, applied elsewhere, is the same layer.
        let bytes = archive(site.upper());
        let elsewhere = site.make_dir("elsewhere");
        let applied = apply_layer(&bytes[..], &elsewhere).unwrap();
        prop_assert_eq!((applied.diff_id, applied.size), (made.diff_id, made.size));
        prop_assert_eq!(layer_digest(&[&elsewhere]).unwrap(), (made.diff_id, made.size));
        let mut lowers = site.overlay.lowers.clone();
        lowers.push(elsewhere);
        let pulled = Merged::of(&Overlay { lowers, upper: None, work: None });
        prop_assert_eq!(describe(&pulled.path(), Detail::Times), describe(&site.merged().path(), Detail::Times));

        // It depends on what is seen, not on how it came about: the same tree made at once gives the same layer.
        let other = Site::new(&[&base, &|root: &Path| {
            write(root, "usr/bin/three", "3");
            set_times(root, 1_100_000_000);
        }]);
        prepare(other.upper(), other.below().as_ref()).unwrap();
        other.change(|root| {
            empty(root);
            copy_all(&site.merged().path(), root);
        });
        let other_made = finish(&other).unwrap();
        prop_assert_eq!(describe(other.upper(), Detail::Times), upper);
        prop_assert_eq!(other_made.diff_id, made.diff_id);
    }
}

fn without_links(lines: &BTreeMap<String, String>) -> Vec<String> {
    lines.iter().map(|(path, line)| format!("{path}: {}", line.split(" = ").next().unwrap_or(""))).collect()
}

fn empty(root: &Path) {
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        } else {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// Copies a tree with all that a layer can hold of it.
fn copy_all(from: &Path, to: &Path) {
    let arguments = [from.join("."), to.to_owned()];
    let status = std::process::Command::new("cp").arg("-a").args(&arguments).status();
    assert!(status.unwrap().success());
    assert_eq!(fs::metadata(from).unwrap().mode(), fs::metadata(to).unwrap().mode());
}
