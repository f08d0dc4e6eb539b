// SPDX-License-Identifier: Apache-2.0
//! Facts about the build. The host records each question with a digest of its answer.

use crate::host::build as host;

/// Returns the platform of the image, as `os/architecture[/variant]`.
#[must_use]
pub fn platform() -> String {
    host::platform()
}

/// Returns the platform of the machine that builds, in the same form.
#[must_use]
pub fn machine_platform() -> String {
    host::machine_platform()
}

/// Returns the builder version that the definition names, for example `2026.11`.
#[must_use]
pub fn builder_version() -> String {
    host::builder_version()
}

/// Returns the time that the build pretends it is, in seconds since 1970-01-01.
#[must_use]
pub fn source_date_epoch() -> u64 {
    host::source_date_epoch()
}

/// Returns the value of a build argument; none where it was not given.
#[must_use]
pub fn arg(name: &str) -> Option<String> {
    host::arg(name)
}

/// Returns the bytes of a file of the build context.
///
/// # Errors
///
/// Says why there are none: missing, a directory, outside the context, too large.
pub fn read(path: &str) -> Result<Vec<u8>, String> {
    host::read(path)
}

/// Returns a text file of the build context.
///
/// # Errors
///
/// As [`read`]; also where the file is not UTF-8.
pub fn read_text(path: &str) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// Returns whether the build context has a file, directory or link of this name.
#[must_use]
pub fn exists(path: &str) -> bool {
    host::exists(path)
}

/// Returns the files of the build context that match a pattern (`*`, `?`, `[a-z]`, `**`), sorted by name.
#[must_use]
pub fn glob(pattern: &str) -> Vec<String> {
    host::glob(pattern)
}
