// SPDX-License-Identifier: Apache-2.0
//! Sizes as people write them.

use std::str::FromStr;

use wythe_plan::spec::parse_size;

/// A limit in bytes; none means that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<u64>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let bytes = parse_size(text);
        let wrong = || "write a number with a unit, as in `20GB` or `512MiB`, or `none`".to_owned();
        bytes.map(|bytes| Self(Some(bytes))).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn a_limit_is_a_number_with_a_unit() {
        assert_eq!("20 gb".parse(), Ok(Limit(Some(20_000_000_000))));
        assert_eq!("none".parse(), Ok(Limit(None)));
        for text in ["", "-1", "0", "20 apples"] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }
}
