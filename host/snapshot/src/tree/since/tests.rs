// SPDX-License-Identifier: Apache-2.0

use wythe_image::Digest;

use crate::tree::{Coverage, Leaf, LeafKind, Selection, Stamp};

fn leaf(at: &str, kind: LeafKind, mode: u32) -> Leaf {
    let stamp = Stamp { device: 0, inode: 0, size: 3, modified: 0, changed: 0 };
    Leaf { path: at.into(), at: at.into(), kind, mode, owner: (0, 0), stamp }
}

fn file(at: &str, content: &str) -> Leaf {
    leaf(at, LeafKind::File(Some(Digest::of(content.as_bytes()))), 0o644)
}

fn link(at: &str, target: &str) -> Leaf {
    leaf(at, LeafKind::Symlink(target.as_bytes().to_vec()), 0o777)
}

fn directory(at: &str) -> Leaf {
    leaf(at, LeafKind::Directory, 0o755)
}

fn of(leaves: Vec<Leaf>) -> Selection {
    Selection { leaves, is_single: false, left_out: Vec::new() }
}

fn before() -> Selection {
    of(vec![directory(""), directory("a"), file("a/b", "1"), link("a/c", "b"), directory("a.d"), file("a.d/e", "1")])
}

fn list() -> Vec<u8> {
    before().list(Coverage::Content).unwrap()
}

/// Places of what is otherwise.
fn since(leaves: Vec<Leaf>) -> Option<Vec<String>> {
    let since = of(leaves).since(&list())?;
    Some(since.leaves.iter().map(|leaf| leaf.at.to_str().unwrap().to_owned()).collect())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_list_is_what_the_digest_is_of() {
    assert_eq!(Digest::of(&list()), before().digest(Coverage::Content).unwrap());
}

#[test]
fn what_came_or_is_otherwise_is_named() {
    assert_eq!(since(before().leaves), Some(texts(&[])));
    let mut leaves = before().leaves;
    leaves[2] = file("a/b", "2");
    leaves[4].mode = 0o700;
    leaves.push(file("b", "1"));
    leaves.insert(4, file("a/d", "1"));
    assert_eq!(since(leaves), Some(texts(&["a/b", "a/d", "a.d", "b"])));
    let mut leaves = before().leaves;
    leaves[3] = link("a/c", "d");
    assert_eq!(since(leaves), Some(texts(&["a/c"])));
}

#[test]
fn what_went_or_is_of_another_type_is_not_said() {
    for gone in 0..before().leaves.len() {
        let mut leaves = before().leaves;
        leaves.remove(gone);
        assert_eq!(since(leaves), None, "without {gone}");
    }
    let mut leaves = before().leaves;
    leaves[2] = directory("a/b");
    assert_eq!(since(leaves), None, "a directory in the place of a file");
    let mut leaves = before().leaves;
    leaves.truncate(4);
    leaves.push(file("a.d", "1"));
    assert_eq!(since(leaves), None, "a file in the place of a directory");
}

#[test]
fn a_list_that_is_none_says_nothing() {
    let list = list();
    assert_eq!(before().since(&[]), None);
    assert_eq!(before().since(&list[..list.len() - 1]), None);
    assert_eq!(before().since(&[&list[..], &[0; 8], b"x", &[0; 4]].concat()), None);
    let endless = [&list[..], &u64::MAX.to_le_bytes()].concat();
    assert_eq!(before().since(&endless), None);
    let single = Selection { is_single: true, ..before() };
    assert_eq!(single.since(&single.list(Coverage::Content).unwrap()), None);
    assert_eq!(before().since(&before().list(Coverage::Owners).unwrap()), None);
}
