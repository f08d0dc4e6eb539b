// SPDX-License-Identifier: Apache-2.0
//! The digest of a content. One algorithm: SHA-256.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written `sha256:` and 64 lower-case hexadecimal digits.
///
/// OCI image-spec, descriptor.md, "Digests". Other algorithms are refused when parsing: what is stored here
/// has one name only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The algorithm and what stands between it and the digits.
const PREFIX: &[u8] = b"sha256:";

/// A digest as it is written, without a place on the heap: keys and records are full of them.
struct Written([u8; PREFIX.len() + 64]);

impl Written {
    fn of(digest: &Digest) -> Self {
        let mut text = [0; PREFIX.len() + 64];
        let (prefix, digits) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        hex::encode_to_slice(digest.0, digits).expect("a byte is two digits");
        Self(text)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.0).expect("digits are ASCII")
    }

    fn hex(&self) -> &str {
        &self.text()[PREFIX.len()..]
    }
}

/// A text that is not a digest of the one accepted form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest of the form sha256:<64 lower-case hexadecimal digits>")]
pub struct ParseDigestError(String);

impl Digest {
    /// Returns the digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the 64 hexadecimal digits, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        Written::of(self).hex().to_owned()
    }

    /// Returns the first 12 hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }

    /// Parses 64 lower-case hexadecimal digits without the algorithm.
    ///
    /// # Errors
    ///
    /// Anything else is refused, upper-case digits included.
    pub fn from_hex(text: &str) -> Result<Self, ParseDigestError> {
        let refuse = || ParseDigestError(text.to_owned());
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| refuse())?;
        Ok(Self(bytes))
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("sha256:")
            .and_then(|hex| Self::from_hex(hex).ok())
            .ok_or_else(|| ParseDigestError(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Written::of(self).text())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Written::of(self).text())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a digest and counts bytes while they pass by.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    state: Sha256,
    length: u64,
}

impl Hasher {
    /// Starts with no bytes seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// Returns how many bytes were seen.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the digest of all bytes seen.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.state.finalize().into())
    }
}

/// A digest half done, between two blocks of its input: the intermediate hash value of FIPS 180-4 (6.2.2) and the bytes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Midway {
    /// The eight words, each with its lowest byte first.
    pub words: [u8; WORDS],
    /// Bytes seen, a multiple of 64.
    pub length: u64,
}

/// Length of an intermediate hash value.
const WORDS: usize = 32;

/// Length of a block (FIPS 180-4, figure 1).
const BLOCK: u64 = 64;

impl Hasher {
    /// Returns what goes on from here, where this is between two blocks.
    #[must_use]
    pub fn midway(&self) -> Option<Midway> {
        let words = self.state.serialize()[..WORDS].try_into().ok()?;
        self.length.is_multiple_of(BLOCK).then_some(Midway { words, length: self.length })
    }

    /// Goes on from there; none where that is not between two blocks.
    #[must_use]
    pub fn resume(midway: &Midway) -> Option<Self> {
        // The words, the number of blocks, and a buffer that is empty, as it is at the beginning.
        let mut state = Sha256::new().serialize();
        state[..WORDS].copy_from_slice(&midway.words);
        state[WORDS..WORDS + size_of::<u64>()].copy_from_slice(&(midway.length / BLOCK).to_le_bytes());
        let state = Sha256::deserialize(&state).ok().filter(|_| midway.length.is_multiple_of(BLOCK))?;
        Some(Self { state, length: midway.length })
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Hasher, Midway};

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn prints_and_parses_the_one_form() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>(), Ok(digest));
        assert_eq!(digest.short(), "e3b0c44298fc");
    }

    #[test]
    fn refuses_every_other_form() {
        let hex = &EMPTY["sha256:".len()..];
        for text in [
            "",
            "sha256:",
            hex,
            &EMPTY.to_uppercase(),
            &format!("sha256:{}", hex.to_uppercase()),
            &format!("sha512:{hex}"),
            &format!("{EMPTY}0"),
            &EMPTY[..EMPTY.len() - 1],
            "sha256:../../../../etc/passwd",
            &format!("sha256:{}g", &hex[1..]),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn hashing_in_pieces_is_hashing_at_once() {
        let mut hasher = Hasher::new();
        hasher.update(b"wy");
        hasher.update(b"the");
        assert_eq!(hasher.length(), 5);
        assert_eq!(hasher.finish(), Digest::of(b"wythe"));
    }

    #[test]
    fn hashing_goes_on_from_between_two_blocks() {
        let bytes: Vec<u8> = (0..1000u32).map(|at| (at % 251) as u8).collect();
        for length in [0, 64, 128, 960] {
            let mut before = Hasher::new();
            before.update(&bytes[..length]);
            let midway = before.midway().unwrap();
            assert_eq!(midway.length, length as u64);
            let mut after = Hasher::resume(&midway).unwrap();
            after.update(&bytes[length..]);
            assert_eq!((after.length(), after.finish()), (1000, Digest::of(&bytes)), "from {length} on");
        }
        let mut inside = Hasher::new();
        inside.update(&bytes[..65]);
        assert_eq!(inside.midway(), None);
        assert!(Hasher::resume(&Midway { words: [0; 32], length: 65 }).is_none());
    }

    #[test]
    fn the_words_are_those_of_the_standard() {
        // FIPS 180-4, 5.3.3: the initial hash value.
        let words = Hasher::new().midway().unwrap().words;
        assert_eq!(u32::from_le_bytes(words[..4].try_into().unwrap()), 0x6a09_e667);
        assert_eq!(u32::from_le_bytes(words[28..].try_into().unwrap()), 0x5be0_cd19);
    }
}
