// SPDX-License-Identifier: Apache-2.0
//! The network, while resolving only, and only the hosts that the plugin's metadata names.

#[cfg(target_family = "wasm")]
use crate::bindings::resolving::wythe::step::fetch as host;
#[cfg(not(target_family = "wasm"))]
use crate::native::fetch as host;

pub use host::GitCommit;

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

/// Returns the commit that a reference of a git repository stands for: a full name, or the name of a branch, else of a tag;
/// none for what the repository checks out by itself.
///
/// # Errors
///
/// Says what was tried and what came back.
pub fn git(url: &str, reference: Option<&str>) -> Result<GitCommit, String> {
    host::git(url, reference)
}
