// SPDX-License-Identifier: Apache-2.0
//! One way to write JSON: sorted keys, no white space, UTF-8 as it is.

use serde::Serialize;

/// Returns the canonical JSON of a value: object keys sorted by their bytes, no insignificant white space.
///
/// Digests of plans, keys and image configurations are digests of these bytes (`docs/formats/cache-key.md`).
///
/// # Panics
///
/// Panics where the value cannot be JSON at all (a map with keys that are not strings), which is a fault of the caller's type.
pub fn to_canonical_json<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // `serde_json::Value` keeps objects in a `BTreeMap` (the `preserve_order` feature is off; a test holds it).
    let value = serde_json::to_value(value).expect("wythe's values are representable as JSON");
    serde_json::to_vec(&value).expect("a JSON value is serialisable")
}

#[cfg(test)]
mod tests {
    use super::to_canonical_json;

    #[test]
    fn keys_are_sorted_and_nothing_is_added() {
        let value = serde_json::json!({"b": [1, "ä"], "a": {"z": null, "y": true}});
        let text = String::from_utf8(to_canonical_json(&value)).unwrap();
        assert_eq!(text, r#"{"a":{"y":true,"z":null},"b":[1,"ä"]}"#);
    }

    #[test]
    fn declaration_order_does_not_reach_the_bytes() {
        #[derive(serde::Serialize)]
        struct Backwards {
            zulu: u8,
            alpha: u8,
        }
        let text = to_canonical_json(&Backwards { zulu: 1, alpha: 2 });
        assert_eq!(text, br#"{"alpha":2,"zulu":1}"#);
    }
}
