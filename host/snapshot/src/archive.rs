// SPDX-License-Identifier: Apache-2.0
//! Archives that a step brings in, and the names in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(crate) mod ahead;
mod ar;
mod codec;
pub(crate) mod inside;
pub(crate) mod zip;

use crate::tar::read::TarReader;

pub use crate::tar::read::TarError;
pub use ar::DebError;
pub use inside::NameError;
pub use zip::ZipError;

pub(crate) use codec::decompress;

/// How an archive is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Archive {
    /// A tar archive, plain or compressed with gzip, bzip2, xz or zstd.
    Tar,
    /// A zip archive.
    Zip,
    /// The files of a Debian binary package (`data.tar`, deb(5)).
    DebData,
    /// The control members of a Debian binary package (`control.tar`).
    DebControl,
}

/// Why the names of an archive could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the archive `{}`", path.display())]
pub struct ListError {
    /// The archive on the machine.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: ArchiveError,
}

/// What can be wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file could not be opened or read.
    #[error("cannot open it")]
    Open(#[source] io::Error),
    /// It is damaged, or compressed in a way that asks for too much memory.
    #[error("cannot decompress it")]
    Decompress(#[source] io::Error),
    /// It is no such package.
    #[error("not a usable package")]
    Deb(#[source] DebError),
    /// It is no such tar archive.
    #[error("not a usable tar archive")]
    Tar(#[source] TarError),
    /// It is no such zip archive.
    #[error("not a usable zip archive")]
    Zip(#[source] ZipError),
    /// A member has a name that leads out of the archive, or none.
    #[error("a member has an unacceptable name")]
    Name(#[source] NameError),
    /// Names are listed one a line.
    #[error("the name {0:?} contains a line break and cannot be listed")]
    LineBreak(String),
}

impl Archive {
    /// Opens a tar archive of this format, uncompressed. None for what is no tar archive.
    pub(crate) fn open_tar(self, path: &Path) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::Open)?;
        let plain = match self {
            Self::Zip => return Ok(None),
            Self::Tar => decompress(file),
            Self::DebData => decompress(ar::member(file, "data.tar").map_err(ArchiveError::Deb)?),
            Self::DebControl => decompress(ar::member(file, "control.tar").map_err(ArchiveError::Deb)?),
        };
        plain.map(Some).map_err(ArchiveError::Open)
    }

    /// Returns whether what is there already keeps its attributes, and a directory its place when a link wants it.
    pub(crate) fn is_package(self) -> bool {
        matches!(self, Self::DebData | Self::DebControl)
    }
}

/// Returns the absolute names of an archive's members in the archive's order: `/.` for its root, no slash at the end.
///
/// # Errors
///
/// When the archive cannot be read, or a name leads out of it.
pub fn archive_names(path: &Path, format: Archive) -> Result<Vec<String>, ListError> {
    names(path, format).map_err(|source| ListError { path: path.into(), source })
}

fn names(path: &Path, format: Archive) -> Result<Vec<String>, ArchiveError> {
    let mut names = Vec::new();
    let mut add = |untrusted: &[u8]| {
        let name = inside::parse(untrusted).map_err(ArchiveError::Name)?;
        names.push(line_of(&name)?);
        Ok(())
    };
    match format.open_tar(path)? {
        Some(plain) => {
            let mut reader = TarReader::new(plain);
            while let Some(member) = reader.next().map_err(ArchiveError::Tar)? {
                add(&member.untrusted_path)?;
            }
        }
        None => {
            let mut archive = zip::Zip::open(path).map_err(ArchiveError::Zip)?;
            for at in 0..archive.len() {
                add(&archive.untrusted_name(at).map_err(ArchiveError::Zip)?)?;
            }
        }
    }
    Ok(names)
}

/// Returns whether a file is a tar archive with something in it, plain or compressed. Its first header tells, if only by its
/// checksum: an archive that cannot be unpacked is an error then, and not a file like others.
#[must_use]
pub fn is_tar(path: &Path) -> bool {
    let Ok(Some(plain)) = Archive::Tar.open_tar(path) else { return false };
    matches!(TarReader::new(plain).next(), Ok(Some(_)) | Err(TarError::Field { .. } | TarError::Unsupported { .. }))
}

/// Returns a name in the form in which it is listed.
pub(crate) fn line_of(inside: &[u8]) -> Result<String, ArchiveError> {
    let name = String::from_utf8_lossy(inside);
    if inside.contains(&b'\n') {
        return Err(ArchiveError::LineBreak(name.into_owned()));
    }
    Ok(if inside.is_empty() { "/.".to_owned() } else { format!("/{name}") })
}
