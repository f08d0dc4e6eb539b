// SPDX-License-Identifier: Apache-2.0
//! Layers in two parts: the same bytes, and the same tree, as in one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wythe_snapshot::{
    Attributes, Choice, Coverage, Marks, Normalised, Selection, layer_digest, layer_digest_from, normalise, select,
    write_tar,
};
use wythe_sys::overlay::Overlay;
use wythe_sys::root::Root;

use crate::support::{Detail, EPOCH, Merged, Site, chmod, describe, is_root, link, mkdir, set_times, whiteout, write};

/// A build context: contents by path, where a content is a byte and how often it comes; and the mode of a directory.
type Context = (BTreeMap<&'static str, (u8, usize)>, u32);

/// Long enough for marks.
const LONG: usize = 1_300_000;

fn lay_out(root: &Path, (files, mode): &Context) {
    for (path, (byte, count)) in files {
        match *byte {
            b'@' => {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                link(root, &"x".repeat(count + 1), path);
            }
            byte => write(root, path, String::from_utf8(vec![byte; *count]).unwrap()),
        }
    }
    mkdir(root, "src.d/empty");
    set_modes(root);
    chmod(root, "src.d", *mode);
}

/// A umask must not be seen.
fn set_modes(root: &Path) {
    for (path, line) in describe(root, Detail::NoTimes) {
        if !line.contains(" -> ") {
            chmod(root, &path, if line.ends_with(" directory") { 0o755 } else { 0o644 });
        }
    }
}

fn base(root: &Path) {
    for path in ["etc/conf", "app/old", "app/src/old", "usr/bin/one"] {
        write(root, path, path);
    }
    mkdir(root, "real");
    link(root, "/real", "way");
    set_modes(root);
    set_times(root, 1_000_000_000);
}

/// Something else that a layer may come to lie on.
fn other_base(root: &Path) {
    for path in ["app/src/deep/other", "app/z", "app/c.txt/inside"] {
        write(root, path, path);
    }
    set_modes(root);
    set_times(root, 1_000_000_000);
}

fn chosen(context: &Path) -> (Root, Selection) {
    let root = Root::open(context).unwrap();
    let choice = Choice { patterns: vec![".".to_owned()], ..Choice::default() };
    let mut selection = select(&root, &choice).unwrap();
    selection.read_contents(&root).unwrap();
    (root, selection)
}

fn copied(site: &Site, root: &Root, selection: &Selection, dest: &str) -> Option<Normalised> {
    let mut editor = site.editor();
    editor.copy(root, selection, Path::new(dest), &Attributes::default()).unwrap();
    drop(editor);
    normalise(site.upper(), site.below().as_ref(), None, EPOCH).unwrap()
}

fn contexts() -> impl Strategy<Value = (Context, Context)> {
    let paths = ["a.txt", "c.txt", "src/b", "src/deep/c", "src/deep/d", "src.d/e", "z", "zz/y"];
    let content = prop_oneof![
        4 => (prop_oneof![Just(b'1'), Just(b'2')], prop_oneof![Just(0usize), Just(9), Just(LONG)]),
        1 => (Just(b'@'), 0usize..3),
    ];
    let one = || {
        let content = content.clone();
        proptest::collection::btree_map(proptest::sample::select(paths.to_vec()), content, 0..8)
    };
    // What is in the first stays in the second, so that most pairs can be told by what came or is otherwise.
    let mode = || prop_oneof![3 => Just(0o755), 1 => Just(0o700)];
    (one(), one(), mode(), mode()).prop_map(|(old, edits, old_mode, new_mode)| {
        let mut new = old.clone();
        new.extend(edits);
        ((old, old_mode), (new, new_mode))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_in_two_parts_is_the_layer_in_one(
        (old, new) in contexts(),
        dest in prop_oneof![Just("/app/"), Just("/srv/new"), Just("/"), Just("/way")],
    ) {
        if !is_root("a_layer_in_two_parts_is_the_layer_in_one") {
            return Ok(());
        }
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        lay_out(first.path(), &old);
        lay_out(second.path(), &new);
        let lower = Site::new(&[&base]);
        let (root, selection) = chosen(first.path());
        let list = selection.list(Coverage::Content).unwrap();
        let made = copied(&lower, &root, &selection, dest);
        let (root, selection) = chosen(second.path());
        let whole_site = Site::new(&[&base]);
        let whole = copied(&whole_site, &root, &selection, dest);
        let (Some(made), Some(whole), Some(since)) = (made, whole, selection.since(&list)) else { return Ok(()) };

        // The same again on top of what the first context made.
        let mut upper = Site::new(&[&base]);
        upper.overlay.lowers.push(lower.upper().to_owned());
        let part = copied(&upper, &root, &since, dest);
        prop_assert_eq!(part.is_some(), !since.leaves.is_empty());
        if part.is_none() {
            prop_assert_eq!(whole, made);
            return Ok(());
        }
        let parts = [lower.upper().to_owned(), upper.upper().to_owned()];
        let expected = (whole.diff_id, whole.size);
        prop_assert_eq!(layer_digest(&parts).unwrap(), expected);
        prop_assert_eq!(layer_digest_from(&parts, &made.marks).unwrap(), expected);
        prop_assert_eq!(layer_digest_from(&parts, &Marks::parse(&made.marks.to_text()).unwrap()).unwrap(), expected);
        let mut bytes = Vec::new();
        prop_assert_eq!(write_tar(&parts, &mut bytes).unwrap(), expected);
        let mut whole_bytes = Vec::new();
        write_tar(&[whole_site.upper()], &mut whole_bytes).unwrap();
        prop_assert!(bytes == whole_bytes);
        // Whatever it lies on, it shows the same.
        let other = Site::new(&[&other_base]);
        for below in [&lower.overlay.lowers, &other.overlay.lowers, &Vec::new()] {
            let seen = |parts: &[PathBuf]| {
                let lowers = below.iter().chain(parts).cloned().collect();
                describe(&Merged::of(&Overlay { lowers, upper: None, work: None }).path(), Detail::Times)
            };
            prop_assert_eq!(seen(&parts), seen(&[whole_site.upper().to_owned()]));
        }
    }
}

#[test]
fn marks_spare_reading_what_comes_before_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let lower = dir.path().join("lower");
    write(&lower, "a", "a".repeat(2 * LONG));
    write(&lower, "b", "b");
    let made = normalise(&lower, None, None, EPOCH).unwrap().unwrap();
    let upper = dir.path().join("upper");
    write(&upper, "b", "c");
    normalise(&upper, None, None, EPOCH).unwrap();
    let expected = layer_digest(&[&lower, &upper]).unwrap();
    // Bytes that were not read cannot be told from what they were.
    fs::write(lower.join("a"), "A".repeat(LONG) + &"a".repeat(LONG)).unwrap();
    assert_ne!(layer_digest(&[&lower, &upper]).unwrap(), expected);
    assert_eq!(layer_digest_from(&[&lower, &upper], &made.marks).unwrap(), expected);
}

#[test]
fn a_directory_that_looks_otherwise_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let lower = dir.path().join("lower");
    write(&lower, "dir/long", "a".repeat(2 * LONG));
    write(&lower, "z", "1");
    let made = normalise(&lower, None, None, EPOCH).unwrap().unwrap();
    let upper = dir.path().join("upper");
    mkdir(&upper, "dir");
    chmod(&upper, "dir", 0o700);
    write(&upper, "z", "2");
    normalise(&upper, None, None, EPOCH).unwrap();
    let parts = [lower, upper];
    assert_eq!(layer_digest_from(&parts, &made.marks).unwrap(), layer_digest(&parts).unwrap());
}

#[test]
fn a_part_that_hides_names_of_another_one_is_refused() {
    type Fill<'a> = (&'a str, &'a dyn Fn(&Path));
    let gone = |root: &Path| {
        mkdir(root, "dir");
        whiteout(&root.join("dir/file"));
    };
    let cases: [Fill<'_>; 3] = [
        ("a whiteout", &gone),
        ("a file over a directory", &|root| write(root, "dir", "file")),
        ("a directory over a file", &|root| write(root, "dir/file/inside", "")),
    ];
    for (name, fill) in cases {
        let site = Site::new(&[&|root: &Path| write(root, "dir/file", "1"), &fill]);
        let error = layer_digest(&site.overlay.lowers).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "hides more than an entry of its own name and type", "{name}");
    }
}
