// SPDX-License-Identifier: Apache-2.0
//! Verification of clear-signed texts (RFC 9580 section 7), and nothing else of OpenPGP.
//!
//! The general libraries bring encryption, key generation, and with them random numbers and a clock, which a plugin
//! does not have. What the archive uses is small: version 4 keys and signatures, RSA and Ed25519, SHA-2. That is
//! read here, strictly; the arithmetic is that of libraries. Anything else is not understood, and what is not
//! understood does not count as a signature.

mod armor;
mod key;
mod packet;
mod signature;

pub(crate) use key::Keyring;

use armor::ClearSigned;
use signature::Signature;

/// Most signatures that are looked at. An archive in transition between keys makes three.
const MOST_SIGNATURES: usize = 16;

/// Why a text is not trusted, or a keyring not used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum VerifyError {
    /// The armor or the packets are not what they should be.
    Malformed(&'static str),
    /// No signature is by a key of the keyring. The identifiers of those that signed.
    UnknownKeys(Vec<String>),
    /// A signature by a known key does not fit the text.
    BadSignature(String),
    /// A signature by a known key was made when the key was not valid, or is too weak.
    Unacceptable {
        /// The key's fingerprint.
        key: String,
        /// What is wrong.
        reason: &'static str,
    },
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(what) => formatter.write_str(what),
            Self::UnknownKeys(keys) if keys.is_empty() => formatter.write_str("it has no signature that can be read"),
            Self::UnknownKeys(keys) => {
                write!(formatter, "it is signed by keys that are not trusted: {}", keys.join(", "))
            }
            Self::BadSignature(key) => write!(formatter, "the signature by key {key} does not fit its text"),
            Self::Unacceptable { key, reason } => write!(formatter, "the signature by key {key} {reason}"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// Returns the text that was signed, if a key of the keyring signed it and all signatures by such keys are good.
///
/// Text outside of the signed part is refused. What is returned is what was hashed, line by line.
pub(crate) fn verify(bytes: &[u8], keyring: &Keyring) -> Result<String, VerifyError> {
    let signed = ClearSigned::parse(bytes)?;
    let (mut good, mut unknown) = (0, Vec::new());
    let packets = packet::packets(&signed.signatures).collect::<Result<Vec<_>, _>>()?;
    if packets.len() > MOST_SIGNATURES {
        return Err(VerifyError::Malformed("it has too many signatures"));
    }
    for packet in packets {
        // A packet of another version or algorithm may be the future's: it counts for nothing.
        let Some(signature) = Signature::parse(&packet)? else { continue };
        match keyring.find(&signature) {
            Some(key) => {
                signature.verify(key, &signed.canonical())?;
                good += 1;
            }
            None => unknown.push(signature.issuer()),
        }
    }
    if good == 0 { Err(VerifyError::UnknownKeys(unknown)) } else { Ok(signed.text) }
}

#[cfg(test)]
mod tests;
