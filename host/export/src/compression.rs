// SPDX-License-Identifier: Apache-2.0
//! How layers are compressed: one block after the other, each on its own.
//!
//! A compressed layer is the concatenation of the compressed blocks of its archive: gzip members (RFC 1952, 2.2) or zstd
//! frames (RFC 8878, 3.1). Every reader takes such a concatenation, blocks are compressed side by side, and where one
//! ends does not depend on how many threads there are.

use std::fmt;
use std::io;
use std::str::FromStr;

use libdeflater::{CompressionLvl, Compressor};
use oci_spec::image::MediaType;

/// Bytes of an archive that are written at once where they are not compressed.
const PLAIN_BLOCK: usize = 256 << 10;

/// Bytes of an archive in a gzip member. Deflate looks 32 KiB back, so more gains nothing. A format break where changed:
/// layers get other digests.
const GZIP_BLOCK: usize = 1 << 20;

/// Bytes of an archive in a zstd frame: 0.4 % larger than one frame at level 3, and as fast as smaller ones. A format
/// break where changed: layers get other digests.
const ZSTD_BLOCK: usize = 2 << 20;

/// Up to which level gzip can be asked; beyond 9 are levels that no other program has.
const GZIP_LEVELS: std::ops::RangeInclusive<i32> = 1..=12;

/// Up to which level zstd can be asked.
const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=22;

/// How layers are compressed.
///
/// Written as `none`, `gzip`, `zstd`, or with a level as `gzip:9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compression(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    None,
    Gzip(i32),
    Zstd(i32),
}

/// A text that names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no compression: known are none, gzip (levels 1 to 12) and zstd (levels 1 to 22), written as zstd:3")]
pub struct ParseCompressionError(String);

impl Compression {
    /// Layers as they are: nothing has to be computed, and the image keeps the digest it has in the store.
    pub const NONE: Self = Self(Kind::None);

    /// Returns the media type of layers compressed in this way.
    #[must_use]
    pub fn media_type(self) -> MediaType {
        match self.0 {
            Kind::None => MediaType::ImageLayer,
            Kind::Gzip(_) => MediaType::ImageLayerGzip,
            Kind::Zstd(_) => MediaType::ImageLayerZstd,
        }
    }

    /// Tells whether layers stay as they are.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0 == Kind::None
    }

    /// Returns how many bytes of an archive are compressed at once.
    pub(crate) fn block_size(self) -> usize {
        match self.0 {
            Kind::None => PLAIN_BLOCK,
            Kind::Gzip(_) => GZIP_BLOCK,
            Kind::Zstd(_) => ZSTD_BLOCK,
        }
    }

    /// Compresses one block. A fresh state each time, so that the result is a function of the block alone.
    pub(crate) fn compress(self, block: Vec<u8>) -> io::Result<Vec<u8>> {
        match self.0 {
            Kind::None => Ok(block),
            Kind::Gzip(level) => gzip_member(&block, level),
            Kind::Zstd(level) => zstd::bulk::compress(&block, level),
        }
    }
}

fn gzip_member(block: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = CompressionLvl::new(level).expect("levels were checked when the compression was made");
    let mut compressor = Compressor::new(level);
    let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
    let length = compressor.gzip_compress(block, &mut member).map_err(io::Error::other)?;
    member.truncate(length);
    Ok(member)
}

impl FromStr for Compression {
    type Err = ParseCompressionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseCompressionError(text.to_owned());
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level.map(|level| level.parse::<i32>().map_err(|_| refuse())).transpose()?;
        let kind = match name {
            "none" if level.is_none() => Kind::None,
            "gzip" => Kind::Gzip(level.unwrap_or(6)),
            "zstd" => Kind::Zstd(level.unwrap_or(3)),
            _ => return Err(refuse()),
        };
        let is_known = match kind {
            Kind::None => true,
            Kind::Gzip(level) => GZIP_LEVELS.contains(&level),
            Kind::Zstd(level) => ZSTD_LEVELS.contains(&level),
        };
        if is_known { Ok(Self(kind)) } else { Err(refuse()) }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::None => f.write_str("none"),
            Kind::Gzip(level) => write!(f, "gzip:{level}"),
            Kind::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Compression;

    #[test]
    fn prints_what_it_parses() {
        for (text, printed) in
            [("none", "none"), ("gzip", "gzip:6"), ("gzip:12", "gzip:12"), ("zstd", "zstd:3"), ("zstd:22", "zstd:22")]
        {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), printed);
        }
        for text in
            ["", "None", "none:1", "gzip:", "gzip:0", "gzip:13", "zstd:0", "zstd:23", "zstd:-1", "xz", "gzip:6:6"]
        {
            assert!(text.parse::<Compression>().is_err(), "{text:?} was accepted");
        }
        assert_eq!(Compression::default(), Compression::NONE);
    }
}
