// SPDX-License-Identifier: Apache-2.0
//! What differs between two stacks of layers.
//!
//! Only what a layer that is not common to both says something about is looked at, so that the cost is that of the layers in
//! which two images differ and not that of the images. Common are the lowest layers that are the same in both; a name that
//! the same layer gives to both sides is passed over without a look.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use wythe_image::Digest;
use wythe_sys::overlay::{MountError, Overlay};
use wythe_sys::root::Root;

use crate::disk;

mod appearance;
mod touched;

pub use appearance::{Appearance, Aspect, Shape};
use touched::Touched;

/// A layer that an image is made of.
#[derive(Debug, Clone)]
pub struct StackedLayer {
    /// Its diff id.
    pub diff_id: Digest,
    /// The directories in which it lies, the lowest first.
    pub dirs: Vec<PathBuf>,
}

/// A name that does not mean the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Relative to the root; empty for the root itself.
    pub path: PathBuf,
    /// What it was; none where there was nothing.
    pub before: Option<Appearance>,
    /// What it is; none where there is nothing.
    pub after: Option<Appearance>,
    /// In what the two differ, where there are two.
    pub aspects: Vec<Aspect>,
}

/// Why two stacks were not compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The layers could not be laid over each other.
    #[error("cannot lay the layers over each other")]
    Mount(#[from] MountError),
    /// Something could not be read.
    #[error("cannot read `/{}`", path.display().to_string().escape_debug())]
    Read {
        /// Relative to the root.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Two stacks, laid over each other.
#[derive(Debug)]
pub struct Comparison {
    /// None where a stack has no layer, and so no file.
    sides: [Option<Root>; 2],
    /// How many of the lowest layers are common.
    pub shared: usize,
    /// Sorted by path, component by component.
    pub differences: Vec<Difference>,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What was.
    Before,
    /// What is.
    After,
}

impl Comparison {
    /// Compares two stacks, each with its lowest layer first.
    ///
    /// # Errors
    ///
    /// When a stack cannot be mounted or a file cannot be read.
    pub fn of(before: &[StackedLayer], after: &[StackedLayer]) -> Result<Self, CompareError> {
        let shared = before.iter().zip(after).take_while(|(one, other)| one.diff_id == other.diff_id).count();
        let sides = [mount(before)?, mount(after)?];
        let mut touched = Touched::default();
        touched.add(Side::Before, &before[shared..])?;
        touched.add(Side::After, &after[shared..])?;
        let mut differences = Vec::new();
        if before.len() > shared || after.len() > shared {
            let open = |root: &Option<Root>| root.as_ref().map(|root| disk::open_dir(root.as_fd(), b".")).transpose();
            let at_root = |source| CompareError::Read { path: PathBuf::new(), source };
            let roots = (open(&sides[0]).map_err(at_root)?, open(&sides[1]).map_err(at_root)?);
            let mut walk = Walk { found: &mut differences, path: PathBuf::new() };
            walk.roots(&touched, roots.0.as_ref(), roots.1.as_ref())?;
        }
        Ok(Self { sides, shared, differences })
    }

    /// Returns the content of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it is larger.
    pub fn read(&self, side: Side, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let root = self.sides[side as usize].as_ref().ok_or(io::ErrorKind::NotFound)?;
        root.read_bounded(path, limit)
    }
}

fn mount(layers: &[StackedLayer]) -> Result<Option<Root>, MountError> {
    if layers.is_empty() {
        return Ok(None);
    }
    let lowers = layers.iter().flat_map(|layer| layer.dirs.clone()).collect();
    Overlay { lowers, upper: None, work: None }.mount().map(|mount| Some(Root::from_fd(mount)))
}

/// A way through both trees at once.
struct Walk<'a> {
    found: &'a mut Vec<Difference>,
    path: PathBuf,
}

impl Walk<'_> {
    fn failed(&self, source: io::Error) -> CompareError {
        CompareError::Read { path: self.path.clone(), source }
    }

    fn roots(
        &mut self,
        touched: &Touched,
        before: Option<&OwnedFd>,
        after: Option<&OwnedFd>,
    ) -> Result<(), CompareError> {
        let look = |dir: Option<&OwnedFd>| dir.map(|dir| Appearance::of_directory(dir.as_fd())).transpose();
        let (one, other) = (look(before).map_err(|e| self.failed(e))?, look(after).map_err(|e| self.failed(e))?);
        let names_differ = || Ok(before.map(disk::names).transpose()? != after.map(disk::names).transpose()?);
        let failed = |source| CompareError::Read { path: PathBuf::new(), source };
        self.pair(one, other, |_, _| names_differ().map_err(failed))?;
        self.directories(touched, false, before, after, 0)
    }

    /// Compares what is in two directories, either of which may not be there.
    fn directories(
        &mut self,
        touched: &Touched,
        is_whole: bool,
        before: Option<&OwnedFd>,
        after: Option<&OwnedFd>,
        depth: usize,
    ) -> Result<(), CompareError> {
        disk::check_depth(depth).map_err(|source| self.failed(source))?;
        let is_whole = is_whole || touched.is_whole || before.is_none() || after.is_none();
        let mut names: BTreeMap<Vec<u8>, &Touched> = BTreeMap::new();
        if is_whole {
            for dir in [before, after].into_iter().flatten() {
                let all = disk::names(dir).map_err(|source| self.failed(source))?;
                names.extend(all.into_iter().map(|name| (name, touched::nothing())));
            }
        }
        names.extend(touched.children.iter().map(|(name, child)| (name.clone(), child)));
        for (name, child) in names {
            self.path.push(disk::path_of(&name));
            self.entry(&name, child, is_whole, before, after, depth)?;
            self.path.pop();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        name: &[u8],
        touched: &Touched,
        is_whole: bool,
        before: Option<&OwnedFd>,
        after: Option<&OwnedFd>,
        depth: usize,
    ) -> Result<(), CompareError> {
        let look =
            |dir: Option<&OwnedFd>| dir.map(|dir| Appearance::of(dir.as_fd(), name)).transpose().map(Option::flatten);
        let one = look(before).map_err(|source| self.failed(source))?;
        let other = look(after).map_err(|source| self.failed(source))?;
        let is_directory = |seen: &Option<Appearance>| seen.as_ref().is_some_and(|seen| seen.shape == Shape::Directory);
        let (in_one, in_other) = (is_directory(&one), is_directory(&other));
        if touched.is_from_one_layer() && !in_one && !in_other {
            return Ok(());
        }
        let names_differ = |path: &Path| -> Result<bool, CompareError> {
            let failed = |source| CompareError::Read { path: path.to_owned(), source };
            let open = |dir: Option<&OwnedFd>| disk::open_dir(dir.expect("it was just seen there"), name);
            let names = |dir| disk::names(open(dir)?);
            Ok(names(before).map_err(failed)? != names(after).map_err(failed)?)
        };
        self.pair(one, other, |path, shape| match shape {
            Shape::Directory => names_differ(path),
            _ => {
                let (one, other) = (before.expect("it was just seen there"), after.expect("it was just seen there"));
                same_content(one, other, name)
                    .map(|is_same| !is_same)
                    .map_err(|source| CompareError::Read { path: path.to_owned(), source })
            }
        })?;
        if !in_one && !in_other {
            return Ok(());
        }
        let open = |is_there: bool, dir: Option<&OwnedFd>| {
            dir.filter(|_| is_there).map(|dir| disk::open_dir(dir, name)).transpose()
        };
        let inner_one = open(in_one, before).map_err(|source| self.failed(source))?;
        let inner_other = open(in_other, after).map_err(|source| self.failed(source))?;
        self.directories(touched, is_whole, inner_one.as_ref(), inner_other.as_ref(), depth + 1)
    }

    /// Notes a difference between what a name means on the two sides. `inside` tells whether what cannot be seen from outside
    /// differs: the content of files of one size, the names in directories.
    fn pair(
        &mut self,
        before: Option<Appearance>,
        after: Option<Appearance>,
        inside: impl FnOnce(&Path, Shape) -> Result<bool, CompareError>,
    ) -> Result<(), CompareError> {
        let aspects = match (&before, &after) {
            (None, None) => return Ok(()),
            (Some(one), Some(other)) => {
                let aspects = one.aspects(other, |shape| inside(&self.path, shape))?;
                if aspects.is_empty() {
                    return Ok(());
                }
                aspects
            }
            _ => Vec::new(),
        };
        self.found.push(Difference { path: self.path.clone(), before, after, aspects });
        Ok(())
    }
}

/// Returns whether two files of the same length have the same content.
fn same_content(before: &OwnedFd, after: &OwnedFd, name: &[u8]) -> io::Result<bool> {
    const CHUNK: usize = 256 << 10;
    let open = |dir: &OwnedFd| disk::open_file(dir, name).map(std::fs::File::from);
    let (mut one, mut other) = (open(before)?, open(after)?);
    let (mut left, mut right) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
    loop {
        left.clear();
        right.clear();
        one.by_ref().take(CHUNK as u64).read_to_end(&mut left)?;
        other.by_ref().take(CHUNK as u64).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}
