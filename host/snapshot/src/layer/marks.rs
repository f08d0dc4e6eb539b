// SPDX-License-Identifier: Apache-2.0
//! Places in an archive from which its digest can be computed on.
//!
//! A layer that differs from another one in a few files has the same archive up to the first of them: the digest of that
//! much is taken from the other's marks, and neither read nor computed again.

use std::cmp::Ordering;
use std::fmt::Write as _;

use wythe_image::{Digest, Midway};

/// Bytes between two marks.
pub(crate) const EVERY: u64 = 1 << 20;

/// First line of the text form.
const HEAD: &str = "wythe marks 1";

/// Where the digest of an archive can be computed on, in the order of the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(pub(crate) Vec<Mark>);

/// One such place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The digest so far.
    pub(crate) midway: Midway,
    /// The entry in which this is.
    pub(crate) path: Vec<u8>,
    /// Where that entry begins.
    pub(crate) start: u64,
}

impl Marks {
    /// Returns the last place that lies before everything that differs from `path` on.
    pub(crate) fn before(&self, path: &[u8]) -> Option<&Mark> {
        self.0.iter().rev().find(|mark| order(&mark.path, path) == Ordering::Less)
    }

    /// Returns the marks as a text that can be told from a damaged one.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = format!("{HEAD}\n");
        for Mark { midway, path, start } in &self.0 {
            let (words, path) = (hex::encode(midway.words), hex::encode(path));
            writeln!(lines, "{} {start} {words} {path}", midway.length).expect("a text takes what it is given");
        }
        let sum = Digest::of(lines.as_bytes());
        lines + &sum.hex() + "\n"
    }

    /// Reads what [`Marks::to_text`] wrote; none where it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (lines, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let lines = &text[..=lines.len()];
        if Digest::of(lines.as_bytes()).hex() != sum {
            return None;
        }
        let mut lines = lines.lines();
        lines.next().filter(|head| *head == HEAD)?;
        lines.map(Mark::parse).collect::<Option<_>>().map(Self)
    }
}

impl Mark {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let (length, start) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let mut words = [0; 32];
        hex::decode_to_slice(fields.next()?, &mut words).ok()?;
        let path = hex::decode(fields.next()?).ok()?;
        fields.next().is_none().then_some(Self { midway: Midway { words, length }, path, start })
    }
}

/// Compares two paths as an archive orders them: a directory stands before what is in it, and that before whatever follows
/// the directory.
pub(crate) fn order(one: &[u8], other: &[u8]) -> Ordering {
    one.split(|byte| *byte == b'/').cmp(other.split(|byte| *byte == b'/'))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Mark, Marks, order};
    use wythe_image::{Hasher, Midway};

    fn marks() -> Marks {
        let Midway { words, .. } = Hasher::new().midway().unwrap();
        let mark = |path: &str, start, length| Mark {
            midway: Midway { words, length },
            path: path.as_bytes().to_vec(),
            start,
        };
        Marks(vec![mark("a", 512, 1024), mark("a/b\n \u{e9}", 2048, 4096), mark("a.b", 8192, 8192)])
    }

    #[test]
    fn the_text_says_all_and_a_damaged_one_nothing() {
        let text = marks().to_text();
        assert_eq!(Marks::parse(&text), Some(marks()));
        assert_eq!(Marks::parse(&Marks::default().to_text()), Some(Marks::default()));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let damaged = String::from_utf8_lossy(&bytes).into_owned();
            assert_eq!(Marks::parse(&damaged), None, "byte {at}");
            assert_eq!(Marks::parse(&text[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn paths_are_in_the_order_of_an_archive() {
        let paths = ["a", "a/b", "a/b/c", "a/c", "a-", "a.b", "b"];
        for (one, other) in paths.iter().zip(&paths[1..]) {
            assert_eq!(order(one.as_bytes(), other.as_bytes()), Ordering::Less, "{one} {other}");
        }
    }

    #[test]
    fn the_last_mark_before_a_path_is_found() {
        let marks = marks();
        let found = |path: &str| marks.before(path.as_bytes()).map(|mark| mark.start);
        assert_eq!(found("a"), None);
        assert_eq!(found("a/a"), Some(512));
        assert_eq!(found("a/c"), Some(2048));
        assert_eq!(found("a.b"), Some(2048));
        assert_eq!(found("z"), Some(8192));
    }
}
