// SPDX-License-Identifier: Apache-2.0
//! Credentials in addresses are not repeated.

use serde_json::Value;

/// Returns a text in which the user and the password of every address are stars.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || c == '"').unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                out.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    out + rest
}

/// Does the same in every text of a value.
pub(super) fn redact_value(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = redacted(text),
        Value::Array(list) => list.iter_mut().for_each(redact_value),
        Value::Object(object) => object.values_mut().for_each(redact_value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn credentials_become_stars_and_nothing_else_does() {
        for (text, expected) in [
            ("https://user:p@ss@host/x and ftp://a@b", "https://***@host/x and ftp://***@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("user@host", "user@host"),
            ("x://", "x://"),
            ("", ""),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }
}
