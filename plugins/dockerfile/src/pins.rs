// SPDX-License-Identifier: Apache-2.0
//! What is behind the addresses that name no checksum.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wythe_sdk::fetch;

/// The entry of the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Address → what was behind it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub downloads: BTreeMap<String, Pin>,
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Its digest, as hexadecimal digits.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

/// The downloads of a file, known or to be found.
#[derive(Debug)]
pub(crate) struct Downloads {
    known: BTreeMap<String, Pin>,
    /// Those that were asked for; none where nothing may be fetched.
    found: Option<RefCell<BTreeMap<String, Pin>>>,
    /// Whether any answer will do.
    is_guess: bool,
}

impl Downloads {
    /// Returns those of the lock.
    pub(crate) fn pinned(pins: Pins) -> Self {
        Self { known: pins.downloads, found: None, is_guess: false }
    }

    /// Returns those that are found by fetching, but for what an older lock has.
    pub(crate) fn to_be_found(previous: Pins) -> Self {
        Self { known: previous.downloads, found: Some(RefCell::default()), is_guess: false }
    }

    /// Returns some that fit a plan that nobody follows.
    pub(crate) fn guessed() -> Self {
        Self { known: BTreeMap::new(), found: None, is_guess: true }
    }

    /// Returns what is behind an address.
    pub(crate) fn get(&self, url: &str) -> Result<Pin, String> {
        if self.is_guess {
            return Ok(Pin { sha256: "0".repeat(64), size: 0 });
        }
        let Some(found) = &self.found else {
            return self.known.get(url).cloned().ok_or_else(|| format!("the lock does not have `{url}`"));
        };
        let seen = found.borrow().get(url).or_else(|| self.known.get(url)).cloned();
        let pin = match seen {
            Some(pin) => pin,
            None => {
                let bytes = fetch::get(url)?;
                let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                Pin { sha256, size: bytes.len() as u64 }
            }
        };
        found.borrow_mut().insert(url.to_owned(), pin.clone());
        Ok(pin)
    }

    /// Returns those that were asked for.
    pub(crate) fn into_pins(self) -> Pins {
        Pins { downloads: self.found.map(RefCell::into_inner).unwrap_or_default() }
    }
}
