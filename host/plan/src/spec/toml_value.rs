// SPDX-License-Identifier: Apache-2.0
//! TOML as JSON values, with the place of every key and value in the text.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its key; none for a member of a list.
    pub key: Option<Range<usize>>,
    /// The value itself.
    pub value: Range<usize>,
}

/// The places of everything in a table, by RFC 6901 pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// Returns the place of what a pointer names.
    #[must_use]
    pub fn get(&self, pointer: &str) -> Option<&Place> {
        self.0.get(pointer)
    }
}
