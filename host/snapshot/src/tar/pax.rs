// SPDX-License-Identifier: Apache-2.0
//! Records of pax extended headers: `<length> <key>=<value>\n`, where the length counts itself.
//! POSIX.1-2017, pax, "pax Extended Header".

/// Key prefix of extended attributes (star's, which GNU tar, Go and libarchive read).
pub(crate) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Appends one record.
pub(crate) fn append(block: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The three: blank, `=` and newline.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + decimal_digits(rest);
    if decimal_digits(length) != decimal_digits(rest) {
        length = rest + decimal_digits(length);
    }
    block.extend_from_slice(length.to_string().as_bytes());
    block.push(b' ');
    block.extend_from_slice(key);
    block.push(b'=');
    block.extend_from_slice(value);
    block.push(b'\n');
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Takes the next record off `block`. None for anything that is not exactly a record.
pub(crate) fn next<'a>(block: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let blank = block.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = decimal(&block[..blank])?.try_into().ok()?;
    let record = block.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    *block = &block[length..];
    (equals > 0).then(|| (&record[..equals], &record[equals + 1..]))
}

/// Reads an unsigned decimal number and nothing else.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{append, decimal, next};

    #[test]
    fn a_length_counts_itself() {
        for size in [0, 1, 80, 85, 86, 87, 88, 90, 91, 92, 980, 985, 986, 987, 988, 989, 990, 9_980, 9_990] {
            let value = vec![b'x'; size];
            let mut block = Vec::new();
            append(&mut block, b"path", &value);
            let digits = block.iter().position(|byte| *byte == b' ').unwrap();
            assert_eq!(decimal(&block[..digits]), Some(block.len() as u64), "for a value of {size} bytes");
            assert_eq!(next(&mut &block[..]), Some((&b"path"[..], &value[..])));
        }
    }

    #[test]
    fn refuses_what_is_no_record() {
        for text in [
            "",
            "11",
            "11 path=abc",
            "13 path=abc\n",
            "10 path=abc\n",
            "-1 a=b\n",
            "99999999999999999999 a=b\n",
            "5 =b\n",
            "+6 a=b\n",
        ] {
            assert_eq!(next(&mut text.as_bytes()), None, "{text:?} was accepted");
        }
    }

    #[test]
    fn values_may_hold_anything() {
        let mut block = Vec::new();
        append(&mut block, b"a", b"\n=\0");
        append(&mut block, b"b", b"");
        let mut rest = &block[..];
        assert_eq!(next(&mut rest), Some((&b"a"[..], &b"\n=\0"[..])));
        assert_eq!(next(&mut rest), Some((&b"b"[..], &b""[..])));
        assert!(rest.is_empty());
    }
}
