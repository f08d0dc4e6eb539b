// SPDX-License-Identifier: Apache-2.0
//! The order of Debian versions, as deb-version(7) defines it.

use std::cmp::Ordering;

/// Compares two versions. Total: it gives every pair of texts an order, also ones that no package may have.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left) = left.split_once(':').unwrap_or(("0", left));
    let (right_epoch, right) = right.split_once(':').unwrap_or(("0", right));
    // No revision counts as revision `0`: the part comparison sees an empty text and `0` as equal.
    let (left_upstream, left_revision) = left.rsplit_once('-').unwrap_or((left, ""));
    let (right_upstream, right_revision) = right.rsplit_once('-').unwrap_or((right, ""));
    compare_part(left_epoch, right_epoch)
        .then_with(|| compare_part(left_upstream, right_upstream))
        .then_with(|| compare_part(left_revision, right_revision))
}

/// Compares alternating runs of non-digits and digits. Numbers are compared as texts, so no length overflows.
fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        while starts_with_text(left) || starts_with_text(right) {
            match weight(left.first()).cmp(&weight(right.first())) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            left = left.get(1..).unwrap_or_default();
            right = right.get(1..).unwrap_or_default();
        }
        let (left_number, right_number);
        (left_number, left) = split_number(left);
        (right_number, right) = split_number(right);
        match left_number.len().cmp(&right_number.len()).then_with(|| left_number.cmp(right_number)) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

fn starts_with_text(part: &[u8]) -> bool {
    part.first().is_some_and(|byte| !byte.is_ascii_digit())
}

/// A tilde sorts before the end of a part, letters sort before all other characters.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// Splits off the leading digits, without their leading zeros.
fn split_number(part: &[u8]) -> (&[u8], &[u8]) {
    let end = part.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(part.len());
    let (number, rest) = part.split_at(end);
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_deb_version_says() {
        let table = [
            ("1.0", "1.0", Ordering::Equal),
            ("1.0", "1.0-0", Ordering::Equal),
            ("0:1.0", "1.0", Ordering::Equal),
            ("1.00", "1.0", Ordering::Equal),
            ("1.2", "1.10", Ordering::Less),
            ("1:0.1", "9.9", Ordering::Greater),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0~~", "1.0~", Ordering::Less),
            ("1.0~~a", "1.0~", Ordering::Less),
            ("1.0", "1.0a", Ordering::Less),
            ("1.0a", "1.0+", Ordering::Less),
            ("1.0-1", "1.0-1+b1", Ordering::Less),
            ("1.0-1+deb12u2", "1.0-1+deb12u10", Ordering::Less),
            ("1.0-1~bpo12+1", "1.0-1", Ordering::Less),
            ("2-3-1", "2-3-2", Ordering::Less),
            ("99999999999999999999999999:1", "99999999999999999999999998:2", Ordering::Greater),
            ("1.18446744073709551616", "1.18446744073709551615", Ordering::Greater),
            ("", "~", Ordering::Greater),
        ];
        for (left, right, expected) in table {
            assert_eq!(compare(left, right), expected, "{left} against {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} against {left}");
        }
    }

    /// Versions that are near to each other, from a fixed sequence.
    fn versions() -> impl Iterator<Item = String> {
        let mut state = 1_u64;
        let mut below = move |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let parts = ["0", "00", "1", "9", "10", "a", "Z", "~", "~~", "+", ".", "+b1", "~rc", "deb12u"];
        std::iter::repeat_with(move || {
            let epoch = ["", "", "", "0:", "1:"][below(5) as usize];
            let mut part =
                |most: u64| (0..=below(most)).map(|_| parts[below(parts.len() as u64) as usize]).collect::<String>();
            let (upstream, revision) = (part(4), part(3));
            let revision = if revision.len() % 2 == 0 { String::new() } else { format!("-{revision}") };
            // dpkg wants a digit at the beginning, and no `-` but that of the revision.
            format!("{epoch}1{upstream}{revision}")
        })
    }

    #[test]
    fn dpkg_agrees() {
        let judge = |left: &str, relation: &str, right: &str| {
            std::process::Command::new("dpkg").args(["--compare-versions", left, relation, right]).status()
        };
        if judge("1", "eq", "1").is_err() {
            return; // Not a Debian: there is no dpkg to ask.
        }
        let mut versions = versions();
        for _ in 0..300 {
            let (left, right) = (versions.next().unwrap(), versions.next().unwrap());
            let relation = match compare(&left, &right) {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            assert!(judge(&left, relation, &right).unwrap().success(), "dpkg denies that {left} {relation} {right}");
        }
    }
}
