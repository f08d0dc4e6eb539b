// SPDX-License-Identifier: Apache-2.0
//! The image's own list of archives, in the form of sources.list(5) with stanzas.

use wythe_sdk::Failure;

use crate::options::Options;
use crate::release::Release;

/// Where the package `debian-archive-keyring`, which apt depends on, has the keys.
pub(super) const ARCHIVE_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Returns the list of the suites that the base was made from.
pub(super) fn deb822(options: &Options, release: &str, signed_by: &str) -> Result<String, Failure> {
    let release = Release::find(release)
        .ok_or_else(|| Failure::failed(format!("the lock's release `{}` is unknown", release.escape_debug())))?;
    let mut archives: Vec<(String, Vec<String>)> = Vec::new();
    for location in options.locations(release) {
        match archives.last_mut() {
            Some((archive, suites)) if *archive == location.archive => suites.push(location.suite),
            _ => archives.push((location.archive, vec![location.suite])),
        }
    }
    let components = options.components().join(" ");
    // What a snapshot has was valid at its time.
    let validity = if options.snapshot.is_some() || options.accept_expired { "Check-Valid-Until: no\n" } else { "" };
    let stanzas = archives.iter().map(|(archive, suites)| {
        let suites = suites.join(" ");
        format!("Types: deb\nURIs: {archive}\nSuites: {suites}\nComponents: {components}\n{validity}Signed-By: {signed_by}\n")
    });
    Ok(stanzas.collect::<Vec<_>>().join("\n"))
}
