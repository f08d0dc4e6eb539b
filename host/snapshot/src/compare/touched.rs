// SPDX-License-Identifier: Apache-2.0
//! The names that layers say something about.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::fs::FileType;
use wythe_image::Digest;

use super::{CompareError, Side, StackedLayer};
use crate::{disk, xattrs};

/// A name, and those in it.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// The layer that each side has it from, of those that are not common to both.
    top: [Option<Digest>; 2],
    /// Whether something below it has been hidden, so that names count that no layer here speaks of.
    pub(super) is_whole: bool,
    pub(super) children: BTreeMap<Vec<u8>, Self>,
}

/// A name that no layer says anything about.
pub(super) fn nothing() -> &'static Touched {
    static NOTHING: Touched = Touched { top: [None, None], is_whole: false, children: BTreeMap::new() };
    &NOTHING
}

impl Touched {
    /// Returns whether both sides have what is here from one and the same layer. Of a directory that says nothing about
    /// what is in it.
    pub(super) fn is_from_one_layer(&self) -> bool {
        self.top[0].is_some() && self.top[0] == self.top[1]
    }

    /// Adds the layers of a side, the lowest first.
    pub(super) fn add(&mut self, side: Side, layers: &[StackedLayer]) -> Result<(), CompareError> {
        layers.iter().try_for_each(|layer| {
            let mut way = Way { side, layer: layer.diff_id, path: PathBuf::new() };
            let mut read = |dir| disk::open_path(dir).and_then(|dir| self.directory(&mut way, dir.as_fd(), 0));
            let read = layer.dirs.iter().try_for_each(|dir| read(dir));
            read.map_err(|source| CompareError::Read { path: way.path, source })
        })
    }

    fn directory(&mut self, way: &mut Way, dir: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        disk::check_depth(depth)?;
        self.top[way.side as usize] = Some(way.layer);
        if xattrs::read(dir)?.marks.opaque {
            self.hide(way.side);
        }
        for name in disk::names(dir)? {
            way.path.push(disk::path_of(&name));
            let stat = disk::look(dir, &name)?.ok_or(io::ErrorKind::NotFound)?;
            let child = self.children.entry(name.clone()).or_default();
            if disk::kind(&stat) == FileType::Directory {
                let inner = disk::open_dir(dir, &name)?;
                child.directory(way, inner.as_fd(), depth + 1)?;
            } else {
                child.hide(way.side);
                child.top[way.side as usize] = (!disk::is_whiteout(&stat)).then_some(way.layer);
            }
            way.path.pop();
        }
        Ok(())
    }

    /// Takes away all that lower layers had in here.
    fn hide(&mut self, side: Side) {
        self.is_whole = true;
        for child in self.children.values_mut() {
            child.top[side as usize] = None;
            child.hide(side);
        }
    }
}

/// How far a layer has been read.
struct Way {
    side: Side,
    layer: Digest,
    path: PathBuf,
}
