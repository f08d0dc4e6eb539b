// SPDX-License-Identifier: Apache-2.0
//! Ports as `EXPOSE` writes them: `80`, `80/tcp`, `8000-8010/udp`.

/// Reads a port or a range and returns each port with its protocol.
///
/// # Errors
///
/// A fragment that says what is wrong.
pub(super) fn read(text: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`{text}` is not a port such as `80`, `53/udp` or `8000-8010`");
    // An address and a port of the machine may stand in front, and mean nothing here.
    let inner = text.rsplit_once(':').map_or(text, |(_, inner)| inner);
    let (numbers, protocol) = inner.split_once('/').unwrap_or((inner, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("`{protocol}` is no protocol: `tcp`, `udp` or `sctp`"));
    }
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|port| is_number && *port > 0).ok_or_else(wrong)
    };
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn ports_and_ranges() {
        assert_eq!(read("80"), Ok(vec!["80/tcp".into()]));
        assert_eq!(read("53/UDP"), Ok(vec!["53/udp".into()]));
        assert_eq!(read("8-9"), Ok(vec!["8/tcp".into(), "9/tcp".into()]));
        assert_eq!(read("127.0.0.1:8080:80"), Ok(vec!["80/tcp".into()]));
        for text in ["", "0", "65536", "a", "9-8", "80/", "80/x", "80:", "+1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
