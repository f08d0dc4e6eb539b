// SPDX-License-Identifier: Apache-2.0
//! The archive of a layer: its bytes, and what others make of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{
    Detail, EPOCH, archive, chmod, describe, gnu_list, is_root, link, mkdir, set_time, set_times, write,
};
use wythe_image::Digest;
use wythe_snapshot::{apply_layer, layer_digest, normalise, write_tar};

/// A tree with one of everything that needs no privilege.
fn fill(root: &Path) {
    chmod(root, "", 0o755);
    mkdir(root, "etc");
    write(root, "etc/hostname", "wythe\n");
    write(root, "etc-late/x", "");
    write(root, "etc.early", "");
    link(root, "hostname", "etc/alias");
    write(root, "bin/tool", "#!/bin/sh\n");
    chmod(root, "bin/tool", 0o4755);
    fs::hard_link(root.join("bin/tool"), root.join("bin/a-tool")).unwrap();
    write(root, "bin/empty", "");
    write(root, "größe", "nicht ASCII");
    write(root, &format!("long/{}", "n".repeat(120)), "long name");
    link(root, &"t".repeat(150), "long/link");
    mkdir(root, "var/empty");
    for path in ["etc", "etc-late", "bin", "long", "var", "var/empty"] {
        chmod(root, path, 0o755);
    }
    for path in ["etc/hostname", "etc-late/x", "etc.early", "bin/empty", "größe"] {
        chmod(root, path, 0o644);
    }
    chmod(root, &format!("long/{}", "n".repeat(120)), 0o600);
    set_times(root, 1_600_000_000);
}

#[test]
fn the_bytes_are_what_the_format_says() {
    if !is_root("the_bytes_are_what_the_format_says") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let bytes = archive(dir.path());
    let digest = Digest::of(&bytes);
    assert_eq!(layer_digest(&[dir.path()]).unwrap(), (digest, bytes.len() as u64));
    if let Some(list) = gnu_list(&bytes) {
        let time = "2020-09-13 12:26:40";
        let names: Vec<&str> = list.lines().map(|line| line.split(&format!("{time} ")).nth(1).unwrap()).collect();
        assert_eq!(
            names,
            [
                "./",
                "bin/",
                "bin/a-tool",
                "bin/empty",
                "bin/tool link to bin/a-tool",
                "etc/",
                "etc/alias -> hostname",
                "etc/hostname",
                "etc-late/",
                "etc-late/x",
                "etc.early",
                "größe",
                "long/",
                &format!("long/link -> {}", "t".repeat(150)),
                &format!("long/{}", "n".repeat(120)),
                "var/",
                "var/empty/",
            ]
            .map(str::to_owned)
            .each_ref()
            .map(String::as_str)
        );
    }
    // A change of this digest is a change of the format: every layer that anybody has would get another name.
    assert_eq!(digest.to_string(), PINNED);
}

const PINNED: &str = "sha256:3fe586895abef101725067b65062883c03ca5f561ea130925e7cba4f94844d1c";

#[test]
fn the_order_of_making_does_not_matter() {
    let names: Vec<String> = (0..200).map(|number| format!("d{}/f{}", number * 7 % 10, number * 37 % 200)).collect();
    let digest_of = |names: &mut dyn Iterator<Item = &String>| {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), "", 0o755);
        for name in names {
            write(dir.path(), name, name);
        }
        set_times(dir.path(), 5);
        layer_digest(&[dir.path()]).unwrap()
    };
    assert_eq!(digest_of(&mut names.iter()), digest_of(&mut names.iter().rev()));
}

#[test]
fn others_extract_what_was_there() {
    if !is_root("others_extract_what_was_there") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let bytes = archive(dir.path());
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &bytes).unwrap();
    for (program, arguments) in [("tar", &["-xpf"][..]), ("bsdtar", &["-xpf"])] {
        let to = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(file.path()).arg("-C").arg(to.path()).env("LC_ALL", "C.UTF-8");
        let Ok(output) = command.output() else {
            eprintln!("{program} is passed over: it is not installed");
            continue;
        };
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(describe(to.path(), Detail::Times), describe(dir.path(), Detail::Times), "as {program} extracts it");
    }
}

#[test]
fn applying_restores_the_tree_and_its_bytes() {
    if !is_root("applying_restores_the_tree_and_its_bytes") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let user = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(dir.path().join("etc"), "user.note", b"a\0=\n", user).unwrap();
    rustix::fs::setxattr(dir.path().join("etc/hostname"), "user.b", b"", user).unwrap();
    rustix::fs::setxattr(dir.path().join("etc/hostname"), "user.a", b"1", user).unwrap();
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    rustix::fs::setxattr(dir.path().join("bin/tool"), "security.capability", capability, user).unwrap();
    // Too large for the field of a header; a user namespace may not have it.
    let large_id = if wythe_sys::userns::is_initial() { 3_000_000 } else { 60_000 };
    std::os::unix::fs::chown(dir.path().join("etc/hostname"), Some(large_id), Some(42)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    set_time(dir.path(), 0);
    let bytes = archive(dir.path());
    let back = tempfile::tempdir().unwrap();
    let applied = apply_layer(&bytes[..], back.path()).unwrap();
    assert_eq!((applied.diff_id, applied.size), (Digest::of(&bytes), bytes.len() as u64));
    assert_eq!(applied.left_out, []);
    assert_eq!(describe(back.path(), Detail::NoTimes).keys().count(), 18);
    assert!(archive(back.path()) == bytes, "the archive of the applied layer is another one");
}

#[test]
fn marks_survive_the_way_there_and_back() {
    if !is_root("marks_survive_the_way_there_and_back") {
        return;
    }
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        builder.append_data(&mut header, path, &b""[..]).unwrap();
    };
    for (path, kind) in [
        ("a", tar::EntryType::Directory),
        ("a/.wh.gone", tar::EntryType::Regular),
        ("a/new", tar::EntryType::Regular),
        ("a/.wh..wh..opq", tar::EntryType::Regular),
        // A mark and what comes in its place, in both orders.
        (".wh.b", tar::EntryType::Regular),
        ("b", tar::EntryType::Directory),
        ("c", tar::EntryType::Directory),
        (".wh.c", tar::EntryType::Regular),
        (".wh.d", tar::EntryType::Regular),
        ("d", tar::EntryType::Regular),
        ("e/.wh..wh.plnk", tar::EntryType::Regular),
        (".wh.f", tar::EntryType::Regular),
        ("f/inside", tar::EntryType::Regular),
    ] {
        add(path, kind);
    }
    let bytes = builder.into_inner().unwrap();
    let dir = tempfile::tempdir().unwrap();
    apply_layer(&bytes[..], dir.path()).unwrap();
    let lines = describe(dir.path(), Detail::NoTimes);
    let lines: Vec<String> = lines.iter().map(|(path, line)| format!("{path}: {line}")).collect();
    assert_eq!(
        lines,
        [
            ": 755 0:0 directory",
            "a: 755 0:0 directory opaque",
            "a/gone: gone",
            "a/new: 755 0:0 0 bytes \"\"",
            "b: 755 0:0 directory opaque",
            "c: 755 0:0 directory opaque",
            "d: 755 0:0 0 bytes \"\"",
            "f: 755 0:0 directory opaque",
            "f/inside: 755 0:0 0 bytes \"\"",
        ]
    );
    let again = tempfile::tempdir().unwrap();
    apply_layer(&archive(dir.path())[..], again.path()).unwrap();
    assert_eq!(describe(again.path(), Detail::Times), describe(dir.path(), Detail::Times));
}

#[test]
fn marks_that_name_nothing_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", ".wh.a/x", "x/.wh.", "x/.wh.a/b"] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o644);
        header.set_size(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        let dir = tempfile::tempdir().unwrap();
        let result = apply_layer(&header.as_bytes()[..], dir.path());
        assert!(result.is_err(), "{name} was accepted");
    }
}

#[test]
fn a_layer_of_the_first_step_is_its_tree() {
    if !is_root("a_layer_of_the_first_step_is_its_tree") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    write(dir.path(), "late", "written later than the build pretends");
    set_time(&dir.path().join("late"), EPOCH as i64 + 5);
    let made = normalise(dir.path(), None, None, EPOCH).unwrap().unwrap();
    let mut bytes = Vec::new();
    let written = write_tar(&[dir.path()], &mut bytes).unwrap();
    assert_eq!((made.diff_id, made.size), written);
    assert_eq!(made.entries, 18);
    assert_eq!(fs::metadata(dir.path().join("late")).unwrap().modified().unwrap(), epoch());
    let again = normalise(dir.path(), None, None, EPOCH).unwrap().unwrap();
    assert_eq!(again, made);
}

fn epoch() -> std::time::SystemTime {
    std::time::UNIX_EPOCH + std::time::Duration::from_secs(EPOCH)
}

#[test]
fn umoci_accepts_the_archive() {
    if !is_root("umoci_accepts_the_archive") || Command::new("umoci").arg("--version").output().is_err() {
        eprintln!("passed over: umoci is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let layer = dir.path().join("layer");
    fs::create_dir(&layer).unwrap();
    fill(&layer);
    let tar = dir.path().join("layer.tar");
    fs::write(&tar, archive(&layer)).unwrap();
    let image = dir.path().join("image");
    let umoci = |arguments: &[&str]| {
        let output = Command::new("umoci").args(arguments).output().unwrap();
        assert!(output.status.success(), "umoci {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let (image, tagged) = (image.to_str().unwrap().to_owned(), format!("{}:t", image.display()));
    umoci(&["init", "--layout", &image]);
    umoci(&["new", "--image", &tagged]);
    umoci(&["raw", "add-layer", "--image", &tagged, tar.to_str().unwrap()]);
    let out = dir.path().join("out");
    umoci(&["raw", "unpack", "--image", &tagged, out.to_str().unwrap()]);
    let unpacked = if out.join("rootfs").exists() { out.join("rootfs") } else { out };
    assert_eq!(describe(&unpacked, Detail::Times), describe(&layer, Detail::Times));
}
