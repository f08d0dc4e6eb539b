// SPDX-License-Identifier: Apache-2.0
//! The forms in which a value can appear: as it is, and as programs commonly encode it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What is shorter than this could be anywhere by chance, and is not looked for in output.
pub(super) const SHORTEST_SHOWN: usize = 4;

/// The same for files, of which there are more bytes.
pub(super) const SHORTEST_KEPT: usize = 6;

/// Columns at which base64 is broken into lines (`base64`, PEM).
const WIDTHS: [usize; 2] = [76, 64];

/// Lines of a value that are shorter are not looked for by themselves: they say little.
const SHORTEST_LINE: usize = 16;

/// Returns everything that stands for a value, none shorter than `shortest`.
pub(super) fn forms(value: &[u8], shortest: usize) -> BTreeSet<Vec<u8>> {
    let value = value.trim_ascii();
    let mut forms = BTreeSet::new();
    if value.len() < shortest {
        return forms;
    }
    forms.insert(value.to_vec());
    for padding in 0..3 {
        forms.extend(aligned(value, padding, &STANDARD_NO_PAD));
        forms.extend(aligned(value, padding, &URL_SAFE_NO_PAD));
    }
    let hex: String = value.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    });
    forms.insert(hex.to_uppercase().into_bytes());
    forms.insert(hex.into_bytes());
    forms.insert(percent(value));
    if let Ok(text) = std::str::from_utf8(value) {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        forms.insert(quoted.trim_matches('"').as_bytes().to_vec());
    }
    forms.retain(|form| form.len() >= shortest);
    forms
}

/// Returns the further forms that are recognised in output: lines of the value, and of its base64.
pub(super) fn lines(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut lines: BTreeSet<Vec<u8>> =
        value.split(|byte| *byte == b'\n').map(|line| line.trim_ascii().to_vec()).collect();
    let encoded = STANDARD_NO_PAD.encode(value);
    for width in WIDTHS.into_iter().filter(|width| encoded.len() > *width) {
        lines.extend(encoded.as_bytes().chunks(width).map(<[u8]>::to_vec));
    }
    lines.retain(|line| line.len() >= SHORTEST_LINE && !line.starts_with(b"-----"));
    lines
}

/// The part of base64 that is the same whatever stands before the value, with `padding` bytes before it: once where nothing
/// stands after it, and once whatever does.
fn aligned(value: &[u8], padding: usize, engine: &impl base64::Engine) -> [Vec<u8>; 2] {
    let bytes = [&vec![0; padding], value].concat();
    let text = engine.encode(&bytes).into_bytes();
    // Six bits a character: the first ones and the last one may hold bits of the neighbours.
    let first = (padding * 8).div_ceil(6).min(text.len());
    let last = text.len() - usize::from(bytes.len() % 3 != 0);
    [text[first..].to_vec(), text[first..last.max(first)].to_vec()]
}

/// RFC 3986: everything but unreserved characters is a sign and two digits.
fn percent(value: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for byte in value {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            _ => {
                let _infallible = write!(text, "%{byte:02X}");
            }
        }
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::{forms, lines};

    const VALUE: &[u8] = b"hunter2/with?everything\xc3\xbf=";

    fn is_found(text: &str) -> bool {
        let has = |form: &Vec<u8>| text.as_bytes().windows(form.len()).any(|window| window == form);
        forms(VALUE, 6).iter().any(has)
    }

    #[test]
    fn base64_is_recognised_at_every_alignment_and_with_every_neighbour() {
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let whole = [before.as_bytes(), VALUE, after.as_bytes()].concat();
                assert!(is_found(&STANDARD.encode(&whole)), "{before} {after}");
                assert!(is_found(&URL_SAFE.encode(&whole)), "{before} {after}");
            }
        }
    }

    #[test]
    fn other_encodings_are_recognised() {
        let hex = |upper| {
            VALUE.iter().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") }).collect::<String>()
        };
        assert!(is_found(&hex(true)) && is_found(&hex(false)));
        assert!(is_found("https://x/?token=hunter2%2Fwith%3Feverything%C3%BF%3D&y"));
        assert!(!is_found("hunter2"));
    }

    #[test]
    fn what_is_short_is_not_looked_for() {
        assert!(forms(b"abc\n", 4).is_empty());
        assert!(forms(b"abcd", 4).iter().all(|form| form.len() >= 4));
        assert!(lines(b"-----BEGIN KEY-----\nshort\n").is_empty());
        assert_eq!(lines(b"a line that says something\n").len(), 1);
    }
}
