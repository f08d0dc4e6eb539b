// SPDX-License-Identifier: Apache-2.0
//! Lists of the files of an input: a tree digest says that something differs, the list says what.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

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

/// A list of files, by their paths in the build context.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    files: BTreeMap<String, Entry>,
    /// Texts of small files, as far as there is room.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: BTreeMap<String, String>,
}

/// Type (`d`, `f`, `l`), permission bits, length, and what the content is: digits of its digest, or what the link says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry(char, u32, u64, String);

/// Returns the list of what was chosen, as JSON. Only small texts are read, and none is hashed again.
///
/// A text that is not there any more is left out; where the machine cannot read one, the list would be another one for
/// ever, so that this is an error.
pub(crate) fn manifest(root: &Root, chosen: &Selection) -> io::Result<Vec<u8>> {
    let mut list = Manifest::default();
    let (mut room, mut unread) = (LONGEST_TEXTS, MOST_READ);
    for leaf in &chosen.leaves {
        let path = leaf.path.to_string_lossy().into_owned();
        let entry = match &leaf.kind {
            LeafKind::Directory => Entry('d', leaf.mode, 0, String::new()),
            LeafKind::Symlink(target) => Entry('l', 0o777, 0, String::from_utf8_lossy(target).into_owned()),
            LeafKind::File(digest) => {
                let size = leaf.stamp.size;
                if size <= room.min(LONGEST_TEXT) && size.max(BLOCK) <= unread {
                    unread -= size.max(BLOCK);
                    if let Some(text) = text(root, leaf)? {
                        room -= size;
                        list.texts.insert(path.clone(), text);
                    }
                }
                let digits = digest.map_or_else(String::new, |digest| digest.hex()[..DIGITS].to_owned());
                Entry('f', leaf.mode, size, digits)
            }
        };
        list.files.insert(path, entry);
    }
    Ok(serde_json::to_vec(&list).expect("texts and numbers are JSON"))
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

impl Manifest {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Returns what differs, by path. A directory that came or went with files in it is not named beside them.
    pub(super) fn changes(&self, new: &Self) -> Vec<(String, FileChange)> {
        let paths: BTreeSet<&String> = self.files.keys().chain(new.files.keys()).collect();
        let differing = paths.into_iter().filter(|path| self.files.get(*path) != new.files.get(*path));
        let mut found: Vec<(String, FileChange)> =
            differing.flat_map(|path| self.change(new, path).into_iter().map(|what| (path.clone(), what))).collect();
        let beginnings: BTreeSet<String> = found.iter().flat_map(|(path, _)| directories(path)).collect();
        found.retain(|(path, what)| {
            let is_directory = self.files.get(path).or(new.files.get(path)).is_some_and(|entry| entry.0 == 'd');
            let came_or_went = matches!(what, FileChange::Added | FileChange::Removed);
            !(is_directory && came_or_went && beginnings.contains(path))
        });
        found
    }

    fn change(&self, new: &Self, path: &str) -> Vec<FileChange> {
        let (Some(was), Some(is)) = (self.files.get(path), new.files.get(path)) else {
            return vec![if self.files.contains_key(path) { FileChange::Removed } else { FileChange::Added }];
        };
        if was.0 != is.0 {
            return vec![FileChange::Type { old: kind(was.0), new: kind(is.0) }];
        }
        let mut found = Vec::new();
        if was.3 != is.3 {
            found.push(match (is.0, self.texts.get(path), new.texts.get(path)) {
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

    use super::{Entry, Manifest};

    /// Adds a file, directory or link: a letter, a mode, and the text or the target.
    fn add(list: &mut Manifest, path: &str, (letter, mode, text): (char, u32, &str)) {
        let content = if letter == 'f' { format!("digest of {text}") } else { text.to_owned() };
        list.files.insert(path.to_owned(), Entry(letter, mode, text.len() as u64, content));
        if letter == 'f' && !text.contains('\0') {
            list.texts.insert(path.to_owned(), text.to_owned());
        }
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
        let list = Manifest::parse(&super::manifest(&root, &chosen).unwrap()).unwrap();
        assert_eq!(list.files.len(), files + 2);
        list.texts.contains_key("b")
    }

    #[test]
    fn looking_for_texts_ends() {
        assert!(lists_the_text(10));
        assert!(!lists_the_text(64));
    }

    #[test]
    fn every_kind_of_change_is_told_apart() {
        type Side = Option<(char, u32, &'static str)>;
        let file = |text| Some(('f', 0o644, text));
        let (dir, link) = (Some(('d', 0o755, "")), |target| Some(('l', 0o777, target)));
        let changes: [(&str, Side, Side, &str); 9] = [
            ("a", file("one\n"), file("two\n"), r#"{"change":"line","line":1,"old":"one","new":"two","more":0}"#),
            ("b", file("x"), Some(('f', 0o755, "x")), r#"{"change":"mode","old":"0644","new":"0755"}"#),
            ("bin", file("\0"), file("\0\0"), r#"{"change":"content","old":1,"new":2}"#),
            ("d", dir, None, ""),
            ("d/gone", file(""), None, r#"{"change":"removed"}"#),
            ("empty", None, dir, r#"{"change":"added"}"#),
            ("l", link("a"), link("b"), r#"{"change":"target","old":"a","new":"b"}"#),
            ("new/x", None, file(""), r#"{"change":"added"}"#),
            ("t", file("x"), link("a"), r#"{"change":"type","old":"file","new":"link"}"#),
        ];
        let (mut old, mut new) = (Manifest::default(), Manifest::default());
        add(&mut new, "new", ('d', 0o755, ""));
        let mut expected = Vec::new();
        for (path, was, is, change) in changes {
            was.into_iter().for_each(|was| add(&mut old, path, was));
            is.into_iter().for_each(|is| add(&mut new, path, is));
            // A directory that goes with what is in it is not named beside it.
            expected.extend(Some(format!("{path} {change}")).filter(|_| !change.is_empty()));
        }
        let told = old.changes(&new).into_iter();
        let told: Vec<String> =
            told.map(|(path, change)| format!("{path} {}", serde_json::to_string(&change).unwrap())).collect();
        assert_eq!(told, expected);
        assert_eq!(Manifest::parse(&serde_json::to_vec(&old).unwrap()), Some(old));
    }
}
