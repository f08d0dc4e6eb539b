// SPDX-License-Identifier: Apache-2.0
//! The members of a Debian binary package (deb(5)): an ar(5) archive of `debian-binary`, `control.tar` and `data.tar`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};

/// The first bytes of every ar archive.
const MAGIC: &[u8; 8] = b"!<arch>\n";
/// Bytes of a member's header.
const HEADER: usize = 60;

/// Why a package could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file could not be read.
    #[error("cannot read the package")]
    Read(#[source] io::Error),
    /// It is no ar archive, or ends early.
    #[error("not a Debian binary package: {0}")]
    Malformed(&'static str),
    /// The format of the package is newer than this reader.
    #[error("the package has format version `{0}`, and only 2.x is known")]
    Version(String),
}

/// Returns the member `control.tar` or `data.tar`, still compressed.
///
/// As strict as the reference implementation: the version comes first and is 2.x, then `control.tar`, then `data.tar`, each with one of
/// the known endings; only members whose names begin with `_` may stand between them.
pub(crate) fn member(mut file: File, wanted: &str) -> Result<Take<File>, DebError> {
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|error| early(error, "it does not begin as an ar archive"))?;
    if &magic != MAGIC {
        return Err(DebError::Malformed("it does not begin as an ar archive"));
    }
    version(&mut file)?;
    for expected in ["control.tar", "data.tar"] {
        let size = find(&mut file, expected)?;
        if expected == wanted {
            return Ok(file.take(size));
        }
        skip(&mut file, size + size % 2)?;
    }
    Err(DebError::Malformed("no such member"))
}

fn version(file: &mut File) -> Result<(), DebError> {
    let (name, size) = header(file)?;
    if name != "debian-binary" {
        return Err(DebError::Malformed("its first member is not `debian-binary`"));
    }
    if size > 64 {
        return Err(DebError::Malformed("its version is too long"));
    }
    let mut text = Vec::new();
    file.by_ref().take(size).read_to_end(&mut text).map_err(DebError::Read)?;
    skip(file, size % 2)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.split('\n').next().unwrap_or("");
    if line.strip_prefix("2.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(());
    }
    Err(DebError::Version(line.to_owned()))
}

/// Goes to the content of the member that has to come next and returns its size.
fn find(file: &mut File, expected: &str) -> Result<u64, DebError> {
    loop {
        let (name, size) = header(file)?;
        let ending = name.strip_prefix(expected);
        match ending {
            Some("" | ".gz" | ".xz" | ".zst" | ".bz2" | ".lzma") => return Ok(size),
            _ if name.starts_with('_') => skip(file, size + size % 2)?,
            _ => return Err(DebError::Malformed("its members are not those of a package, in their order")),
        }
    }
}

fn header(file: &mut File) -> Result<(String, u64), DebError> {
    let mut header = [0; HEADER];
    file.read_exact(&mut header).map_err(|error| early(error, "a member is missing"))?;
    if &header[58..] != b"`\n" {
        return Err(DebError::Malformed("a member's header is broken"));
    }
    let text =
        |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(|text| text.trim_end_matches(' '));
    let (Ok(name), Ok(size)) = (text(0..16), text(48..58)) else {
        return Err(DebError::Malformed("a member's header is broken"));
    };
    let size = crate::tar::pax::decimal(size.as_bytes()).ok_or(DebError::Malformed("a member's size is no number"))?;
    // Some archivers end names with a slash.
    Ok((name.strip_suffix('/').unwrap_or(name).to_owned(), size))
}

fn skip(file: &mut File, size: u64) -> Result<(), DebError> {
    let by = i64::try_from(size).map_err(|_| DebError::Malformed("a member's size is no size"))?;
    file.seek(SeekFrom::Current(by)).map(|_| ()).map_err(DebError::Read)
}

fn early(error: io::Error, what: &'static str) -> DebError {
    if error.kind() == io::ErrorKind::UnexpectedEof { DebError::Malformed(what) } else { DebError::Read(error) }
}
