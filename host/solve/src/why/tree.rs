// SPDX-License-Identifier: Apache-2.0
//! Lists of the files of an input: a tree digest says that something differs, the list says what.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use wythe_snapshot::{Leaf, LeafKind, Selection};
use wythe_sys::fault::is_of_machine;
use wythe_sys::root::Root;

use super::{FileChange, lines};

/// Longest text that is kept of one file, and of all files of a list together.
pub(super) const LONGEST_TEXT: u64 = 64 << 10;
const LONGEST_TEXTS: u64 = 1 << 20;

/// Most that is read to find out what is a text, where each file counts for a block at least: a list of thousands of files
/// that are none should not cost what reading them costs.
const MOST_READ: u64 = 4 << 20;
const BLOCK: u64 = 512;

/// Digits of a digest that are kept: they tell two versions of a file apart, and are no proof of anything.
const DIGITS: usize = 16;

/// What is at a path of a list: type (`d`, `f`, `l`), permission bits, length, what the content is (digits of its digest, or
/// what the link says), and the text of a small file, as far as there is room.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry<Text>(char, u32, u64, Text, Option<String>);

/// Returns the list of what was chosen, as lines of JSON in the order of the paths in the build context. Only small texts are
/// read, and none is hashed again.
///
/// A text that is not there any more is left out; where the machine cannot read one, the list would be another one for
/// ever, so that this is an error.
pub(crate) fn manifest(root: &Root, chosen: &Selection) -> io::Result<Vec<u8>> {
    let mut list = List::default();
    let (mut room, mut unread) = (LONGEST_TEXTS, MOST_READ);
    for leaf in &chosen.leaves {
        let path = leaf.path.to_string_lossy();
        match &leaf.kind {
            LeafKind::Directory => list.add(path, &Entry('d', leaf.mode, 0, "", None)),
            LeafKind::Symlink(target) => {
                list.add(path, &Entry('l', 0o777, 0, &String::from_utf8_lossy(target), None));
            }
            LeafKind::File(digest) => {
                let size = leaf.stamp.size;
                let mut kept = None;
                if size <= room.min(LONGEST_TEXT) && size.max(BLOCK) <= unread {
                    unread -= size.max(BLOCK);
                    kept = text(root, leaf)?;
                    room -= kept.as_ref().map_or(0, |_| size);
                }
                let hex = digest.map_or_else(String::new, |digest| digest.hex());
                let digits = hex.get(..DIGITS).unwrap_or_default();
                list.add(path, &Entry('f', leaf.mode, size, digits, kept));
            }
        }
    }
    Ok(list.in_order())
}

/// Lines as they are written, with the path of each.
#[derive(Default)]
struct List<'a> {
    text: Vec<u8>,
    lines: Vec<(Cow<'a, str>, Range<usize>)>,
}

impl<'a> List<'a> {
    fn add(&mut self, path: Cow<'a, str>, entry: &Entry<&str>) {
        let begin = self.text.len();
        serde_json::to_writer(&mut self.text, &(&path, entry)).expect("texts and numbers are JSON");
        self.text.push(b'\n');
        self.lines.push((path, begin..self.text.len()));
    }

    /// Returns the text with the lines in the order of their paths. A file may be chosen for several places.
    fn in_order(mut self) -> Vec<u8> {
        let is_before = |(one, _): &(Cow<'_, str>, _), (next, _): &(Cow<'_, str>, _)| one < next;
        if self.lines.is_sorted_by(is_before) {
            return self.text;
        }
        self.lines.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.lines.dedup_by(|(next, _), (path, _)| next == path);
        self.lines.into_iter().flat_map(|(_, line)| &self.text[line]).copied().collect()
    }
}

fn text(root: &Root, leaf: &Leaf) -> io::Result<Option<String>> {
    match root.read_bounded(&leaf.path, leaf.stamp.size) {
        Ok(bytes) => Ok(text_of(bytes)),
        Err(error) if is_of_machine(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Returns bytes as a text, where they are one.
pub(super) fn text_of(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Returns what differs between two lists, by path; none where one of them is no list. A directory that came or went with
/// files in it is not named beside them.
pub(super) fn changes(old: &[u8], new: &[u8]) -> Option<Vec<(String, FileChange)>> {
    // Of long lists few lines differ: the same ones at both ends are not even taken apart.
    let same = same_lines(lines_of(old).zip(lines_of(new)));
    let (old, new) = (&old[same..], &new[same..]);
    let same = same_lines(lines_of(old).rev().zip(lines_of(new).rev()));
    let (old, new) = (parse(&old[..old.len() - same])?, parse(&new[..new.len() - same])?);
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut found: Vec<(String, FileChange)> = paths
        .into_iter()
        .flat_map(|path| change(old.get(path), new.get(path)).into_iter().map(|what| (path.clone(), what)))
        .collect();
    let beginnings: BTreeSet<String> = found.iter().flat_map(|(path, _)| directories(path)).collect();
    found.retain(|(path, what)| {
        let is_directory = old.get(path).or(new.get(path)).is_some_and(|entry| entry.0 == 'd');
        let came_or_went = matches!(what, FileChange::Added | FileChange::Removed);
        !(is_directory && came_or_went && beginnings.contains(path))
    });
    Some(found)
}

fn lines_of(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split_inclusive(|byte| *byte == b'\n')
}

/// Returns how many bytes the lines have before the first that differ.
fn same_lines<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> usize {
    pairs.take_while(|(old, new)| old == new).map(|(line, _)| line.len()).sum()
}

fn parse(list: &[u8]) -> Option<BTreeMap<String, Entry<String>>> {
    serde_json::Deserializer::from_slice(list).into_iter().collect::<Result<_, _>>().ok()
}

/// Returns what became of one path, of which there is an entry on one side at least.
fn change(was: Option<&Entry<String>>, is: Option<&Entry<String>>) -> Vec<FileChange> {
    let (Some(was), Some(is)) = (was, is) else {
        return vec![if was.is_some() { FileChange::Removed } else { FileChange::Added }];
    };
    if was.0 != is.0 {
        return vec![FileChange::Type { old: kind(was.0), new: kind(is.0) }];
    }
    let mut found = Vec::new();
    if was.3 != is.3 {
        found.push(match (is.0, &was.4, &is.4) {
            ('l', ..) => FileChange::Target { old: was.3.clone(), new: is.3.clone() },
            (_, Some(old), Some(new)) if old != new => lines::change(old, new),
            _ => FileChange::Content { old: was.2, new: is.2 },
        });
    }
    if was.1 != is.1 {
        found.push(FileChange::Mode { old: format!("{:04o}", was.1), new: format!("{:04o}", is.1) });
    }
    found
}

fn directories(path: &str) -> impl Iterator<Item = String> {
    path.match_indices('/').map(|(at, _)| path[..at].to_owned())
}

fn kind(letter: char) -> String {
    match letter {
        'd' => "directory",
        'l' => "link",
        _ => "file",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use wythe_snapshot::Choice;
    use wythe_sys::root::Root;

    use super::{Entry, List, changes, parse};

    type Side = Option<(char, u32, &'static str)>;

    /// Adds a file, directory or link: a letter, a mode, and the text or the target.
    fn add<'a>(list: &mut List<'a>, path: &'a str, (letter, mode, text): (char, u32, &str)) {
        let content = if letter == 'f' { format!("digest of {text}") } else { text.to_owned() };
        let kept = (letter == 'f' && !text.contains('\0')).then(|| text.to_owned());
        list.add(path.into(), &Entry(letter, mode, text.len() as u64, &content, kept));
    }

    /// Returns the changes of two lists as lines.
    fn told(old: &[u8], new: &[u8]) -> Vec<String> {
        let found = changes(old, new).unwrap().into_iter();
        found.map(|(path, change)| format!("{path} {}", serde_json::to_string(&change).unwrap())).collect()
    }

    /// Lists a directory with so many long files that are no texts, and a text after them.
    fn lists_the_text(files: usize) -> bool {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..files {
            std::fs::write(dir.path().join(format!("a{number}")), vec![0; 64 << 10]).unwrap();
        }
        std::fs::write(dir.path().join("b"), "text").unwrap();
        let root = Root::open(dir.path()).unwrap();
        let choice = Choice { patterns: vec![".".to_owned()], ..Choice::default() };
        let mut chosen = wythe_snapshot::select(&root, &choice).unwrap();
        chosen.read_contents(&root).unwrap();
        let list = parse(&super::manifest(&root, &chosen).unwrap()).unwrap();
        assert_eq!(list.len(), files + 2);
        list["b"].4.is_some()
    }

    #[test]
    fn looking_for_texts_ends() {
        assert!(lists_the_text(10));
        assert!(!lists_the_text(64));
    }

    #[test]
    fn every_kind_of_change_is_told_apart() {
        let file = |text| Some(('f', 0o644, text));
        let (dir, link) = (Some(('d', 0o755, "")), |target| Some(('l', 0o777, target)));
        let changes: [(&str, Side, Side, &str); 12] = [
            ("a", file("one\n"), file("two\n"), r#"{"change":"line","line":1,"old":"one","new":"two","more":0}"#),
            ("b", file("x"), Some(('f', 0o755, "x")), r#"{"change":"mode","old":"0644","new":"0755"}"#),
            ("bin", file("\0"), file("\0\0"), r#"{"change":"content","old":1,"new":2}"#),
            ("d", dir, None, ""),
            ("d/gone", file(""), None, r#"{"change":"removed"}"#),
            ("empty", None, dir, r#"{"change":"added"}"#),
            ("l", link("a"), link("b"), r#"{"change":"target","old":"a","new":"b"}"#),
            ("new", None, dir, ""),
            ("new/x", None, file(""), r#"{"change":"added"}"#),
            ("same", file("same"), file("same"), ""),
            ("t", file("x"), link("a"), r#"{"change":"type","old":"file","new":"link"}"#),
            ("z", file("the last line"), file("the last line"), ""),
        ];
        let (mut old, mut new) = (List::default(), List::default());
        let mut expected = Vec::new();
        for (path, was, is, change) in changes {
            was.into_iter().for_each(|was| add(&mut old, path, was));
            is.into_iter().for_each(|is| add(&mut new, path, is));
            // A directory that goes with what is in it is not named beside it.
            expected.extend(Some(format!("{path} {change}")).filter(|_| !change.is_empty()));
        }
        let (old, new) = (old.in_order(), new.in_order());
        assert_eq!(told(&old, &new), expected);
        assert_eq!(told(&old, &old), [""; 0]);
    }

    /// What comes or goes at an end of the list, or beside lines that look like it, is found as it is in the middle.
    #[test]
    fn ends_of_lists_are_compared() {
        let list = |paths: &[&str]| {
            let mut list = List::default();
            paths.iter().for_each(|path| add(&mut list, path, ('f', 0o644, "same")));
            list.in_order()
        };
        let (came, went) = (r#"{"change":"added"}"#, r#"{"change":"removed"}"#);
        let all = list(&["a", "b", "c"]);
        for gone in ["a", "b", "c"] {
            let left: Vec<&str> = ["a", "b", "c"].into_iter().filter(|path| *path != gone).collect();
            assert_eq!(told(&all, &list(&left)), [format!("{gone} {went}")]);
            assert_eq!(told(&list(&left), &all), [format!("{gone} {came}")]);
        }
        assert_eq!(told(&[], &list(&["a"])), [format!("a {came}")]);
        assert_eq!(list(&["a", "a/b", "a.b", "a"]), list(&["a", "a.b", "a/b"]));
        assert_eq!(changes(b"no list\n", &all), None);
    }
}
