// SPDX-License-Identifier: Apache-2.0
//! The fields of a header block.

use super::TarError;

/// Returns whether the checksum of a block is right. Some archivers summed signed bytes.
pub(super) fn is_header(block: &[u8; 512]) -> bool {
    let Some(stated) = octal(&block[148..156]) else { return false };
    let bytes = || block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    stated == unsigned || i64::try_from(stated) == Ok(signed)
}

/// A header block.
pub(super) struct Header<'a> {
    pub(super) block: &'a [u8; 512],
    /// Where it is in the archive.
    pub(super) at: u64,
}

impl Header<'_> {
    pub(super) fn kind(&self) -> u8 {
        self.block[156]
    }

    pub(super) fn field(&self, start: usize, length: usize) -> &[u8] {
        &self.block[start..start + length]
    }

    pub(super) fn number(&self, start: usize, length: usize, field: &'static str) -> Result<u64, TarError> {
        number(self.field(start, length)).ok_or(TarError::Field { at: self.at, field })
    }

    pub(super) fn size(&self) -> Result<u64, TarError> {
        self.number(124, 12, "size")
    }

    /// A time before 1970 is taken for 1970: a layer cannot hold it.
    pub(super) fn time(&self) -> Result<i64, TarError> {
        if self.block[136] & 0xC0 == 0xC0 {
            return Ok(0);
        }
        let seconds = self.number(136, 12, "time")?;
        i64::try_from(seconds).map_err(|_| TarError::Field { at: self.at, field: "time" })
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = c_string(self.field(0, 100).to_vec());
        let prefix = c_string(self.field(345, 155).to_vec());
        // Only POSIX's format has a prefix; GNU's keeps other things there.
        if self.field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            return [&prefix[..], b"/", &name].concat();
        }
        name
    }
}

/// Reads a number field: octal, or binary with the highest bit set (GNU's and star's extension).
fn number(field: &[u8]) -> Option<u64> {
    match field[0] {
        0x80 => field[1..]
            .iter()
            .try_fold(0_u64, |value, byte| value.checked_mul(256).map(|value| value | u64::from(*byte))),
        // Negative, or another extension.
        byte if byte & 0x80 != 0 => None,
        _ => octal(field),
    }
}

/// Reads octal digits between blanks; an empty field is zero.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let rest = &field[start..];
    let end = rest.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(rest.len());
    rest[..end].iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8).map(|value| value | u64::from(byte - b'0')),
        _ => None,
    })
}

pub(super) fn c_string(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}
