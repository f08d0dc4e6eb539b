// SPDX-License-Identifier: Apache-2.0
//! A tree of directories, entry by entry in the order of their names.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::{Tree, explore};
use crate::disk;

/// Names of one directory that are looked at as one piece of work.
const PIECE: usize = 256;

/// How a tree of directories is looked at.
pub(crate) trait Look: Sync {
    /// What is known of a directory before it is opened: its path, say.
    type Way: Send + Sync;
    /// What is found at a name.
    type Entry: Send;
    /// What is found at an open directory itself.
    type Own: Send;
    /// Why one cannot go on.
    type Error: Send;

    /// Looks at a directory that has just been opened.
    ///
    /// # Errors
    ///
    /// When the tree as a whole is not to be had.
    fn directory(&self, dir: BorrowedFd<'_>, way: &Self::Way) -> Result<Self::Own, Self::Error>;

    /// Looks at a name of a directory. Returns what is there, unless it is passed over, and the way into it where it has to be entered.
    ///
    /// # Errors
    ///
    /// When the tree as a whole is not to be had.
    fn entry(&self, dir: BorrowedFd<'_>, name: &[u8], way: &Self::Way) -> EntryOf<Self>;

    /// Says that a directory cannot be read.
    fn unread(&self, way: &Self::Way, source: io::Error) -> Self::Error;
}

/// What [`Look::entry`] returns.
pub(crate) type EntryOf<L> = Result<Option<(<L as Look>::Entry, Option<<L as Look>::Way>)>, <L as Look>::Error>;

/// A directory with all that was found in it.
pub(crate) struct Listing<L: Look>(Tree<Found<L>>);

impl<L: Look> Listing<L> {
    /// Takes what was found at the directory itself, which is there once.
    pub(crate) fn take_own(&mut self) -> L::Own {
        self.0.found.own.take().expect("a directory was looked at when it was opened")
    }

    /// Hands over the entries in the order of their names, each with what was found in it.
    pub(crate) fn each(self, take: &mut impl FnMut(L::Entry, Option<Self>)) {
        let mut inner = self.0.inner.into_iter().map(Self);
        for (entry, is_entered) in self.0.found.entries {
            let within = is_entered.then(|| inner.next()).flatten();
            take(entry, within);
        }
        // What is left are pieces of the directory itself.
        inner.for_each(|piece| piece.each(take));
    }
}

/// Looks at an open directory and all that is in it.
///
/// # Errors
///
/// The first that the look returns, in the order of the names; of a directory before those of what is in it.
pub(crate) fn list<L: Look>(look: &L, dir: BorrowedFd<'_>, way: L::Way) -> Result<Listing<L>, L::Error> {
    let dir = match disk::open_dir(dir, b".") {
        Ok(dir) => Arc::new(dir),
        Err(source) => return Err(look.unread(&way, source)),
    };
    let tree = explore(Piece::Directory { parent: dir, name: b".".to_vec(), way }, |piece, pieces| match piece {
        Piece::Directory { parent, name, way } => directory(look, &parent, &name, way, pieces),
        Piece::Names { dir, names, way } => {
            Ok(Found { own: None, entries: entries(look, &dir, &names, &way, pieces)? })
        }
    })?;
    Ok(Listing(tree))
}

/// A directory that waits to be opened, or some names of one that is.
enum Piece<W> {
    Directory { parent: Arc<OwnedFd>, name: Vec<u8>, way: W },
    Names { dir: Arc<OwnedFd>, names: Vec<Vec<u8>>, way: Arc<W> },
}

/// What was found in a piece: of a directory with many names only what it is itself.
struct Found<L: Look> {
    own: Option<L::Own>,
    /// Each with whether it is entered.
    entries: Vec<(L::Entry, bool)>,
}

fn directory<L: Look>(
    look: &L,
    parent: &OwnedFd,
    name: &[u8],
    way: L::Way,
    pieces: &mut Vec<Piece<L::Way>>,
) -> Result<Found<L>, L::Error> {
    let unread = |source| look.unread(&way, source);
    let dir = Arc::new(disk::open_dir(parent, name).map_err(unread)?);
    let own = Some(look.directory(dir.as_fd(), &way)?);
    let names = disk::names(&dir).map_err(unread)?;
    if names.len() <= PIECE {
        return Ok(Found { own, entries: entries(look, &dir, &names, &way, pieces)? });
    }
    let way = Arc::new(way);
    let some = |names: &[Vec<u8>]| Piece::Names { dir: Arc::clone(&dir), names: names.to_vec(), way: Arc::clone(&way) };
    pieces.extend(names.chunks(PIECE).map(some));
    Ok(Found { own, entries: Vec::new() })
}

fn entries<L: Look>(
    look: &L,
    dir: &Arc<OwnedFd>,
    names: &[Vec<u8>],
    way: &L::Way,
    pieces: &mut Vec<Piece<L::Way>>,
) -> Result<Vec<(L::Entry, bool)>, L::Error> {
    let mut entries = Vec::with_capacity(names.len());
    for name in names {
        let Some((entry, inner)) = look.entry(dir.as_fd(), name, way)? else { continue };
        entries.push((entry, inner.is_some()));
        pieces.extend(inner.map(|way| Piece::Directory { parent: Arc::clone(dir), name: name.clone(), way }));
    }
    Ok(entries)
}
