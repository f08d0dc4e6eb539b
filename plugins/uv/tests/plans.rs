// SPDX-License-Identifier: Apache-2.0
//! Golden plans, and the metadata against the options.

use wythe_plugin_uv::Uv;
use wythe_sdk::testing::{cases, metadata, resolving};

#[test]
fn cases_are_planned_as_expected() {
    cases(resolving::<Uv>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
}

#[test]
fn the_metadata_fits_the_options() {
    metadata(resolving::<Uv>(), include_str!("../plugin.json"));
}
