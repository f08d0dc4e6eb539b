// SPDX-License-Identifier: Apache-2.0
//! Public keys, as a keyring file has them.
//!
//! A keyring is trusted as a whole: it comes with the plugin or is named by the person. So the bindings in it are
//! read for the life time of keys, but not verified.

use ed25519_dalek::VerifyingKey;
use num_bigint::BigUint;
use sha1::{Digest as _, Sha1};

use super::packet::{Cursor, Packet, packets};
use super::signature::{Binding, Signature};
use super::{VerifyError, armor};

/// `1.3.6.1.4.1.11591.15.1`, the name of the curve in old-style EdDSA keys.
const ED25519_OID: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const SHORTEST_RSA_BITS: u64 = 2048;
/// Bounds the work of a verification; no archive uses more.
const LONGEST_RSA_BITS: u64 = 8192;

/// The number of a key that can be verified with.
#[derive(Debug)]
pub(super) enum Public {
    Rsa { modulus: BigUint, exponent: BigUint },
    Ed25519(VerifyingKey),
}

/// A key that can sign.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) fingerprint: [u8; 20],
    pub(super) created: u32,
    /// When it ends to be valid.
    pub(super) expires: Option<u32>,
    may_sign: bool,
    pub(super) public: Public,
}

impl Key {
    /// Reads a key packet. `None` for one of another version, algorithm or strength.
    fn parse(body: &[u8]) -> Result<Option<Self>, VerifyError> {
        let mut rest = Cursor(body);
        if rest.u8()? != 4 {
            return Ok(None);
        }
        let created = rest.u32()?;
        let public = match rest.u8()? {
            1 | 3 => {
                let modulus = BigUint::from_bytes_be(rest.number()?);
                let exponent = BigUint::from_bytes_be(rest.number()?);
                let is_usable =
                    (SHORTEST_RSA_BITS..=LONGEST_RSA_BITS).contains(&modulus.bits()) && exponent.bits() <= 64;
                if !is_usable {
                    return Ok(None);
                }
                Public::Rsa { modulus, exponent }
            }
            22 => {
                let length = usize::from(rest.u8()?);
                if rest.take(length)? != ED25519_OID {
                    return Ok(None);
                }
                let Some(point) = rest.number()?.strip_prefix(&[0x40]).and_then(|point| point.try_into().ok()) else {
                    return Ok(None);
                };
                let Ok(point) = VerifyingKey::from_bytes(point) else { return Ok(None) };
                Public::Ed25519(point)
            }
            _ => return Ok(None),
        };
        let length = u16::try_from(body.len()).map_err(|_| VerifyError::Malformed("a key is too long"))?;
        let digest = Sha1::new().chain_update([0x99]).chain_update(length.to_be_bytes()).chain_update(body).finalize();
        Ok(Some(Self { fingerprint: digest.into(), created, expires: None, may_sign: true, public }))
    }

    fn apply(&mut self, binding: &Binding) {
        match binding {
            Binding::Revoked { .. } => self.may_sign = false,
            Binding::Life(life) => {
                self.may_sign &= life.may_sign != Some(false);
                // Of several bindings the longest life counts: each was made by the key's owner.
                if let Some(seconds) = life.key_lifetime {
                    let expires = self.created.saturating_add(seconds);
                    self.expires = Some(self.expires.map_or(expires, |known| known.max(expires)));
                }
            }
        }
    }
}

/// The keys that are trusted.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// Reads a keyring file: transferable public keys one after the other, armored or not.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let mut keyring = Self::default();
        // The packets that follow a key belong to it if it `is_open`; not so after a key that is passed over.
        let (mut is_open, mut owner_is_gone) = (false, false);
        for packet in packets(&armor::keys(bytes)?) {
            let Packet { tag, body } = packet?;
            match tag {
                6 | 14 => {
                    owner_is_gone &= tag == 14;
                    let key = Key::parse(body)?.map(|key| Key { may_sign: !owner_is_gone, ..key });
                    is_open = key.is_some();
                    keyring.keys.extend(key);
                }
                2 => {
                    let binding = Signature::parse_binding(body)?;
                    // The word on an owner stands before the owner's subkeys.
                    owner_is_gone |= matches!(binding, Some(Binding::Revoked { with_subkeys: true }));
                    if let (true, Some(key), Some(binding)) = (is_open, keyring.keys.last_mut(), binding) {
                        key.apply(&binding);
                    }
                }
                // User names, trust and padding.
                10 | 12 | 13 | 17 | 21 => {}
                _ => return Err(VerifyError::Malformed("it has packets that do not belong into a keyring")),
            }
        }
        keyring.keys.retain(|key| key.may_sign);
        if keyring.keys.is_empty() {
            return Err(VerifyError::Malformed("it has no key that can be used"));
        }
        Ok(keyring)
    }

    /// Returns the key that a signature names.
    pub(super) fn find(&self, signature: &Signature) -> Option<&Key> {
        self.keys.iter().find(|key| signature.is_by(&key.fingerprint))
    }

    /// Returns the fingerprints of all keys, in the order of the file.
    #[cfg(test)]
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex::encode_upper(key.fingerprint)).collect()
    }
}
