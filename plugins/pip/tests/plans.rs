// SPDX-License-Identifier: Apache-2.0
//! Golden plans, golden lists of what is installed, and the metadata against the options.

use wythe_plugin_pip::Pip;
use wythe_sdk::testing::{cases, listings, metadata, resolving};

#[test]
fn cases_are_planned_as_expected() {
    cases(resolving::<Pip>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
}

#[test]
fn what_is_installed_is_listed_as_expected() {
    listings(resolving::<Pip>().listing::<Pip>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/installed"));
}

#[test]
fn the_metadata_fits_the_options() {
    metadata(resolving::<Pip>().listing::<Pip>(), include_str!("../plugin.json"));
}
