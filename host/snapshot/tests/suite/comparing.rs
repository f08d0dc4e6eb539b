// SPDX-License-Identifier: Apache-2.0
//! What differs between two stacks of layers: a table of cases, and the law that looking at the layers finds what looking at
//! everything finds.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use proptest::prelude::*;
use wythe_image::Digest;
use wythe_snapshot::{Aspect, Comparison, Difference, Shape, Side, StackedLayer};
use wythe_sys::overlay::Overlay;

use crate::support::{Detail, Merged, describe, is_root, whiteout};

type Fill<'a> = &'a dyn Fn(&Path);

/// Makes a stack; a layer is named by its number, so that one number is one layer.
fn stack(dir: &Path, layers: &[(u32, Fill<'_>)]) -> Vec<StackedLayer> {
    let layer = |(number, fill): &(u32, Fill<'_>)| {
        let path = dir.join(number.to_string());
        if !path.exists() {
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            fill(&path);
        }
        StackedLayer { diff_id: Digest::of(&number.to_le_bytes()), dirs: vec![path] }
    };
    layers.iter().map(layer).collect()
}

fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn opaque(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let name = if wythe_sys::userns::is_initial() { "trusted.overlay.opaque" } else { "user.overlay.opaque" };
    rustix::fs::setxattr(dir, name, b"y", rustix::fs::XattrFlags::empty()).unwrap();
}

/// A line for each difference; times are not the point.
fn lines(differences: &[Difference]) -> Vec<String> {
    let line = |difference: &Difference| {
        let path = difference.path.display();
        let aspects: Vec<Aspect> =
            difference.aspects.iter().copied().filter(|aspect| *aspect != Aspect::Time).collect();
        match (&difference.before, &difference.after) {
            (Some(_), None) => Some(format!("- {path}")),
            (None, Some(_)) => Some(format!("+ {path}")),
            _ if aspects.is_empty() => None,
            _ => Some(format!("~ {path} {aspects:?}")),
        }
    };
    differences.iter().filter_map(line).collect()
}

#[test]
fn each_kind_of_difference_is_named() {
    if !is_root("each_kind_of_difference_is_named") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let base: Fill<'_> = &|dir| {
        for name in ["same", "content", "mode", "owner", "type", "xattr", "gone/a/b", "emptied/x", "link-to-file"] {
            put(dir, name, "1\n");
        }
        symlink("same", dir.join("link")).unwrap();
    };
    let edit: Fill<'_> = &|dir| {
        put(dir, "content", "2\n");
        put(dir, "same", "1\n");
        put(dir, "mode", "1\n");
        fs::set_permissions(dir.join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
        put(dir, "owner", "1\n");
        std::os::unix::fs::chown(dir.join("owner"), Some(7), Some(8)).unwrap();
        put(dir, "xattr", "1\n");
        rustix::fs::setxattr(dir.join("xattr"), "user.a", b"b", rustix::fs::XattrFlags::empty()).unwrap();
        put(dir, "type/inside", "1\n");
        symlink("content", dir.join("link")).unwrap();
        whiteout(&dir.join("gone"));
        opaque(&dir.join("emptied"));
        put(dir, "new/file", "12345");
    };
    let before = stack(dir.path(), &[(0, base)]);
    let after = stack(dir.path(), &[(0, base), (1, edit)]);
    let compared = Comparison::of(&before, &after).unwrap();
    assert_eq!(compared.shared, 1);
    let expected = [
        "~ content [Content]",
        "- emptied/x",
        "- gone",
        "- gone/a",
        "- gone/a/b",
        "~ link [Target]",
        "~ mode [Mode]",
        "+ new",
        "+ new/file",
        "~ owner [Owner]",
        "~ type [Type]",
        "+ type/inside",
        "~ xattr [Xattrs]",
    ];
    assert_eq!(lines(&compared.differences), expected);
    let file = compared.differences.iter().find(|found| found.path == Path::new("new/file")).unwrap();
    let seen = file.after.as_ref().unwrap();
    assert_eq!((seen.shape, seen.mode, seen.owner, seen.size), (Shape::File, 0o644, (0, 0), 5));
    assert_eq!(compared.read(Side::Before, Path::new("content"), 10).unwrap(), b"1\n");
    assert_eq!(compared.read(Side::After, Path::new("content"), 10).unwrap(), b"2\n");

    let back = Comparison::of(&after, &before).unwrap();
    assert_eq!(back.differences.len(), compared.differences.len());
    assert_eq!(Comparison::of(&after, &after).unwrap().differences, []);
    let from_nothing = Comparison::of(&[], &before).unwrap();
    assert_eq!((from_nothing.shared, from_nothing.differences.len()), (0, 14));
}

#[test]
fn what_one_layer_gives_to_both_is_not_read() {
    if !is_root("what_one_layer_gives_to_both_is_not_read") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let common: Fill<'_> = &|dir| put(dir, "lib/large", "the same");
    let between: Fill<'_> = &|dir| put(dir, "lib/own", "other");
    let before = stack(dir.path(), &[(0, common)]);
    let mut after = stack(dir.path(), &[(1, between), (0, common)]);
    // A layer is its diff id: that this copy says something else is not seen, because nobody looks.
    let forged = dir.path().join("forged");
    put(&forged, "lib/large", "not same");
    after[1].dirs = vec![forged];
    assert_eq!(lines(&Comparison::of(&before, &after).unwrap().differences), ["+ lib/own"]);
}

/// One thing that a layer says.
#[derive(Debug, Clone)]
enum Word {
    File(String, u8),
    Directory(String),
    Gone(String),
    Opaque(String),
}

fn word() -> impl Strategy<Value = Word> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"));
    (path, 0..6_u8).prop_map(|(path, what)| match what {
        0..3 => Word::File(path, what),
        3 => Word::Directory(path),
        4 => Word::Gone(path),
        _ => Word::Opaque(path),
    })
}

/// Says it, where what the layer has said before lets it.
fn say(dir: &Path, word: &Word) {
    match word {
        Word::File(path, what) => {
            let path = dir.join(path);
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.is_dir() {
                drop(fs::write(&path, [b'0' + what]));
            }
        }
        Word::Directory(path) => drop(fs::create_dir_all(dir.join(path))),
        Word::Gone(path) => {
            let path = dir.join(path);
            if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::symlink_metadata(&path).is_err() {
                whiteout(&path);
            }
        }
        Word::Opaque(path) => {
            if fs::create_dir_all(dir.join(path)).is_ok() {
                opaque(&dir.join(path));
            }
        }
    }
}

fn merged(layers: &[StackedLayer]) -> BTreeMap<String, String> {
    let lowers = layers.iter().flat_map(|layer| layer.dirs.clone()).collect();
    let merged = Merged::of(&Overlay { lowers, upper: None, work: None });
    describe(&merged.path(), Detail::NoTimes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn looking_at_layers_finds_what_looking_at_everything_finds(
        words in prop::collection::vec(prop::collection::vec(word(), 1..6), 6),
        order in prop::sample::select(vec![[0_u32, 1, 2, 3], [0, 2, 1, 4], [1, 2, 3, 4], [4, 0, 1, 5], [0, 1, 2, 5]]),
    ) {
        if !is_root("looking_at_layers_finds_what_looking_at_everything_finds") {
            return Ok(());
        }
        let dir = tempfile::tempdir().unwrap();
        let fills: Vec<_> = words
            .iter()
            .map(|words| move |dir: &Path| words.iter().for_each(|word| say(dir, word)))
            .collect();
        let of = |order: &[u32]| -> Vec<StackedLayer> {
            let layers: Vec<(u32, Fill<'_>)> =
                order.iter().map(|&number| (number, &fills[number as usize] as Fill<'_>)).collect();
            stack(dir.path(), &layers)
        };
        let (before, after) = (of(&[0, 1, 2, 3]), of(&order));
        let (one, other) = (merged(&before), merged(&after));
        let names = one.keys().chain(other.keys()).collect::<std::collections::BTreeSet<_>>();
        let expected: Vec<&String> = names.into_iter().filter(|name| one.get(*name) != other.get(*name)).collect();
        let found = Comparison::of(&before, &after).unwrap();
        let mut found: Vec<String> = found
            .differences
            .iter()
            .filter(|difference| difference.aspects != [Aspect::Time])
            .map(|difference| difference.path.display().to_string())
            .collect();
        found.sort();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }
}
