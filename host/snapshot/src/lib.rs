// SPDX-License-Identifier: Apache-2.0
//! File system states: edits merged trees, and turns what a step changed into a layer.
//!
//! This room refuses to know where layers are kept, what a step runs, and where archives come from. It is given
//! directories and returns digests.
//!
//! ```text
//!  upper directory ── normalise ──► layer directory ── write_tar ──► archive ── apply_layer ──► layer directory
//!  (what a step wrote)              (its normal form)                (diff id)
//! ```
//!
//! - **A layer is a function of what is seen.** Its bytes follow from the tree before and the tree after, not from how
//!   the step got there, nor from the machine or user it ran on. `docs/formats/layer.md` has the normal form.
//! - **The directory is the layer.** The archive is generated from it whenever somebody needs it, always the same bytes.
//! - **Names from outside are resolved inside.** What an archive, a build context or an image says is taken one
//!   component at a time from descriptors; links are followed inside the tree and never out of it.
//! - **No mount is written to.** [`Editor`] puts what it writes into the upper directory as overlay would have.
//!
//! ```no_run
//! use std::path::Path;
//! use wythe_snapshot::{Attributes, Editor, layer_digest, normalise};
//! use wythe_sys::root::Root;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let epoch = 1_700_000_000;
//! let (upper, below) = (Path::new("active/upper"), Root::open(Path::new("layers/base/fs"))?);
//! Editor::open(upper, Some(&below), epoch)?.put(Path::new("/etc/motd"), b"welcome\n", &Attributes::default())?;
//! let layer = normalise(upper, Some(&below), None, epoch)?.expect("there was no such file");
//! assert_eq!(layer_digest(&[upper])?, (layer.diff_id, layer.size));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod abreast;
mod archive;
mod compare;
mod disk;
mod editor;
mod layer;
mod normalise;
mod tar;
mod tree;
mod union;
mod xattrs;

pub use archive::{Archive, ArchiveError, DebError, ListError, NameError, TarError, ZipError, archive_names, is_tar};
pub use compare::{Appearance, Aspect, CompareError, Comparison, Difference, Shape, Side, StackedLayer};
pub use editor::{
    Attributes, CopyError, EditError, Editor, ModeEdit, ModeError, OwnerError, Unpack, UnpackError, Unpacked,
};
pub use layer::{Applied, ApplyError, Marks, WriteTarError, apply_layer, layer_digest, layer_digest_from, write_tar};
pub use normalise::{LeftOut, NormaliseError, Normalised, normalise, prepare};
pub use tree::{
    Choice, Coverage, DigestError, FORMAT_VERSION, Leaf, LeafKind, PatternError, Patterns, SelectError, Selection,
    Stamp, TreeError, find, select, tree_digest,
};
