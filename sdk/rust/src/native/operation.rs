// SPDX-License-Identifier: Apache-2.0
//! Plan operations as JSON, with what stands at its default left out.

use base64::Engine as _;
use serde_json::{Map, Value};

/// Returns an object of those fields that say something.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let said = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    let fields = fields.into_iter().filter(|(_, value)| said(value));
    Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// Returns `{ "<name>": <value> }`.
pub(crate) fn tagged(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Returns bytes as text where they are UTF-8, else as `base64:…`.
pub(crate) fn text_or_base64(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with("base64:") => text.into(),
        _ => format!("base64:{}", base64::prelude::BASE64_STANDARD.encode(bytes)).into(),
    }
}

/// Holds a path to the interface's rule. The host traps where this panics.
pub(crate) fn absolute(path: &str) -> Value {
    assert!(path.starts_with('/'), "`{path}` is not an absolute path");
    path.into()
}

/// Holds an address of a git repository to the interface's rule, as far as it can be got wrong by chance.
pub(crate) fn git_url(url: &str) -> Value {
    let is_known = ["https://", "http://", "git://", "ssh://"].iter().any(|scheme| url.starts_with(scheme));
    assert!(is_known || (url.contains('@') && !url.contains("://")), "`{url}` is not an address of a git repository");
    let has_user = url.split_once("://").is_some_and(|(scheme, rest)| {
        scheme != "ssh" && rest.split('/').next().is_some_and(|authority| authority.contains('@'))
    });
    assert!(!has_user, "an address of a git repository has a user or a password in it");
    url.into()
}

/// Whether all letters are hexadecimal digits as digests and commits have them.
pub(crate) fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Holds an archive format to the interface's words.
pub(crate) fn format(word: &str) -> Value {
    assert!(matches!(word, "tar" | "zip" | "deb-data" | "deb-control"), "`{word}` is not a known archive format");
    word.into()
}
