// SPDX-License-Identifier: Apache-2.0
//! What came to a selection, or is otherwise in it, since an earlier one.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt as _;

use super::digest::append;
use super::{Coverage, LeafKind, Selection};
use crate::layer::marks::order;

impl Selection {
    /// Returns what came or is otherwise since an earlier selection, which is given as its [`list`](Selection::list) of
    /// [`Coverage::Content`].
    ///
    /// None where that does not say everything: where something has gone, or is a directory and was none, or the other way
    /// round; where one of them is a single file; where the list is none.
    #[must_use]
    pub fn since(&self, list: &[u8]) -> Option<Self> {
        let coverage = Coverage::Content;
        let head = self.head(coverage);
        let mut old = Entries(list.strip_prefix(&head[..]).filter(|_| !self.is_single)?);
        let mut next = old.next()?;
        let mut changed = Vec::new();
        let mut bytes = Vec::new();
        for leaf in &self.leaves {
            let place = leaf.at.as_os_str().as_bytes();
            let known = match next.as_ref().map(|entry| order(entry.at, place)) {
                Some(Ordering::Equal) => std::mem::replace(&mut next, old.next()?),
                // It is not here any more.
                Some(Ordering::Less) => return None,
                Some(Ordering::Greater) | None => None,
            };
            bytes.clear();
            append(&mut bytes, leaf, coverage).ok()?;
            match known {
                Some(entry) if entry.bytes == bytes => continue,
                Some(entry) if entry.is_directory != (leaf.kind == LeafKind::Directory) => return None,
                _ => changed.push(leaf.clone()),
            }
        }
        next.is_none().then(|| Self { leaves: changed, is_single: false, left_out: Vec::new() })
    }
}

/// An entry of a list.
struct Entry<'a> {
    at: &'a [u8],
    is_directory: bool,
    bytes: &'a [u8],
}

/// The rest of a list.
struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    /// Takes the next entry: `Some(None)` at the end, none where there is none.
    fn next(&mut self) -> Option<Option<Entry<'a>>> {
        let all = self.0;
        if all.is_empty() {
            return Some(None);
        }
        let at = self.counted()?;
        let kind = self.take(1)?[0];
        self.take(size_of::<u32>())?;
        match kind {
            b'd' => {}
            b'l' => drop(self.counted()?),
            b'f' => drop(self.take(size_of::<u64>() + DIGITS)?),
            _ => return None,
        }
        let bytes = &all[..all.len() - self.0.len()];
        Some(Some(Entry { at, is_directory: kind == b'd', bytes }))
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let count = u64::from_le_bytes(self.take(size_of::<u64>())?.try_into().ok()?);
        self.take(usize::try_from(count).ok()?)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

#[cfg(test)]
mod tests;
