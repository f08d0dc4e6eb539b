// SPDX-License-Identifier: Apache-2.0
//! Golden plans, and the metadata against the options.

use wythe_plugin_apt::Apt;
use wythe_sdk::testing::{cases, metadata, resolving};

#[test]
fn cases_are_planned_as_expected() {
    cases(resolving::<Apt>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
}

#[test]
fn the_metadata_fits_the_options() {
    metadata(resolving::<Apt>(), include_str!("../plugin.json"));
}
