// SPDX-License-Identifier: Apache-2.0
//! Golden plans, golden lists of what is installed, and the metadata against the options.

use wythe_plugin_apt::Apt;
use wythe_sdk::testing::{cases, listings, metadata, resolving};

#[test]
fn cases_are_planned_as_expected() {
    cases(resolving::<Apt>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
}

#[test]
fn what_is_installed_is_listed_as_expected() {
    listings(resolving::<Apt>().listing::<Apt>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/installed"));
}

#[test]
fn the_metadata_fits_the_options() {
    metadata(resolving::<Apt>().listing::<Apt>(), include_str!("../plugin.json"));
}
