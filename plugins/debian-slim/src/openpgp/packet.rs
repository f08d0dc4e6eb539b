// SPDX-License-Identifier: Apache-2.0
//! Packets and the numbers in them (RFC 9580 sections 3 and 4).

use super::VerifyError;

const SHORT: VerifyError = VerifyError::Malformed("a packet ends too early");

/// A packet: what it is, and its body.
#[derive(Debug)]
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// Reads packets one after the other. Lengths that are not known beforehand are refused: only data packets have such.
pub(super) fn packets(bytes: &[u8]) -> impl Iterator<Item = Result<Packet<'_>, VerifyError>> {
    let mut rest = Cursor(bytes);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        let packet = packet(&mut rest);
        if packet.is_err() {
            rest.0 = &[];
        }
        Some(packet)
    })
}

fn packet<'a>(rest: &mut Cursor<'a>) -> Result<Packet<'a>, VerifyError> {
    let first = rest.u8()?;
    let (tag, length) = match (first & 0xc0, first & 3) {
        (0xc0, _) => (first & 0x3f, rest.length()?),
        (0x80, 0) => ((first >> 2) & 0xf, usize::from(rest.u8()?)),
        (0x80, 1) => ((first >> 2) & 0xf, usize::from(rest.u16()?)),
        (0x80, 2) => ((first >> 2) & 0xf, rest.u32()? as usize),
        _ => return Err(VerifyError::Malformed("a packet has no usable length")),
    };
    Ok(Packet { tag, body: rest.take(length)? })
}

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], VerifyError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, VerifyError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, VerifyError> {
        Ok(self.take(2)?.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    pub(super) fn u32(&mut self) -> Result<u32, VerifyError> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Reads a length in the new form, as packets and subpackets have it.
    pub(super) fn length(&mut self) -> Result<usize, VerifyError> {
        match self.u8()? {
            short @ 0..192 => Ok(usize::from(short)),
            high @ 192..224 => Ok((usize::from(high) - 192) * 256 + usize::from(self.u8()?) + 192),
            255 => Ok(self.u32()? as usize),
            _ => Err(VerifyError::Malformed("a packet has no usable length")),
        }
    }

    /// Reads a number: its length in bits, then its bytes.
    pub(super) fn number(&mut self) -> Result<&'a [u8], VerifyError> {
        let bits = usize::from(self.u16()?);
        self.take(bits.div_ceil(8))
    }
}
