// SPDX-License-Identifier: Apache-2.0
//! Durations as Go writes them: `1m30s`, `1.5h`, `200ms`.

/// The units and their nanoseconds. `m` stands behind `ms`.
const UNITS: [(&str, f64); 7] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads a duration and returns it in nanoseconds. Shorter than a millisecond is refused, as in health checks.
///
/// # Errors
///
/// A fragment that says what is wrong.
pub(super) fn read(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a duration such as `30s`, `1m30s` or `500ms`");
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let (unit, size) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(wrong)?;
        sum += number * size;
        rest = &rest[unit.len()..];
    }
    if text.is_empty() || sum > 9e18 {
        return Err(wrong());
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 9e18")]
    let nanoseconds = sum.round() as u64;
    if nanoseconds > 0 && nanoseconds < 1_000_000 {
        return Err(format!("`{text}` is shorter than a millisecond"));
    }
    Ok(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn durations_are_read_as_go_does() {
        for (text, nanoseconds) in [
            ("30s", 30_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("200ms", 200_000_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(read(text), Ok(nanoseconds), "{text}");
        }
        for text in ["", "30", "s", "1x", "-1s", "1..5s", "1us", "99999999999h"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
