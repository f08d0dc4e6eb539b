// SPDX-License-Identifier: Apache-2.0
//! The files of an image as one tree: in a directory, or as a tar archive.

use std::io::Write;
use std::path::Path;

use wythe_image::Image;
use wythe_snapshot::{Attributes, Editor};
use wythe_store::Store;

use crate::error::Cause;
use crate::state::StateFiles;

/// The latest time of a file that is copied as it is: none is later than the build that made it.
const ANY_TIME: u64 = i64::MAX.cast_unsigned();

/// Writes an image's files into a directory. They belong to whoever asks for them. What is there and has another name stays.
///
/// # Errors
///
/// Where the image cannot be read, or the directory cannot be written to. What was written stays.
pub fn write_files(store: &Store, image: &Image, dir: &Path) -> Result<(), Cause> {
    let attributes = Attributes { owner: Some((0, 0)), ..Attributes::default() };
    copy(store, image, dir, ANY_TIME, &attributes)
}

/// Writes an image's files as a tar archive with the same bytes each time, without what the layers hide. No time in it is later
/// than `epoch`.
///
/// # Errors
///
/// Where the image cannot be read, or the archive cannot be written.
pub fn write_files_tar(store: &Store, image: &Image, epoch: u64, out: &mut dyn Write) -> Result<(), Cause> {
    let active = store.begin().map_err(Cause::store)?;
    copy(store, image, &active.upper(), epoch, &Attributes::default())?;
    wythe_snapshot::normalise(&active.upper(), None, None, epoch).map_err(Cause::files)?;
    wythe_snapshot::write_tar(&[active.upper()], out).map_err(Cause::files)?;
    Ok(())
}

fn copy(store: &Store, image: &Image, dir: &Path, epoch: u64, attributes: &Attributes) -> Result<(), Cause> {
    let files = StateFiles::mount(store, image)?;
    let Some(root) = files.root() else { return Ok(()) };
    let mut editor = Editor::open(dir, None, epoch).map_err(Cause::files)?;
    editor.copy_tree(root, Path::new("/"), Path::new("/"), &|_| false, attributes).map_err(Cause::files)
}
