// SPDX-License-Identifier: Apache-2.0
//! Sizes as people write them.

use std::str::FromStr;

/// A limit in bytes; none means that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u64>);

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

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let wrong = || "write a number with a unit, as in `20GB` or `512MiB`, or `none`".to_owned();
        let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic() || char == ' ');
        let unit = text[digits.len()..].trim().to_ascii_lowercase();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let bytes = number.checked_mul(*factor).filter(|bytes| *bytes > 0).ok_or_else(wrong)?;
        Ok(Self(Some(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn a_limit_is_a_number_with_a_unit() {
        for (text, bytes) in
            [("1", 1), ("20GB", 20_000_000_000), ("20 gb", 20_000_000_000), ("512MiB", 512 << 20), ("3k", 3000)]
        {
            assert_eq!(text.parse(), Ok(Limit(Some(bytes))), "{text}");
        }
        assert_eq!("none".parse(), Ok(Limit(None)));
        for text in ["", "GB", "-1", "1.5GB", "0", "99999999999TB", "20 apples"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
