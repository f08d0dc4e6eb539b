// SPDX-License-Identifier: Apache-2.0
//! Sizes as Docker's command line has them.

/// Units by their first letters, each 1024 times the one before.
const UNITS: [&str; 6] = ["b", "k", "m", "g", "t", "p"];

/// Reads `64m`, `1.5g`, `2GiB`, `4096`: `m`, `mb` and `mib` are all the same power of 1024.
pub(super) fn docker_size(text: &str) -> Result<u64, String> {
    read(text).ok_or_else(|| "it is not a size such as 64m, 1.5g or a number of bytes".to_owned())
}

fn read(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic()).trim_end();
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let letter = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = if letter.is_empty() { 0 } else { UNITS.iter().position(|known| *known == letter)? };
    let factor = 1u64.checked_shl(10 * u32::try_from(power).ok()?)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(factor) * fraction.parse::<u128>().ok()? / scale;
    let bytes = whole.parse::<u128>().ok()?.checked_mul(factor.into())?.checked_add(part)?;
    // What the kernel takes as the size of a file system.
    u64::try_from(bytes).ok().filter(|bytes| *bytes <= i64::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn units_are_powers_of_1024() {
        let table = [
            ("0", 0),
            ("4096", 4096),
            ("64m", 64 << 20),
            ("64MB", 64 << 20),
            ("64 MiB", 64 << 20),
            ("1.5g", 3 << 29),
            ("3kb", 3072),
            ("7b", 7),
        ];
        for (text, bytes) in table {
            assert_eq!(read(text), Some(bytes), "{text}");
        }
        for text in ["", "m", "-1", "1,5g", ".5g", "1.g", "64 apples", "1ibb", "999999999999999p", "1e3", "0x10"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
