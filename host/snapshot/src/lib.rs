// SPDX-License-Identifier: Apache-2.0
//! Snapshots: edits merged trees, and turns what a step changed into a layer.
#![forbid(unsafe_code)]

mod archive;
mod disk;
mod editor;
mod layer;
mod normalise;
mod tar;
mod tree;
mod union;
mod xattrs;

pub use archive::{Archive, ArchiveError, DebError, ListError, NameError, TarError, ZipError, archive_names};
pub use editor::{Attributes, CopyError, EditError, Editor, OwnerError, Unpack, UnpackError, Unpacked};
pub use layer::{Applied, ApplyError, WriteTarError, apply_layer, layer_digest, write_tar};
pub use normalise::{LeftOut, NormaliseError, Normalised, normalise, prepare};
pub use tree::{
    Choice, Coverage, DigestError, FORMAT_VERSION, Leaf, LeafKind, PatternError, Patterns, SelectError, Selection,
    Stamp, TreeError, select, tree_digest,
};
