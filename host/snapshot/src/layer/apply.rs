// SPDX-License-Identifier: Apache-2.0
//! From the archive of a layer to a layer directory: image-spec, layer.md, "Applying changesets".
//!
//! Marks of what is gone hide what lies below, never what the same layer brings, in whatever order they come.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use wythe_image::{Digest, Hasher};

use super::emit::{OPAQUE, WHITEOUT};
use crate::archive::{ArchiveError, NameError, decompress, inside};
use crate::disk;
use crate::editor::{EditError, Editor};
use crate::normalise::LeftOut;
use crate::tar::read::{Member, MemberKind, TarReader};
use crate::union::Missing;
use crate::xattrs;

/// A layer directory made from an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Digest of the archive as it came, uncompressed: what an image's configuration calls the diff id.
    pub diff_id: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What was passed over because a layer directory cannot hold it.
    pub left_out: Vec<LeftOut>,
}

/// Why an archive did not become a layer directory. The directory is then in no defined state and should be dropped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The archive is at fault.
    #[error("cannot use the layer's archive")]
    Archive(#[source] ArchiveError),
    /// A member could not be written.
    #[error("cannot write `{}` of the layer", path.display().to_string().escape_debug())]
    Write {
        /// Relative to the layer.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A mark of what is gone names nothing that could be gone.
    #[error("`{}` marks no name as gone", path.display().to_string().escape_debug())]
    Whiteout {
        /// Relative to the layer.
        path: PathBuf,
    },
    /// The directory could not be opened.
    #[error("cannot open the layer's directory")]
    Open(#[source] EditError),
}

/// Makes a layer directory from the archive of a layer, compressed or not. `layer_fs` has to be empty.
///
/// Times keep their whole seconds. An archive written by [`write_tar`](crate::write_tar) gives a directory of which it
/// is the archive; for another one, [`layer_digest`](crate::layer_digest) tells the digest in the normal form. Parents that the archive
/// does not list have mode 0755, owner 0:0 and the time 0.
///
/// # Errors
///
/// When the archive is malformed or hostile, or the directory cannot be written.
pub fn apply_layer(archive: impl Read + Send, layer_fs: &Path) -> Result<Applied, ApplyError> {
    let plain = decompress(archive).map_err(|error| ApplyError::Archive(ArchiveError::Open(error)))?;
    let mut reader = TarReader::new(Hashing { input: plain, hasher: Hasher::new() });
    let mut editor = Editor::of_layer(layer_fs).map_err(ApplyError::Open)?;
    let mut left_out = Vec::new();
    while let Some(member) = reader.next().map_err(|error| ApplyError::Archive(ArchiveError::Tar(error)))? {
        let name = inside::parse(&member.untrusted_path).map_err(refuse)?;
        if member.kind == MemberKind::Device {
            left_out.push(LeftOut { path: disk::path_of(&name), kind: "device" });
            continue;
        }
        apply(&mut editor, &member, &name, &mut reader.content())?;
    }
    editor.settle().map_err(|source| ApplyError::Write { path: PathBuf::new(), source })?;
    let hasher = std::mem::take(&mut reader.input().hasher);
    Ok(Applied { size: hasher.length(), diff_id: hasher.finish(), left_out })
}

fn apply(editor: &mut Editor, member: &Member, name: &[u8], content: &mut dyn Read) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Write { path: disk::path_of(name), source };
    let (parent, last) = match name.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (&b""[..], name),
    };
    if parent.split(|byte| *byte == b'/').any(|part| part.starts_with(WHITEOUT)) {
        return Err(ApplyError::Whiteout { path: disk::path_of(name) });
    }
    let Some(gone) = last.strip_prefix(WHITEOUT) else {
        return editor.apply_member(member, name, content).map_err(failed);
    };
    match gone {
        b"" | b"." | b".." => Err(ApplyError::Whiteout { path: disk::path_of(name) }),
        _ if last == OPAQUE => {
            let place = editor.directory(parent, Missing::Make).map_err(failed)?;
            place.upper().and_then(xattrs::set_opaque).map_err(failed)
        }
        // What aufs kept for itself; every reader passes it over.
        _ if gone.starts_with(WHITEOUT) => Ok(()),
        gone => editor.set_mark(parent, gone).map_err(failed),
    }
}

fn refuse(error: NameError) -> ApplyError {
    ApplyError::Archive(ArchiveError::Name(error))
}

/// Hashes what passes by.
struct Hashing<R> {
    input: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
