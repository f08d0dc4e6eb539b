// SPDX-License-Identifier: Apache-2.0
//! The network, while resolving only, and only the hosts that the plugin's metadata names.

#[cfg(target_family = "wasm")]
use crate::bindings::resolving::wythe::step::fetch as host;
#[cfg(not(target_family = "wasm"))]
use crate::native::fetch as host;

/// Returns the body of a URL.
///
/// # Errors
///
/// Says what was tried and what came back.
pub fn get(url: &str) -> Result<Vec<u8>, String> {
    host::get(url)
}

/// Returns the body of a URL as text.
///
/// # Errors
///
/// As [`get`]; also where the body is not UTF-8.
pub fn get_text(url: &str) -> Result<String, String> {
    String::from_utf8(get(url)?).map_err(|_| format!("{url} is not UTF-8 text"))
}
