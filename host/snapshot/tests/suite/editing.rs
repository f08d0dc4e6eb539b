// SPDX-License-Identifier: Apache-2.0
//! Edits by the host itself: what the tree is like afterwards, as a mounted overlay shows it.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use wythe_snapshot::{
    Attributes, Choice, CopyError, EditError, NormaliseError, OwnerError, Patterns, normalise, select,
};
use wythe_sys::root::Root;

use crate::support::{Detail, EPOCH, Site, chmod, describe, is_root, link, mkdir, set_time, set_times, write};

fn base(root: &Path) {
    for path in ["etc", "usr/lib", "usr/bin", "opt/old"] {
        mkdir(root, path);
    }
    link(root, "usr/lib", "lib");
    link(root, "/usr/bin", "bin");
    link(root, "../../../../../outside", "escape");
    link(root, "/nowhere/else", "dangling");
    link(root, "loop", "loop");
    write(
        root,
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\nfar:x:99999999999:0::/:\n",
    );
    write(root, "etc/group", "root:x:0:\nstaff:x:50:ann\n");
    write(root, "opt/old/file", "old");
    write(root, "usr/lib/libc", "libc");
    set_times(root, 1_000_000_000);
}

fn site() -> Site {
    Site::new(&[&base, &|root: &Path| {
        write(root, "usr/lib/libm", "libm");
        set_times(root, 1_000_000_000);
    }])
}

fn p(path: &str) -> &Path {
    Path::new(path)
}

const PLAIN: Attributes = Attributes { owner: None, mode: None, mode_edit: None, time: None };

#[test]
fn an_overlay_shows_what_was_edited() {
    if !is_root("an_overlay_shows_what_was_edited") {
        return;
    }
    let site = site();
    let mut editor = site.editor();
    let owned = Attributes { owner: Some((7, 8)), mode: Some(0o4750), time: Some(5), ..PLAIN };
    editor.put(p("/lib/new/deep"), b"through a link", &PLAIN).unwrap();
    editor.put(p("/bin/tool"), b"set-id", &owned).unwrap();
    let large: Vec<u8> = (0..300_001_u32).map(|at| (at % 251) as u8).collect();
    fs::write(site.dir.path().join("large"), &large).unwrap();
    let mut content = fs::File::open(site.dir.path().join("large")).unwrap();
    editor.put_file(p("/srv/large"), &mut content, &PLAIN).unwrap();
    assert!(fs::read(site.upper().join("srv/large")).unwrap() == large);
    let replacement = site.dir.path().join("replacement");
    fs::write(&replacement, "replaced").unwrap();
    editor.put_file(p("/etc/passwd"), &mut fs::File::open(replacement).unwrap(), &PLAIN).unwrap();
    editor.put(p("/escape/inside"), b"contained", &PLAIN).unwrap();
    editor.put(p("/dangling/x"), b"made", &PLAIN).unwrap();
    editor.symlink(p("../etc"), p("/usr/etc")).unwrap();
    editor.mkdir(p("/srv/a"), &Attributes { mode: Some(0o1777), ..PLAIN }).unwrap();
    editor.mkdir(p("/opt/old"), &PLAIN).unwrap();
    editor.remove(p("/opt/old")).unwrap();
    editor.remove(p("/opt/old")).unwrap();
    editor.remove(p("/not/there")).unwrap();
    // Made again: what was in it does not come back.
    editor.put(p("/opt/old/other"), b"anew", &PLAIN).unwrap();
    drop(editor);
    let merged = describe(&site.merged().path(), Detail::NoTimes);
    let mut lines: Vec<String> = merged.iter().map(|(path, line)| format!("{path}: {line}")).collect();
    lines.retain(|line| !line.starts_with("etc/group"));
    for line in lines.iter_mut().filter(|line| line.starts_with("srv/large")) {
        *line = line.split(" \"").next().unwrap().to_owned();
    }
    assert_eq!(
        lines,
        [
            ": 755 0:0 directory",
            "bin: 777 0:0 -> /usr/bin",
            "dangling: 777 0:0 -> /nowhere/else",
            "escape: 777 0:0 -> ../../../../../outside",
            "etc: 755 0:0 directory",
            "etc/passwd: 644 0:0 8 bytes \"replaced\"",
            "lib: 777 0:0 -> usr/lib",
            "loop: 777 0:0 -> loop",
            "nowhere: 755 0:0 directory",
            "nowhere/else: 755 0:0 directory",
            "nowhere/else/x: 644 0:0 4 bytes \"made\"",
            "opt: 755 0:0 directory",
            "opt/old: 755 0:0 directory",
            "opt/old/other: 644 0:0 4 bytes \"anew\"",
            "outside: 755 0:0 directory",
            "outside/inside: 644 0:0 9 bytes \"contained\"",
            "srv: 755 0:0 directory",
            "srv/a: 1777 0:0 directory",
            "srv/large: 644 0:0 300001 bytes",
            "usr: 755 0:0 directory",
            "usr/bin: 755 0:0 directory",
            "usr/bin/tool: 4750 7:8 6 bytes \"set-id\"",
            "usr/etc: 777 0:0 -> ../etc",
            "usr/lib: 755 0:0 directory",
            "usr/lib/libc: 644 0:0 4 bytes \"libc\"",
            "usr/lib/libm: 644 0:0 4 bytes \"libm\"",
            "usr/lib/new: 755 0:0 directory",
            "usr/lib/new/deep: 644 0:0 14 bytes \"through a link\"",
        ]
    );
    let made = normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap().unwrap();
    assert_eq!(describe(&site.merged().path(), Detail::NoTimes), merged);
    assert_eq!(normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap().unwrap(), made);
}

#[test]
fn edits_that_cannot_be_made_say_why() {
    let site = Site::new(&[]);
    mkdir(site.upper(), "full/of");
    link(site.upper(), "loop", "loop");
    write(site.upper(), "file", "");
    let mut editor = site.editor();
    for (what, result) in [
        ("a file in place of a full directory", editor.put(p("/full"), b"", &PLAIN)),
        ("a link in place of a full directory", editor.symlink(p("x"), p("/full"))),
        ("a file below a file", editor.put(p("/file/x"), b"", &PLAIN)),
        ("a file below a loop", editor.put(p("/loop/x"), b"", &PLAIN)),
        ("a directory in place of a file", editor.mkdir(p("/file"), &PLAIN)),
    ] {
        assert!(matches!(result, Err(EditError::Write { .. })), "{what}: {result:?}");
    }
    assert!(matches!(editor.remove(p("/")), Err(EditError::Root { .. })));
    assert!(matches!(editor.put(p("//./"), b"", &PLAIN), Err(EditError::Root { .. })));
    assert!(editor.is_directory(p("/full")).unwrap());
    assert!(!editor.is_directory(p("/file/x")).unwrap());
}

#[test]
fn a_tree_of_any_depth_can_be_removed() {
    let site = Site::new(&[]);
    let mut dir = rustix::fs::open(site.upper(), rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..3_000 {
        rustix::fs::mkdirat(&dir, "d", rustix::fs::Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, "d", rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    }
    // A layer of it would be extracted by nobody: it is refused rather than exhausting us.
    let error = normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap_err();
    assert!(matches!(error, NormaliseError::Read { .. }), "{error}");
    site.editor().remove(p("/d")).unwrap();
    assert_eq!(fs::read_dir(site.upper()).unwrap().count(), 0);
}

#[test]
fn owners_are_numbers_or_names_of_the_tree() {
    if !is_root("owners_are_numbers_or_names_of_the_tree") {
        return;
    }
    let site = site();
    let mut editor = site.editor();
    for (owner, ids) in [
        ("0", (0, 0)),
        ("1000", (1000, 1000)),
        ("5:6", (5, 6)),
        ("ann", (1000, 1001)),
        ("ann:staff", (1000, 50)),
        ("2147483647:0", (2_147_483_647, 0)),
    ] {
        assert_eq!(editor.resolve_owner(owner).unwrap(), ids, "{owner}");
    }
    for owner in [
        "",
        ":",
        "1:",
        ":1",
        "1:2:3",
        "2147483648",
        "4294967296",
        "99999999999999999999",
        "nobody",
        "-1",
        "ann:nobody",
        "far",
    ] {
        let error = editor.resolve_owner(owner).unwrap_err();
        assert!(!matches!(error, OwnerError::Read { .. }), "{owner}: {error}");
    }
}

fn context(root: &Path) {
    for (path, text) in [
        ("app/main.py", "print()"),
        ("app/lib/a.py", "a"),
        ("app/lib/a.pyc", "cache"),
        ("README.md", "read me"),
        (".git/config", "git"),
    ] {
        write(root, path, text);
        chmod(root, path, 0o640);
    }
    chmod(root, "app", 0o755);
    chmod(root, "app/lib", 0o750);
    link(root, "main.py", "app/link");
    set_times(root, 900_000_000);
}

#[test]
fn a_copy_lands_where_docker_would_put_it() {
    if !is_root("a_copy_lands_where_docker_would_put_it") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    context(dir.path());
    chown(dir.path().join("README.md"), Some(12), Some(12)).unwrap();
    let source = Root::open(dir.path()).unwrap();
    let choose = |patterns: &[&str]| Choice {
        patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        ignore: Patterns::new(&[".git", "**/*.pyc"]).unwrap(),
        ..Choice::default()
    };
    for (patterns, dest, expected) in [
        (&["README.md"][..], "/docs", &["docs"][..]),
        (&["README.md"], "/docs/", &["docs", "docs/README.md"]),
        (&["README.md"], "/etc", &["etc", "etc/README.md"]),
        (&["*.md"], "/docs", &["docs"]),
        (&["app"], "/srv", &["srv", "srv/lib", "srv/lib/a.py", "srv/link", "srv/main.py"]),
        (&["app/lib", "README.md"], "/lib", &["usr/lib", "usr/lib/README.md", "usr/lib/a.py"]),
        (&["."], "/x", &["x", "x/README.md", "x/app", "x/app/lib", "x/app/lib/a.py", "x/app/link", "x/app/main.py"]),
    ] {
        let site = site();
        let selection = select(&source, &choose(patterns)).unwrap();
        site.editor().copy(&source, &selection, p(dest), &PLAIN).unwrap();
        normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap().unwrap();
        let mut paths: Vec<String> = describe(site.upper(), Detail::NoTimes).into_keys().collect();
        paths.retain(|path| !matches!(path.as_str(), "" | "usr"));
        assert_eq!(paths, expected, "{patterns:?} to {dest}");
    }
    let site = site();
    let selection = select(&source, &choose(&["."])).unwrap();
    let attributes = Attributes { owner: Some((3, 4)), mode: None, time: Some(EPOCH), ..PLAIN };
    site.editor().copy(&source, &selection, p("/x"), &attributes).unwrap();
    let lines = describe(site.upper(), Detail::Times);
    assert_eq!(lines["x/app/lib"], format!("750 3:4 directory @{EPOCH}.0"));
    assert_eq!(lines["x/app/lib/a.py"], format!("640 3:4 1 bytes \"a\" @{EPOCH}.0"));
    assert_eq!(lines["x/app/link"], format!("777 3:4 -> main.py @{EPOCH}.0"));
    assert_eq!(lines["x/README.md"], format!("640 3:4 7 bytes \"read me\" @{EPOCH}.0"));
}

#[test]
fn a_source_that_changes_meanwhile_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    context(dir.path());
    let source = Root::open(dir.path()).unwrap();
    let choice = Choice { patterns: vec!["README.md".to_owned()], ..Choice::default() };
    let selection = select(&source, &choice).unwrap();
    write(dir.path(), "README.md", "other!!");
    let site = Site::new(&[]);
    let result = site.editor().copy(&source, &selection, p("/x"), &PLAIN);
    assert!(matches!(result, Err(CopyError::Source(_))), "{result:?}");
}

#[test]
fn a_copy_from_a_state_keeps_what_the_state_says() {
    if !is_root("a_copy_from_a_state_keeps_what_the_state_says") {
        return;
    }
    let from = Site::new(&[&base, &|root: &Path| {
        write(root, "opt/a/one", "1");
        fs::hard_link(root.join("opt/a/one"), root.join("opt/a/uno")).unwrap();
        write(root, "opt/a/skip/x", "");
        write(root, "opt/a/b/two", "2");
        chown(root.join("opt/a/b"), Some(33), Some(34)).unwrap();
        chown(root.join("opt/a/one"), Some(35), Some(36)).unwrap();
        chmod(root, "opt/a/one", 0o6711);
        let none = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(root.join("opt/a/one"), "user.x", b"y", none).unwrap();
        rustix::fs::setxattr(root.join("opt/a/b"), "user.x", b"y", none).unwrap();
        set_times(root, 1_000_000_000);
    }]);
    let merged = from.merged();
    let source = Root::open(&merged.path()).unwrap();
    let site = site();
    let exclude = |path: &Path| path == p("skip");
    site.editor().copy_tree(&source, p("/opt/a"), p("/dest"), &exclude, &PLAIN).unwrap();
    site.editor().copy_tree(&source, p("/lib/libc"), p("/dest/b/"), &|_| false, &PLAIN).unwrap();
    let lines: Vec<String> =
        describe(site.upper(), Detail::Times).into_iter().map(|(path, line)| format!("{path}: {line}")).collect();
    let time = "@1000000000.0";
    assert_eq!(
        lines[1..],
        [
            format!("dest: 755 0:0 directory {time}"),
            lines[2].clone(),
            format!("dest/b/libc: 644 0:0 4 bytes \"libc\" {time}"),
            format!("dest/b/two: 644 0:0 1 bytes \"2\" {time}"),
            format!("dest/one: 6711 35:36 1 bytes \"1\" {time}"),
            format!("dest/uno: 6711 35:36 1 bytes \"1\" = dest/one {time}"),
        ]
    );
    assert!(lines[2].starts_with("dest/b: 755 33:34 directory"));
    let mut value = [0; 4];
    for path in ["dest/uno", "dest/b"] {
        assert_eq!(rustix::fs::getxattr(site.upper().join(path), "user.x", &mut value), Ok(1), "{path}");
    }
}

#[test]
fn a_tree_that_is_swapped_meanwhile_is_never_left() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    mkdir(dir.path(), "outside/d");
    write(&outside, "d/victim", "untouched");
    set_time(&outside.join("d/victim"), 1);
    let site = Site::new(&[]);
    mkdir(site.upper(), "a/d");
    std::os::unix::fs::symlink(&outside, site.upper().join("b")).unwrap();
    let before = describe(&outside, Detail::Times);
    let stop = AtomicBool::new(false);
    let upper = rustix::fs::open(
        site.upper(),
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&upper, "a", &upper, "b", exchange).unwrap_or_default();
            }
        });
        for round in 0..2_000 {
            // Each may fail, since what it works on is being moved; none may leave the tree.
            let mut editor = site.editor();
            drop(editor.put(p("/a/d/victim"), format!("{round}").as_bytes(), &PLAIN));
            drop(editor.mkdir(p("/a/d/new"), &Attributes { mode: Some(0o777), ..PLAIN }));
            drop(editor.remove(p("/a/d/victim")));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(describe(&outside, Detail::Times), before);
}
