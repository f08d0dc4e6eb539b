// SPDX-License-Identifier: Apache-2.0
//! Signature packets of version 4 (RFC 9580 section 5.2).

use num_bigint::BigUint;
use sha2::{Sha256, Sha384, Sha512};

use super::VerifyError;
use super::key::{Key, Public};
use super::packet::{Cursor, Packet};

/// A signature of a canonical text document.
const TEXT: u8 = 0x01;
/// Withdrawals of a key and of a subkey.
const KEY_REVOCATION: u8 = 0x20;
const SUBKEY_REVOCATION: u8 = 0x28;

/// What stands before the digest in a PKCS #1 v1.5 signature: the digest's name in DER (RFC 8017 section 9.2).
const SHA256_PREFIX: [u8; 19] = *b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
const SHA384_PREFIX: [u8; 19] = *b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30";
const SHA512_PREFIX: [u8; 19] = *b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40";

/// What the subpackets of a signature say.
#[derive(Debug, Default)]
pub(super) struct Subpackets {
    created: Option<u32>,
    pub(super) key_lifetime: Option<u32>,
    /// Whether the key may sign, where this is said.
    pub(super) may_sign: Option<bool>,
    fingerprint: Option<[u8; 20]>,
    key_id: Option<[u8; 8]>,
    has_unknown_critical: bool,
}

impl Subpackets {
    fn read(&mut self, area: &[u8], is_hashed: bool) -> Result<(), VerifyError> {
        let mut rest = Cursor(area);
        while !rest.0.is_empty() {
            let length = rest.length()?;
            let (kind, body) =
                rest.take(length)?.split_first().ok_or(VerifyError::Malformed("a subpacket has no type"))?;
            let seconds = || Cursor(body).u32();
            match kind & 0x7f {
                2 if is_hashed => self.created = Some(seconds()?),
                9 if is_hashed => self.key_lifetime = Some(seconds()?).filter(|seconds| *seconds != 0),
                27 if is_hashed => self.may_sign = Some(body.first().is_some_and(|flags| flags & 2 != 0)),
                16 => self.key_id = body.try_into().ok().or(self.key_id),
                33 => self.fingerprint = body.strip_prefix(&[4]).and_then(|it| it.try_into().ok()).or(self.fingerprint),
                // The signature's own life time has no clock to be held against; preferences and the signer's name
                // make no difference here.
                3 | 11 | 21..=31 | 34 | 35 => {}
                _ => self.has_unknown_critical |= kind & 0x80 != 0,
            }
        }
        Ok(())
    }
}

/// What a signature in a keyring says about a key.
#[derive(Debug)]
pub(super) enum Binding {
    /// What it is for, and how long.
    Life(Subpackets),
    /// That it is no longer to be used, and for the word on a primary key, none of its subkeys.
    Revoked { with_subkeys: bool },
}

/// A signature that can be verified.
#[derive(Debug)]
pub(super) struct Signature<'a> {
    kind: u8,
    algorithm: u8,
    hash: u8,
    subpackets: Subpackets,
    /// The part of the packet that is hashed after the text.
    hashed: &'a [u8],
    /// The first two bytes of the digest.
    check: [u8; 2],
    numbers: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Reads a packet of a signature block. `None` for a signature of another version.
    pub(super) fn parse(packet: &Packet<'a>) -> Result<Option<Self>, VerifyError> {
        if packet.tag != 2 {
            return Err(VerifyError::Malformed("its signature block has other packets than signatures"));
        }
        Self::parse_body(packet.body)
    }

    /// Reads what a signature in a keyring says about the key before it.
    pub(super) fn parse_binding(body: &'a [u8]) -> Result<Option<Binding>, VerifyError> {
        Ok(Self::parse_body(body)?.and_then(|signature| match signature.kind {
            // Certifications of a name, subkey bindings, direct key signatures.
            0x10..=0x13 | 0x18 | 0x1f => Some(Binding::Life(signature.subpackets)),
            KEY_REVOCATION => Some(Binding::Revoked { with_subkeys: true }),
            SUBKEY_REVOCATION => Some(Binding::Revoked { with_subkeys: false }),
            _ => None,
        }))
    }

    fn parse_body(body: &'a [u8]) -> Result<Option<Self>, VerifyError> {
        let mut rest = Cursor(body);
        if rest.u8()? != 4 {
            return Ok(None);
        }
        let (kind, algorithm, hash) = (rest.u8()?, rest.u8()?, rest.u8()?);
        let mut subpackets = Subpackets::default();
        let length = usize::from(rest.u16()?);
        subpackets.read(rest.take(length)?, true)?;
        let hashed = &body[..body.len() - rest.0.len()];
        let length = usize::from(rest.u16()?);
        subpackets.read(rest.take(length)?, false)?;
        let check = rest.u16()?.to_be_bytes();
        Ok(Some(Self { kind, algorithm, hash, subpackets, hashed, check, numbers: rest.0 }))
    }

    /// Returns whether it names this key as the one that made it.
    pub(super) fn is_by(&self, fingerprint: &[u8; 20]) -> bool {
        match (self.subpackets.fingerprint, self.subpackets.key_id) {
            (Some(named), _) => named == *fingerprint,
            (None, Some(id)) => fingerprint.ends_with(&id),
            (None, None) => false,
        }
    }

    /// Returns the name of the key that made it, as far as it is told.
    pub(super) fn issuer(&self) -> String {
        let fingerprint = self.subpackets.fingerprint.map(hex::encode_upper);
        fingerprint.or_else(|| self.subpackets.key_id.map(hex::encode_upper)).unwrap_or_else(|| "unnamed".to_owned())
    }

    /// Verifies it against the canonical form of a text.
    pub(super) fn verify(&self, key: &Key, text: &[u8]) -> Result<(), VerifyError> {
        let name = || hex::encode_upper(key.fingerprint);
        let unacceptable = |reason| VerifyError::Unacceptable { key: name(), reason };
        self.check_acceptable(key).map_err(unacceptable)?;
        let (digest, prefix) = self.digest(text).ok_or_else(|| unacceptable("uses a digest that is too weak"))?;
        let is_good = digest.starts_with(&self.check)
            && match (&key.public, self.algorithm) {
                (Public::Rsa { modulus, exponent }, 1 | 3) => self.is_good_rsa(modulus, exponent, &digest, &prefix)?,
                (Public::Ed25519(point), 22) => self.is_good_ed25519(point, &digest)?,
                _ => false,
            };
        if is_good { Ok(()) } else { Err(VerifyError::BadSignature(name())) }
    }

    fn check_acceptable(&self, key: &Key) -> Result<(), &'static str> {
        let Some(created) = self.subpackets.created else { return Err("has no date") };
        if self.kind != TEXT {
            Err("is not one of a document")
        } else if self.subpackets.has_unknown_critical {
            Err("has a critical part that is not known")
        } else if created < key.created {
            Err("is older than the key")
        } else if key.expires.is_some_and(|expires| created >= expires) {
            Err("was made after the key had expired")
        } else {
            Ok(())
        }
    }

    /// Hashes the text, the hashed part and its trailer. `None` for a digest that is not trusted.
    fn digest(&self, text: &[u8]) -> Option<(Vec<u8>, [u8; 19])> {
        let length = u32::try_from(self.hashed.len()).ok()?.to_be_bytes();
        let parts = [text, self.hashed, &[4, 0xff], &length];
        match self.hash {
            8 => Some((hash::<Sha256>(&parts), SHA256_PREFIX)),
            9 => Some((hash::<Sha384>(&parts), SHA384_PREFIX)),
            10 => Some((hash::<Sha512>(&parts), SHA512_PREFIX)),
            _ => None,
        }
    }

    /// Builds what a PKCS #1 v1.5 signature of the digest decrypts to, and compares all of it: nothing is parsed.
    fn is_good_rsa(
        &self,
        modulus: &BigUint,
        exponent: &BigUint,
        digest: &[u8],
        prefix: &[u8],
    ) -> Result<bool, VerifyError> {
        let number = BigUint::from_bytes_be(Cursor(self.numbers).number()?);
        if number >= *modulus {
            return Ok(false);
        }
        let length = usize::try_from(modulus.bits().div_ceil(8)).unwrap_or(usize::MAX);
        let mut expected = vec![0xff; length - prefix.len() - digest.len()];
        (expected[0], expected[1]) = (0, 1);
        if let Some(last) = expected.last_mut() {
            *last = 0;
        }
        expected.extend_from_slice(prefix);
        expected.extend_from_slice(digest);
        Ok(number.modpow(exponent, modulus) == BigUint::from_bytes_be(&expected))
    }

    fn is_good_ed25519(&self, point: &ed25519_dalek::VerifyingKey, digest: &[u8]) -> Result<bool, VerifyError> {
        let mut rest = Cursor(self.numbers);
        let mut bytes = [0; 64];
        for half in bytes.chunks_mut(32) {
            // Leading zeros are left out of a number.
            let number = rest.number()?;
            let Some(start) = half.len().checked_sub(number.len()) else { return Ok(false) };
            half[start..].copy_from_slice(number);
        }
        Ok(point.verify_strict(digest, &ed25519_dalek::Signature::from_bytes(&bytes)).is_ok())
    }
}

fn hash<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_vec()
}
