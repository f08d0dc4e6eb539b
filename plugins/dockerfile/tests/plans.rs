// SPDX-License-Identifier: Apache-2.0
//! Plans and messages of whole files.

use wythe_plugin_dockerfile::Docker;
use wythe_sdk::testing::{cases, metadata, resolving, translations};

#[test]
fn plans_are_as_recorded() {
    cases(resolving::<Docker>(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"));
}

#[test]
fn the_metadata_fits_the_options() {
    metadata(resolving::<Docker>(), include_str!("../plugin.json"));
}

#[test]
fn translations_are_as_recorded() {
    translations::<Docker>(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/translations"));
}
