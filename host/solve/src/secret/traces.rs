// SPDX-License-Identifier: Apache-2.0
//! Searches files for secrets: contents, names, targets of links, extended attributes.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use wythe_sandbox::Secret;
use wythe_sys::root::{Entry, Root};

use super::forms::{SHORTEST_KEPT, forms};

/// How much of a file is looked at at once.
const PIECE: usize = 256 << 10;

/// Traces after which the search ends: a person reads no more.
const MOST: usize = 20;

/// A secret that was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trace {
    /// Path from the root of what was searched.
    pub(crate) path: PathBuf,
    /// Which secret.
    pub(crate) id: String,
}

/// Searches for the secrets of a run.
#[derive(Debug)]
pub(crate) struct Traces {
    finder: AhoCorasick,
    /// The secret that each word of the finder stands for.
    ids: Vec<String>,
    longest: usize,
}

impl Traces {
    /// Returns what searches for these secrets; none where none of them is long enough to be told from chance.
    pub(crate) fn of<'a>(secrets: impl Iterator<Item = (&'a str, &'a Secret)>) -> Option<Self> {
        let (mut words, mut ids) = (Vec::new(), Vec::new());
        for (id, secret) in secrets {
            for form in forms(secret.bytes(), SHORTEST_KEPT) {
                words.push(form);
                ids.push(id.to_owned());
            }
        }
        let longest = words.iter().map(Vec::len).max()?;
        let finder = AhoCorasick::new(&words).expect("secrets are bounded, and so is what is made of them");
        Some(Self { finder, ids, longest })
    }

    /// Searches a tree without following links: all of it, or what has changed since a time, in seconds since 1970. Returns what was
    /// found, at most [`MOST`], in the order of paths.
    pub(crate) fn search(&self, root: &Root, since: Option<i64>) -> io::Result<Vec<Trace>> {
        let mut traces = self.first(root, since)?;
        traces.sort();
        Ok(traces)
    }

    fn first(&self, root: &Root, since: Option<i64>) -> io::Result<Vec<Trace>> {
        let mut traces = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(directory) = pending.pop() {
            for entry in root.read_dir(&directory)? {
                let path = directory.join(&entry.name);
                let is_new = match since {
                    Some(time) => root.symlink_metadata(&path)?.ctime() >= time,
                    None => true,
                };
                let found = if is_new { self.found_at(root, &path, &entry)? } else { None };
                if let Some(id) = found {
                    traces.push(Trace { path: path.clone(), id: id.to_owned() });
                    if traces.len() == MOST {
                        return Ok(traces);
                    }
                }
                if entry.kind.is_dir() {
                    pending.push(path);
                }
            }
        }
        Ok(traces)
    }

    fn found_at(&self, root: &Root, path: &Path, entry: &Entry) -> io::Result<Option<&str>> {
        if let Some(id) = self.found_in(entry.name.as_bytes()) {
            return Ok(Some(id));
        }
        if entry.kind.is_symlink() {
            return Ok(self.found_in(root.read_link(path)?.as_os_str().as_bytes()));
        }
        let in_attributes = |attributes: Vec<Vec<u8>>| attributes.iter().find_map(|bytes| self.found_in(bytes));
        if entry.kind.is_dir() {
            let directory = root.open_directory(path)?;
            return Ok(in_attributes(wythe_sys::xattr::all(&directory)?));
        }
        if !entry.kind.is_file() {
            return Ok(None);
        }
        let mut file = root.open_file(path)?;
        match in_attributes(wythe_sys::xattr::all(&file)?) {
            Some(id) => Ok(Some(id)),
            None => self.found_in_stream(&mut file),
        }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        self.finder.find(bytes).map(|found| self.ids[found.pattern().as_usize()].as_str())
    }

    /// Reads to the end, or to the first secret. Line ends are searched with and without: base64 is often broken into lines.
    fn found_in_stream(&self, file: &mut impl Read) -> io::Result<Option<&str>> {
        let mut views = [Vec::new(), Vec::new()];
        let mut piece = vec![0; PIECE];
        loop {
            let length = match file.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = &piece[..length];
            views[0].extend_from_slice(bytes);
            views[1].extend(bytes.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')));
            for view in &mut views {
                if let Some(id) = self.found_in(view) {
                    return Ok(Some(id));
                }
                // What could be the beginning of a secret is looked at once more, with what follows.
                view.drain(..view.len().saturating_sub(self.longest - 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, Traces};
    use wythe_sandbox::Secret;

    fn traces() -> Traces {
        let secret = Secret::from(b"hunter2-and-more\n".to_vec());
        Traces::of([("token", &secret)].into_iter()).unwrap()
    }

    #[test]
    fn a_secret_is_found_across_the_pieces_of_a_file() {
        for at in [0, PIECE - 16, PIECE - 8, PIECE - 1, PIECE, 3 * PIECE - 3] {
            let bytes = [vec![b'x'; at], b"hunter2-and-more".to_vec(), vec![b'y'; 10]].concat();
            assert_eq!(traces().found_in_stream(&mut bytes.as_slice()).unwrap(), Some("token"), "{at}");
        }
        assert_eq!(traces().found_in_stream(&mut vec![b'x'; 3 * PIECE].as_slice()).unwrap(), None);
    }

    #[test]
    fn base64_that_is_broken_into_lines_is_found() {
        let broken = b"aHVudGVy\r\nMi1hbmQt\r\nbW9yZQo=\r\n";
        assert_eq!(traces().found_in_stream(&mut broken.as_slice()).unwrap(), Some("token"));
    }

    #[test]
    fn short_secrets_are_not_looked_for() {
        let secret = Secret::from(b"abc".to_vec());
        assert!(Traces::of([("token", &secret)].into_iter()).is_none());
    }
}
