// SPDX-License-Identifier: Apache-2.0
//! The text forms: the clear-signature framework and the armor around binary packets.

use super::VerifyError;

const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const SIGNATURE_END: &str = "-----END PGP SIGNATURE-----";
const KEYS: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const KEYS_END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// A clear-signed text, taken apart.
#[derive(Debug)]
pub(super) struct ClearSigned {
    /// The signed lines, each with its `\n`, without the white space at their ends that a signature does not cover.
    pub(super) text: String,
    /// The packets of the signature block.
    pub(super) signatures: Vec<u8>,
}

impl ClearSigned {
    /// Takes a text apart that has one signed part and nothing before or after it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::Malformed("it is not UTF-8"))?;
        // Also a carriage return: readers disagree on whether it ends a line.
        if text.contains(['\0', '\x0b', '\x0c', '\r']) {
            return Err(VerifyError::Malformed("it has control characters"));
        }
        let mut lines = text.lines();
        if lines.next() != Some(MESSAGE) {
            return Err(VerifyError::Malformed("it does not begin with a signed message"));
        }
        for header in lines.by_ref().take_while(|line| !line.is_empty()) {
            // Only `Hash` headers may stand here; anything else could pass for signed text.
            if !header.starts_with("Hash: ") {
                return Err(VerifyError::Malformed("its signed message has an unknown header"));
            }
        }
        let mut signed = String::with_capacity(text.len());
        loop {
            match lines.next() {
                None => return Err(VerifyError::Malformed("its signed message does not end")),
                Some(SIGNATURE) => break,
                Some(line) => {
                    let line = match line.strip_prefix('-') {
                        None => line,
                        Some(escaped) => {
                            escaped.strip_prefix(' ').ok_or(VerifyError::Malformed("a dash is not escaped"))?
                        }
                    };
                    signed.push_str(line.trim_end_matches([' ', '\t']));
                    signed.push('\n');
                }
            }
        }
        let signatures = decode_body(&mut lines, SIGNATURE_END)?;
        if lines.any(|line| !line.is_empty()) {
            return Err(VerifyError::Malformed("it has text after its signature"));
        }
        Ok(Self { text: signed, signatures })
    }

    /// Returns the bytes that are hashed: lines end in CR LF, and the last has no end.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let text = self.text.strip_suffix('\n').unwrap_or(&self.text);
        text.replace('\n', "\r\n").into_bytes()
    }
}

/// Returns the packets of a public key block, armored or not.
pub(super) fn keys(bytes: &[u8]) -> Result<Vec<u8>, VerifyError> {
    if !bytes.starts_with(b"-----BEGIN ") {
        return Ok(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::Malformed("it is not UTF-8"))?;
    let mut lines = text.lines();
    let mut packets = Vec::new();
    while let Some(line) = lines.next() {
        match line.trim_end() {
            "" => {}
            KEYS => packets.extend(decode_body(&mut lines, KEYS_END)?),
            _ => return Err(VerifyError::Malformed("it is not a public key block")),
        }
    }
    Ok(packets)
}

/// Decodes what follows an armor's first line: headers, an empty line, base64, a checksum, the last line.
fn decode_body<'a>(lines: &mut impl Iterator<Item = &'a str>, end: &str) -> Result<Vec<u8>, VerifyError> {
    let mut code = Vec::new();
    let mut in_headers = true;
    for line in lines {
        let line = line.trim_end();
        if line == end {
            return decode(&code).ok_or(VerifyError::Malformed("its armor is not base64"));
        }
        if in_headers && line.contains(": ") {
            continue;
        }
        in_headers = false;
        // The checksum guards against accidents of transport only, and RFC 9580 tells to ignore it.
        if !line.starts_with('=') {
            code.extend_from_slice(line.as_bytes());
        }
    }
    Err(VerifyError::Malformed("its armor does not end"))
}

fn decode(code: &[u8]) -> Option<Vec<u8>> {
    let padding = code.iter().rev().take_while(|byte| **byte == b'=').count();
    let code = code.get(..code.len() - padding)?;
    if padding > 2 || (code.len() + padding) % 4 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(code.len() * 3 / 4);
    for group in code.chunks(4) {
        let mut word = 0_u32;
        for byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            word = (word << 6) | u32::from(value);
        }
        word <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&word.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}
