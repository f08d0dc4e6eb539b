// SPDX-License-Identifier: Apache-2.0
//! Archives of other people: what is read from them, and what is refused.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use wythe_snapshot::{Archive, Attributes, Patterns, Unpack, UnpackError, Unpacked, archive_names, is_tar};

use crate::support::{Detail, EPOCH, Site, describe, is_root, link, mkdir, set_times, write};

const NONE: Attributes = Attributes { owner: None, mode: None, mode_edit: None, time: None };

/// A member to be put into an archive, hostile or not.
struct Part {
    name: Vec<u8>,
    kind: u8,
    target: Vec<u8>,
    text: Vec<u8>,
    mode: u32,
}

fn part(kind: u8, name: impl AsRef<[u8]>, target: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Part {
    let (name, target, text) = (name.as_ref().to_vec(), target.as_ref().to_vec(), text.as_ref().to_vec());
    Part { name, kind, target, text, mode: if kind == b'5' { 0o755 } else { 0o644 } }
}

fn file(name: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Part {
    part(b'0', name, "", text)
}

fn dir(name: impl AsRef<[u8]>) -> Part {
    part(b'5', name, "", "")
}

fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Part {
    part(b'2', name, target, "")
}

fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Part {
    part(b'1', name, target, "")
}

/// Returns the header of a member.
fn header(part: &Part) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    old.name[..part.name.len()].copy_from_slice(&part.name);
    old.linkname[..part.target.len()].copy_from_slice(&part.target);
    old.linkflag = [part.kind];
    header.set_mode(part.mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000);
    header.set_size(part.text.len() as u64);
    header.set_cksum();
    header
}

fn tar_of(parts: &[Part]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        append(&mut bytes, &header(part), &part.text);
    }
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

fn append(bytes: &mut Vec<u8>, header: &tar::Header, text: &[u8]) {
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(text);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
}

/// A tree to unpack into, with something outside that nobody may touch.
struct Yard {
    site: Site,
    outside: PathBuf,
    before: std::collections::BTreeMap<String, String>,
}

impl Yard {
    fn new() -> Self {
        let site = Site::new(&[&|root: &Path| {
            write(root, "etc/shadow", "shadow");
            mkdir(root, "usr/lib");
            link(root, "usr/lib", "lib");
            link(root, "../../..", "up");
            set_times(root, 1_000);
        }]);
        let outside = site.make_dir("outside");
        write(&outside, "canary", "untouched");
        link(&outside, "canary", "link");
        mkdir(&outside, "dir");
        set_times(&outside, 1);
        let before = describe(&outside, Detail::Times);
        Self { site, outside, before }
    }

    fn unpack(&self, bytes: &[u8], format: Archive, dest: &str) -> Result<Unpacked, UnpackError> {
        let path = self.site.dir.path().join("archive");
        fs::write(&path, bytes).unwrap();
        let mut editor = self.site.editor();
        let result = editor.unpack(&[Unpack::new(path, format, PathBuf::from(dest))], &NONE);
        assert_eq!(describe(&self.outside, Detail::Times), self.before, "something outside was touched");
        result
    }

    fn lines(&self) -> Vec<String> {
        let merged = describe(&self.site.merged().path(), Detail::NoTimes);
        merged.into_iter().map(|(path, line)| format!("{path}: {line}")).collect()
    }

    fn has(&self, line: &str) -> bool {
        self.lines().iter().any(|known| known == line)
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    let yard = Yard::new();
    for name in ["..", "../x", "a/../../x", "a/..", "/../x", "./../x"] {
        for archive in [vec![file(name, "x")], vec![dir(name)], vec![symlink(name, "x")], vec![hard_link(name, "lib")]]
        {
            let result = yard.unpack(&tar_of(&archive), Archive::Tar, "/");
            assert!(matches!(result, Err(UnpackError::Archive { .. })), "{name}: {result:?}");
        }
    }
    for target in ["../x", "/../etc/shadow", "a/../../x"] {
        let result = yard.unpack(&tar_of(&[hard_link("x", target)]), Archive::Tar, "/");
        assert!(matches!(result, Err(UnpackError::Member { .. })), "{target}: {result:?}");
    }
}

#[test]
fn links_of_an_archive_lead_nowhere_outside() {
    if !is_root("links_of_an_archive_lead_nowhere_outside") {
        return;
    }
    let outside = |yard: &Yard| yard.outside.to_str().unwrap().to_owned();
    // Each writes, or changes attributes, through a link that points out of the tree.
    type Make = fn(&str) -> Vec<Part>;
    let archives: [(&str, Make); 14] = [
        ("a file through an absolute link", |out| vec![symlink("x", out), file("x/canary", "hit")]),
        ("a file through a relative link", |_| vec![symlink("x", "../../../outside"), file("x/canary", "hit")]),
        ("a file through two hops", |_| {
            vec![symlink("go", ".."), symlink("go/x", "../outside"), file("x/canary", "hit")]
        }),
        ("a file through a link of the tree", |_| vec![file("up/outside/canary", "hit")]),
        ("a file in place of a link", |out| vec![symlink("x", format!("{out}/canary")), file("x", "hit")]),
        ("a directory in place of a link to a directory", |out| {
            vec![symlink("x", format!("{out}/dir")), Part { mode: 0o777, ..dir("x") }]
        }),
        ("a directory in place of a link to nothing", |out| {
            vec![symlink("x", format!("{out}/no")), dir("x"), file("x/y", "")]
        }),
        ("a hard link to an absolute path", |out| vec![hard_link("x", format!("{out}/canary")), file("x", "hit")]),
        ("a hard link through a link", |out| vec![symlink("x", out), hard_link("y", "x/canary"), file("y", "hit")]),
        ("a hard link to a link", |out| {
            vec![symlink("x", format!("{out}/canary")), hard_link("y", "x"), file("y", "hit")]
        }),
        ("a hard link with content", |out| vec![symlink("x", out), part(b'1', "y", "x/canary", "hit")]),
        ("a link through a link", |out| vec![symlink("x", out), symlink("x/link", "elsewhere")]),
        ("a pipe through a link", |out| vec![symlink("x", out), part(b'6', "x/canary", "", "")]),
        ("the same name again and again", |out| {
            vec![file("x", ""), symlink("x", out), dir("x"), symlink("x", out), file("x/canary", "hit")]
        }),
    ];
    for dest in ["/", "/new/place", "/lib", "/up"] {
        for (what, make) in archives {
            let yard = Yard::new();
            // Refused or contained: both are well.
            drop(yard.unpack(&tar_of(&make(&outside(&yard))), Archive::Tar, dest));
            assert_eq!(describe(&yard.outside, Detail::Times), yard.before, "{what} at {dest}");
            assert!(fs::read(yard.site.overlay.lowers[0].join("etc/shadow")).unwrap() == b"shadow");
        }
    }
}

#[test]
fn a_directory_that_meets_a_link_follows_it() {
    if !is_root("a_directory_that_meets_a_link_follows_it") {
        return;
    }
    let yard = Yard::new();
    let parts = [dir("./"), dir("./lib/"), dir("./lib/arch/"), file("./lib/arch/libx", "x"), file("lib/liby", "y")];
    yard.unpack(&tar_of(&parts), Archive::Tar, "/").unwrap();
    assert!(yard.has("lib: 777 0:0 -> usr/lib"));
    assert!(yard.has("usr/lib/arch/libx: 644 0:0 1 bytes \"x\""));
    assert!(yard.has("usr/lib/liby: 644 0:0 1 bytes \"y\""));
}

#[test]
fn members_replace_each_other_as_they_come() {
    if !is_root("members_replace_each_other_as_they_come") {
        return;
    }
    let yard = Yard::new();
    let parts = [
        file("a", "first"),
        file("a", "second"),
        dir("d"),
        file("d/x", ""),
        hard_link("d/same", "d/x"),
        file("d/x", "broken off"),
        symlink("s", "a"),
        file("s", "no link any more"),
        dir("e"),
        symlink("e", "d"),
    ];
    yard.unpack(&tar_of(&parts), Archive::Tar, "/o").unwrap();
    let lines: Vec<String> = yard.lines().into_iter().filter(|line| line.starts_with("o/")).collect();
    assert_eq!(
        lines,
        [
            "o/a: 644 0:0 6 bytes \"second\"",
            "o/d: 755 0:0 directory",
            "o/d/same: 644 0:0 0 bytes \"\"",
            "o/d/x: 644 0:0 10 bytes \"broken off\"",
            "o/e: 777 0:0 -> d",
            "o/s: 644 0:0 16 bytes \"no link any more\"",
        ]
    );
}

#[test]
fn a_directory_gives_way_to_what_is_none() {
    if !is_root("a_directory_gives_way_to_what_is_none") {
        return;
    }
    for (what, parts, expected) in [
        ("a file", vec![file("etc", "x")], "etc: 644 0:0 1 bytes \"x\""),
        ("a link", vec![symlink("etc", "usr")], "etc: 777 0:0 -> usr"),
        ("a pipe", vec![part(b'6', "etc", "", "")], "etc: 644 0:0 pipe"),
        ("a hard link", vec![file("x", "x"), hard_link("etc", "x")], "etc: 644 0:0 1 bytes \"x\""),
        (
            "what the archive brought itself",
            vec![file("d/x", ""), file("etc", "x"), file("d", "y")],
            "d: 644 0:0 1 bytes \"y\"",
        ),
    ] {
        let yard = Yard::new();
        yard.unpack(&tar_of(&parts), Archive::Tar, "/").unwrap();
        assert!(yard.has(expected), "{what}: {:#?}", yard.lines());
        assert!(!yard.lines().iter().any(|line| line.starts_with("etc/") || line.starts_with("d/")), "{what}");
    }
    let yard = Yard::new();
    for parts in [[file("d/x", "x"), hard_link("d", "d/x")], [file("e/x", "x"), hard_link("e", "e")]] {
        let result = yard.unpack(&tar_of(&parts), Archive::Tar, "/o");
        assert!(matches!(result, Err(UnpackError::Member { .. })), "{result:?}");
    }
    let Some(package) = package(yard.site.dir.path(), "none", &|tree| write(tree, "etc", "x")) else { return };
    let bytes = fs::read(package).unwrap();
    let result = yard.unpack(&bytes, Archive::DebData, "/");
    assert!(matches!(result, Err(UnpackError::Member { .. })), "a package takes no directory away: {result:?}");
}

#[test]
fn what_an_archive_brings_stays_in_its_destination() {
    if !is_root("what_an_archive_brings_stays_in_its_destination") {
        return;
    }
    for (what, parts, expected) in [
        ("a climb", vec![symlink("l", ".."), file("l/etc/shadow", "hit")], "sub/etc/shadow: 644 0:0 3 bytes \"hit\""),
        (
            "an absolute link",
            vec![symlink("l", "/etc"), file("l/shadow", "hit")],
            "sub/etc/shadow: 644 0:0 3 bytes \"hit\"",
        ),
        (
            "two hops",
            vec![dir("a"), symlink("a/l", "../.."), symlink("m", "a/l/.."), file("m/etc/shadow", "hit")],
            "sub/etc/shadow: 644 0:0 3 bytes \"hit\"",
        ),
        ("a link of the image", vec![file("out/shadow", "hit")], "sub/etc/shadow: 644 0:0 3 bytes \"hit\""),
        ("a directory", vec![symlink("l", ".."), Part { mode: 0o777, ..dir("l/etc") }], "sub/etc: 777 0:0 directory"),
        ("a link in a link", vec![symlink("l", ".."), symlink("l/etc", "x")], "sub/etc: 777 0:0 -> x"),
        ("a time", vec![dir("d"), symlink("d", "/etc"), file("x", "")], "sub/d: 777 0:0 -> /etc"),
        ("a time of another directory", vec![dir("d"), symlink("d", "../etc")], "sub/d: 777 0:0 -> ../etc"),
    ] {
        let site = Site::new(&[&|root: &Path| {
            write(root, "etc/shadow", "shadow");
            mkdir(root, "sub");
            link(root, "../etc", "sub/out");
            set_times(root, 7);
        }]);
        let path = site.dir.path().join("archive");
        fs::write(&path, tar_of(&parts)).unwrap();
        let before = describe(&site.overlay.lowers[0].join("etc"), Detail::Times);
        site.editor().unpack(&[Unpack::new(path, Archive::Tar, PathBuf::from("/sub/"))], &NONE).unwrap();
        let merged = site.merged();
        let lines = describe(&merged.path(), Detail::NoTimes);
        assert!(lines.iter().any(|(path, line)| format!("{path}: {line}") == expected), "{what}: {lines:#?}");
        assert_eq!(describe(&merged.path().join("etc"), Detail::Times), before, "{what}");
        let etc = fs::metadata(merged.path().join("etc")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mtime(&etc), 7, "{what}: its time");
        assert!(!site.upper().join("etc").exists(), "{what}: nothing of it is in the layer");
    }
    // A hard link names nothing outside either, and links on the way to the destination are those of the image.
    let yard = Yard::new();
    for target in ["etc/shadow", "l/etc/shadow"] {
        let result = yard.unpack(&tar_of(&[symlink("l", ".."), hard_link("x", target)]), Archive::Tar, "/sub");
        assert!(matches!(result, Err(UnpackError::Member { .. })), "{target}: {result:?}");
    }
    yard.unpack(&tar_of(&[symlink("l", "/"), file("l/x", "x")]), Archive::Tar, "/lib/y").unwrap();
    assert!(yard.has("usr/lib/y/x: 644 0:0 1 bytes \"x\""), "{:#?}", yard.lines());
    // What comes after goes where its own destination is.
    let archive = yard.site.dir.path().join("archive");
    fs::write(&archive, tar_of(&[file("z", "z")])).unwrap();
    let unpacks = ["/sub", "/etc"].map(|dest| Unpack {
        names_to: Some(PathBuf::from("/names")),
        ..Unpack::new(archive.clone(), Archive::Tar, PathBuf::from(dest))
    });
    yard.site.editor().unpack(&unpacks, &NONE).unwrap();
    for line in ["sub/z: 644 0:0 1 bytes \"z\"", "etc/z: 644 0:0 1 bytes \"z\"", "names: 644 0:0 3 bytes \"/z\\n\""] {
        assert!(yard.has(line), "{line}: {:#?}", yard.lines());
    }
}

#[test]
fn what_is_an_archive_is_told_by_its_first_header() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("archive");
    let tells = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        is_tar(&path)
    };
    for name in ["", ".", "./", "/", "a", "../a"] {
        assert!(tells(&tar_of(&[dir(name), file("x", "x")])), "{name:?}");
    }
    assert!(tells(&tar_of(&[file("", "x")])), "a file without a name");
    assert!(tells(&tar_of(&[part(b'Z', "x", "", ""), file("x", "x")])), "a kind that nobody knows");
    let mut cut = tar_of(&[file("x", "x")]);
    cut[3] = b'y';
    for (what, bytes) in [("nothing", &[][..]), ("a text", b"text"), ("zeros", &[0; 2048]), ("a wrong sum", &cut)] {
        assert!(!tells(bytes), "{what}");
    }
}

#[test]
fn a_member_without_a_name_is_the_root() {
    if !is_root("a_member_without_a_name_is_the_root") {
        return;
    }
    let yard = Yard::new();
    let parts = [Part { mode: 0o700, ..dir("") }, file("x", "x")];
    yard.unpack(&tar_of(&parts), Archive::Tar, "/o").unwrap();
    assert!(yard.has("o: 700 0:0 directory") && yard.has("o/x: 644 0:0 1 bytes \"x\""), "{:#?}", yard.lines());
    assert_eq!(archive_names(&yard.site.dir.path().join("archive"), Archive::Tar).unwrap(), ["/.", "/x"]);
    let result = yard.unpack(&tar_of(&[file("", "x")]), Archive::Tar, "/o");
    assert!(matches!(result, Err(UnpackError::Member { .. })), "{result:?}");
}

#[test]
fn devices_are_left_out_and_said() {
    if !is_root("devices_are_left_out_and_said") {
        return;
    }
    let yard = Yard::new();
    let parts =
        [dir("dev"), part(b'3', "dev/null", "", ""), part(b'4', "dev/sda", "", ""), part(b'6', "dev/pipe", "", "")];
    let unpacked = yard.unpack(&tar_of(&parts), Archive::Tar, "/").unwrap();
    let left_out: Vec<_> = unpacked.left_out.iter().map(|left| left.path.to_str().unwrap()).collect();
    assert_eq!((unpacked.members, left_out), (4, vec!["dev/null", "dev/sda"]));
    assert!(yard.has("dev/pipe: 644 0:0 pipe"));
}

#[test]
fn owners_modes_times_and_attributes_are_those_of_the_archive() {
    if !is_root("owners_modes_times_and_attributes_are_those_of_the_archive") {
        return;
    }
    let yard = Yard::new();
    let mut bytes = Vec::new();
    let mut pax = Vec::new();
    for (key, value) in [
        ("SCHILY.xattr.user.note", "hey"),
        ("SCHILY.xattr.user.overlay.opaque", "y"),
        ("SCHILY.xattr.trusted.overlay.redirect", "/etc"),
        ("uid", "60000"),
        ("mtime", "1234.9"),
        ("path", "renamed"),
    ] {
        for length in 0..200 {
            let line = format!("{length} {key}={value}\n");
            if line.len() == length {
                pax.extend_from_slice(line.as_bytes());
            }
        }
    }
    append(&mut bytes, &header(&part(b'x', "x", "", &pax)), &pax);
    append(&mut bytes, &header(&Part { mode: 0o6755, ..file("ignored", "text") }), b"text");
    let mut late = header(&file("late", ""));
    late.set_mtime(EPOCH + 5);
    late.set_cksum();
    append(&mut bytes, &late, b"");
    yard.unpack(&bytes, Archive::Tar, "/").unwrap();
    let lines = describe(yard.site.upper(), Detail::Times);
    assert_eq!(lines["renamed"], "6755 60000:0 4 bytes \"text\" @1234.0");
    assert_eq!(lines["late"], format!("644 0:0 0 bytes \"\" @{EPOCH}.0"));
    let mut list = [0; 256];
    let length = rustix::fs::listxattr(yard.site.upper().join("renamed"), &mut list).unwrap();
    assert_eq!(String::from_utf8_lossy(&list[..length]), "user.note\0");
}

#[test]
fn broken_archives_are_refused() {
    let yard = Yard::new();
    let whole = tar_of(&[file("a", "x".repeat(2_000)), file("b", "y")]);
    let mut checksum = whole.clone();
    checksum[0] ^= 1;
    let number = |at: usize, text: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + text.len()].copy_from_slice(text);
        let mut fixed = tar::Header::from_byte_slice(&bytes[..512]).clone();
        fixed.set_cksum();
        bytes[..512].copy_from_slice(fixed.as_bytes());
        bytes
    };
    let special = |kind: u8, text: &[u8]| {
        let mut bytes = Vec::new();
        append(&mut bytes, &header(&part(kind, "x", "", text)), text);
        bytes.extend_from_slice(&whole);
        bytes
    };
    let mut endless = header(&part(b'L', "x", "", ""));
    endless.set_size(1 << 30);
    endless.set_cksum();
    for (what, bytes) in [
        ("a cut in the content", whole[..1_000].to_vec()),
        ("a cut in a header", whole[..700].to_vec()),
        ("a wrong checksum", checksum),
        ("a size that is no number", number(124, b"zzzzzzzzzzz\0")),
        ("a negative size", number(124, &[0xff; 12])),
        ("a size beyond all sizes", number(124, b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("a user id of 2^31", number(108, b"\x80\0\0\0\x80\0\0\0")),
        ("a user id of 2^32", number(108, b"\x80\0\0\x01\0\0\0\0")),
        ("a negative group id", number(116, b"\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("an unknown kind", special(b'Z', b"")),
        ("a sparse file", special(b'S', b"")),
        ("a record without end", special(b'x', b"30 path=abc\n")),
        ("a record that is none", special(b'x', b"hello world\n")),
        ("a user id in a record of 2^32", special(b'x', b"18 uid=4294967296\n")),
        ("a sparse file in records", special(b'x', b"22 GNU.sparse.major=1\n")),
        ("a size for all that follow", special(b'g', b"9 size=5\n")),
        ("a long name of a gigabyte", endless.as_bytes().to_vec()),
    ] {
        let result = yard.unpack(&bytes, Archive::Tar, "/");
        assert!(matches!(result, Err(UnpackError::Archive { .. } | UnpackError::Member { .. })), "{what}: {result:?}");
        let result = archive_names(&yard.site.dir.path().join("archive"), Archive::Tar);
        assert!(result.is_err(), "{what}: {result:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_archive_leads_outside_or_breaks_us(
        kinds in proptest::collection::vec((0..7_usize, 0..7_usize, 0..7_usize), 1..12),
        changed in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let yard = Yard::new();
        let outside = yard.outside.to_str().unwrap().to_owned();
        let names = ["a", "a/b", "a/b/c", "lib/x", ".wh.a", "a/.wh..wh..opq", "up/outside/canary"];
        let targets = ["a", "b", "..", "../../outside", "/", "a/b", &outside];
        let parts: Vec<Part> = kinds
            .iter()
            .map(|(kind, name, target)| part(b'0' + [0, 0, 1, 2, 2, 5, 6][*kind], names[*name], targets[*target], ""))
            .collect();
        let mut bytes = tar_of(&parts);
        for (at, byte) in changed {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            // With its checksum right again, the change is looked at.
            let block = at / 512 * 512;
            let mut fixed = tar::Header::from_byte_slice(&bytes[block..block + 512]).clone();
            fixed.set_cksum();
            bytes[block..block + 512].copy_from_slice(fixed.as_bytes());
        }
        // Whether they succeed is not the question.
        drop(yard.unpack(&bytes, Archive::Tar, "/"));
        drop(yard.unpack(&bytes, Archive::DebData, "/"));
        drop(yard.unpack(&bytes, Archive::Zip, "/"));
        drop(wythe_snapshot::apply_layer(&bytes[..], &yard.site.make_dir("layer")));
        prop_assert_eq!(describe(&yard.outside, Detail::Times), yard.before);
    }
}

#[test]
fn every_compression_is_read_and_none_is_trusted() {
    if !is_root("every_compression_is_read_and_none_is_trusted") {
        return;
    }
    let plain = tar_of(&[file("a", "x".repeat(300_000)), file("b", "y")]);
    let compress = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        write(&mut bytes);
        bytes
    };
    let packed: [(&str, Vec<u8>); 5] = [
        ("plain", plain.clone()),
        (
            "gzip",
            compress(&|to| {
                let mut writer = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
                writer.write_all(&plain).unwrap();
                writer.finish().unwrap();
            }),
        ),
        (
            "xz",
            compress(&|to| {
                let mut writer = liblzma::write::XzEncoder::new(to, 1);
                writer.write_all(&plain).unwrap();
                writer.finish().unwrap();
            }),
        ),
        ("zstd", compress(&|to| zstd::stream::copy_encode(&plain[..], to, 1).unwrap())),
        (
            "bzip2",
            compress(&|to| {
                let mut writer = bzip2::write::BzEncoder::new(to, bzip2::Compression::fast());
                writer.write_all(&plain).unwrap();
                writer.finish().unwrap();
            }),
        ),
    ];
    for (what, bytes) in &packed {
        let yard = Yard::new();
        assert_eq!(yard.unpack(bytes, Archive::Tar, "/").unwrap().members, 2, "{what}");
        assert!(yard.has("b: 644 0:0 1 bytes \"y\""), "{what}");
        if *what == "plain" {
            continue;
        }
        // Cut short, or with one bit the other way: an error, or in the worst case the very same tree.
        let result = yard.unpack(&bytes[..bytes.len() - 10], Archive::Tar, "/");
        assert!(matches!(result, Err(UnpackError::Archive { .. })), "{what} cut short: {result:?}");
        let path = yard.site.dir.path().join("mutated");
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
            let mut mutated = bytes.clone();
            mutated[at] ^= 0x10;
            fs::write(&path, &mutated).unwrap();
            if let Ok(names) = archive_names(&path, Archive::Tar) {
                assert!(names.is_empty() || names == ["/a", "/b"], "{what} with byte {at} changed: {names:?}");
            }
        }
    }
}

#[test]
fn names_are_listed_as_a_package_database_wants_them() {
    if !is_root("names_are_listed_as_a_package_database_wants_them") {
        return;
    }
    let yard = Yard::new();
    let parts = [dir("./"), dir("./usr/"), file("./usr/b", ""), symlink("./usr/a", "b"), file("./größe", "")];
    let path = yard.site.dir.path().join("named");
    fs::write(&path, tar_of(&parts)).unwrap();
    let names = ["/.", "/usr", "/usr/b", "/usr/a", "/größe"];
    assert_eq!(archive_names(&path, Archive::Tar).unwrap(), names);
    let mut editor = yard.site.editor();
    let unpack = Unpack {
        names_to: Some(PathBuf::from("/var/list")),
        exclude: Patterns::new(&["usr/a"]).unwrap(),
        ..Unpack::new(path.clone(), Archive::Tar, PathBuf::from("/"))
    };
    editor.unpack(&[unpack], &NONE).unwrap();
    assert_eq!(fs::read_to_string(yard.site.upper().join("var/list")).unwrap(), names.join("\n") + "\n");
    assert!(!yard.site.upper().join("usr/a").exists());
    fs::write(&path, tar_of(&[file("two\nlines", "")])).unwrap();
    assert!(archive_names(&path, Archive::Tar).is_err());
}

/// Builds a package with the machine's own tool; none where there is none.
fn package(dir: &Path, compression: &str, fill: &dyn Fn(&Path)) -> Option<PathBuf> {
    let tree = dir.join(format!("tree-{compression}"));
    mkdir(&tree, "DEBIAN");
    write(&tree, "DEBIAN/control", "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n");
    write(&tree, "DEBIAN/md5sums", "");
    fill(&tree);
    let path = dir.join(format!("{compression}.deb"));
    let output =
        Command::new("dpkg-deb").args(["--root-owner-group", "-Z", compression, "-b"]).args([&tree, &path]).output();
    let Ok(output) = output else {
        eprintln!("passed over: dpkg-deb is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(path)
}

#[test]
fn packages_are_unpacked_in_order_and_leave_what_is_there() {
    if !is_root("packages_are_unpacked_in_order_and_leave_what_is_there") {
        return;
    }
    let yard = Yard::new();
    let dir = yard.site.dir.path();
    let mut unpacks = Vec::new();
    for (number, compression) in ["gzip", "xz", "none", "xz"].iter().enumerate() {
        let inner = dir.join(number.to_string());
        let fill = |tree: &Path| {
            write(tree, "usr/share/shared", format!("{number}"));
            write(tree, &format!("usr/share/own-{number}"), "x".repeat(1 << 20));
            mkdir(tree, "lib");
            fs::set_permissions(tree.join("usr"), std::os::unix::fs::PermissionsExt::from_mode(0o700 + number as u32))
                .unwrap();
        };
        let Some(path) = package(&inner, compression, &fill) else { return };
        unpacks.push(Unpack::new(path.clone(), Archive::DebData, PathBuf::from("/")));
        let control = Unpack::new(path, Archive::DebControl, PathBuf::from(format!("/info/{number}")));
        unpacks.push(control);
    }
    yard.site.editor().unpack(&unpacks, &NONE).unwrap();
    assert!(yard.has("usr/share/shared: 644 0:0 1 bytes \"3\""));
    assert!(yard.has("lib: 777 0:0 -> usr/lib"));
    assert!(yard.has("usr: 755 0:0 directory"), "a directory that is there keeps its mode");
    for number in 0..4 {
        assert!(yard.lines().iter().any(|line| line.starts_with(&format!("usr/share/own-{number}: 644 0:0 1048576"))));
        assert!(yard.lines().iter().any(|line| line.starts_with(&format!("info/{number}/control: 644 0:0"))));
    }
}

#[test]
fn packages_that_are_none_are_refused() {
    let yard = Yard::new();
    let member = |name: &str, text: &[u8]| {
        let mut bytes = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, text.len()).into_bytes();
        bytes.extend_from_slice(text);
        if text.len() % 2 == 1 {
            bytes.push(b'\n');
        }
        bytes
    };
    let tar = tar_of(&[file("x", "x")]);
    let whole = |parts: &[Vec<u8>]| [&b"!<arch>\n"[..], &parts.concat()].concat();
    let (version, control, data) =
        (member("debian-binary", b"2.0\n"), member("control.tar", &tar), member("data.tar", &tar));
    let good = whole(&[version.clone(), member("_gpg", b"odd"), control.clone(), data.clone()]);
    let path = yard.site.dir.path().join("package");
    fs::write(&path, &good).unwrap();
    for format in [Archive::DebData, Archive::DebControl] {
        assert_eq!(archive_names(&path, format).unwrap(), ["/x"]);
    }
    let mut no_number = good.clone();
    no_number[8 + 48] = b'x';
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("another archive", tar.clone()),
        ("no version", whole(&[control.clone(), data.clone()])),
        ("a newer version", whole(&[member("debian-binary", b"3.0\n"), control.clone(), data.clone()])),
        ("data first", whole(&[version.clone(), data.clone(), control.clone()])),
        ("no data", whole(&[version.clone(), control.clone()])),
        ("a foreign member", whole(&[version.clone(), member("evil", b""), control.clone(), data.clone()])),
        ("an unknown compression", whole(&[version.clone(), control.clone(), member("data.tar.rar", &tar)])),
        ("a size that is no number", no_number),
        ("a cut", good[..good.len() - 1_200].to_vec()),
    ] {
        let result = yard.unpack(&bytes, Archive::DebData, "/");
        assert!(matches!(result, Err(UnpackError::Archive { .. })), "{what}: {result:?}");
    }
}

#[test]
fn zip_archives_are_unpacked_and_contained() {
    if !is_root("zip_archives_are_unpacked_and_contained") {
        return;
    }
    let zip_of = |entries: &[(&str, Option<u32>, &str)]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, mode, text) in entries {
            let mut options = zip::write::SimpleFileOptions::default()
                .last_modified_time(zip::DateTime::from_date_and_time(2001, 2, 3, 4, 5, 6).unwrap());
            if let Some(mode) = mode {
                options = options.unix_permissions(*mode);
            }
            if mode.is_some_and(|mode| mode & 0o170_000 == 0o120_000) {
                writer.add_symlink(*name, *text, options).unwrap();
            } else if name.ends_with('/') {
                writer.add_directory(*name, options).unwrap();
            } else {
                writer.start_file(*name, options).unwrap();
                writer.write_all(text.as_bytes()).unwrap();
            }
        }
        writer.finish().unwrap().into_inner()
    };
    let yard = Yard::new();
    let bytes = zip_of(&[
        ("d/", None, ""),
        ("d/run", Some(0o755), "#!"),
        ("d/link", Some(0o120_777), "run"),
        ("lib/x", None, "x"),
    ]);
    let unpacked = yard.unpack(&bytes, Archive::Zip, "/").unwrap();
    assert_eq!(unpacked.members, 4);
    let lines = describe(yard.site.upper(), Detail::Times);
    assert_eq!(lines["d/run"], "755 0:0 2 bytes \"#!\" @981173106.0");
    assert_eq!(lines["d/link"], "777 0:0 -> run @981173106.0");
    assert_eq!(lines["usr/lib/x"], "644 0:0 1 bytes \"x\" @981173106.0");
    assert_eq!(
        archive_names(&yard.site.dir.path().join("archive"), Archive::Zip).unwrap(),
        ["/d", "/d/run", "/d/link", "/lib/x"]
    );
    for name in ["../x", "/../x", "a/../../x"] {
        let result = yard.unpack(&zip_of(&[(name, None, "x")]), Archive::Zip, "/");
        assert!(matches!(result, Err(UnpackError::Archive { .. })), "{name}: {result:?}");
    }
    let out = yard.outside.to_str().unwrap();
    drop(yard.unpack(&zip_of(&[("x", Some(0o120_777), out), ("x/canary", None, "hit")]), Archive::Zip, "/"));
    let mut damaged = bytes.clone();
    let at = damaged.windows(2).position(|pair| pair == b"#!").unwrap_or(60);
    damaged[at] ^= 1;
    assert!(yard.unpack(&damaged, Archive::Zip, "/").is_err());
    assert!(yard.unpack(&bytes[..bytes.len() - 30], Archive::Zip, "/").is_err());
}
