// SPDX-License-Identifier: Apache-2.0
//! A layer in two parts: a whole layer, and the entries that take the place of some of its entries or come to them.
//!
//! Nothing in the upper part hides more than an entry of its own name and type: with another layer between the parts and
//! what lies below them, the two show what one directory with all of it would.

use std::io;
use std::os::fd::AsFd;

use super::marks::order;
use super::node::{self, Directory, Kind, Node, Unread, enter};

/// The tree of a layer, and where it differs from that of its lowest part.
pub(crate) struct Joined {
    pub(crate) tree: Node,
    /// The first entry, in the order of the archive, that the lowest part has otherwise or not at all.
    pub(crate) first_change: Option<Vec<u8>>,
}

/// Reads the parts of a layer, the lowest first.
pub(crate) fn read(parts: &[impl AsFd]) -> Result<Joined, Unread> {
    let mut joining = Joining::default();
    let mut tree: Option<Node> = None;
    for (number, part) in parts.iter().enumerate() {
        let mut upper = node::read(part.as_fd())?;
        match &mut tree {
            None => tree = Some(upper),
            Some(tree) => {
                set_part(&mut upper, number);
                joining.lay(tree, upper)?;
            }
        }
    }
    let none = || Unread { path: std::path::PathBuf::new(), source: io::ErrorKind::NotFound.into() };
    Ok(Joined { tree: tree.ok_or_else(none)?, first_change: joining.first_change })
}

fn set_part(node: &mut Node, part: usize) {
    node.part = part;
    if let Kind::Directory(directory) = &mut node.kind {
        directory.children.iter_mut().for_each(|child| set_part(child, part));
    }
}

#[derive(Default)]
struct Joining {
    path: Vec<u8>,
    first_change: Option<Vec<u8>>,
}

impl Joining {
    /// Lays an entry over the one of its name.
    fn lay(&mut self, under: &mut Node, over: Node) -> Result<(), Unread> {
        let is_change = !looks_the_same(under, &over);
        match (&mut under.kind, over.kind) {
            (Kind::Directory(lower), Kind::Directory(upper)) if !upper.opaque => {
                if is_change {
                    self.note();
                }
                (under.mode, under.owner, under.mtime) = (over.mode, over.owner, over.mtime);
                lower.xattrs = upper.xattrs;
                self.children(lower, upper.children)
            }
            (Kind::File(_) | Kind::Symlink(_) | Kind::Fifo, kind @ (Kind::File(_) | Kind::Symlink(_) | Kind::Fifo)) => {
                self.note();
                *under = Node { kind, ..over };
                Ok(())
            }
            _ => Err(self.refused()),
        }
    }

    fn children(&mut self, lower: &mut Directory, upper: Vec<Node>) -> Result<(), Unread> {
        for child in upper {
            let length = enter(&mut self.path, &child.name);
            match lower.children.binary_search_by(|known| known.name.cmp(&child.name)) {
                Ok(at) => self.lay(&mut lower.children[at], child)?,
                Err(_) if !shows_only_itself(&child) => return Err(self.refused()),
                Err(at) => {
                    self.note();
                    lower.children.insert(at, child);
                }
            }
            self.path.truncate(length);
        }
        Ok(())
    }

    fn note(&mut self) {
        if self.first_change.as_ref().is_none_or(|first| order(&self.path, first).is_lt()) {
            self.first_change = Some(self.path.clone());
        }
    }

    fn refused(&self) -> Unread {
        let source = io::Error::new(io::ErrorKind::InvalidData, "hides more than an entry of its own name and type");
        Unread { path: crate::disk::path_of(&self.path), source }
    }
}

/// Whether an entry, with what is in it, hides nothing.
fn shows_only_itself(node: &Node) -> bool {
    match &node.kind {
        Kind::Directory(directory) => !directory.opaque && directory.children.iter().all(shows_only_itself),
        Kind::File(_) | Kind::Symlink(_) | Kind::Fifo => true,
        Kind::Whiteout { .. } | Kind::Unfit { .. } => false,
    }
}

/// Whether two directories have the same header in an archive.
fn looks_the_same(one: &Node, other: &Node) -> bool {
    let (Kind::Directory(lower), Kind::Directory(upper)) = (&one.kind, &other.kind) else { return false };
    (one.mode, one.owner, one.seconds()) == (other.mode, other.owner, other.seconds())
        && lower.xattrs.carried == upper.xattrs.carried
}

/// Whether no file of a tree has several names.
pub(crate) fn has_no_links(node: &Node) -> bool {
    match &node.kind {
        Kind::Directory(directory) => directory.children.iter().all(has_no_links),
        Kind::File(file) => file.link.is_none(),
        _ => true,
    }
}
