// SPDX-License-Identifier: Apache-2.0
//! Sizes as people write them.

/// Units and what they stand for, in lower case.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads `20GB`, `512 MiB`, `4096`; nothing else, and no zero.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic() || char == ' ');
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(*factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn a_size_is_a_number_with_a_unit() {
        for (text, bytes) in
            [("1", 1), ("20GB", 20_000_000_000), ("20 gb", 20_000_000_000), ("512MiB", 512 << 20), ("3k", 3000)]
        {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "-1", "1.5GB", "0", "99999999999TB", "20 apples", "none"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
