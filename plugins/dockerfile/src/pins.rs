// SPDX-License-Identifier: Apache-2.0
//! What is behind the addresses that name no checksum.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wythe_sdk::fetch::{self, GitCommit};

use crate::text::git::{is_commit, is_reference};

/// The entry of the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// Address → what was behind it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub downloads: BTreeMap<String, Pin>,
    /// Repository, and after a `#` the reference where one is asked for → the commit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub git: BTreeMap<String, Commit>,
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Its digest, as hexadecimal digits.
    pub sha256: String,
    /// Its length in bytes.
    pub size: u64,
}

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its id.
    pub commit: String,
    /// The full name of the reference that stood for it; none where the repository does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// The downloads of a file, known or to be found.
#[derive(Debug)]
pub(crate) enum Downloads {
    /// Those of the lock: nothing may be fetched.
    Pinned(Pins),
    /// What an older lock has is known, and the others are fetched. Those that were asked for are `found`.
    ToBeFound { known: Pins, found: RefCell<Pins> },
    /// Any answer will do.
    Guessed,
}

impl Downloads {
    /// Returns those of the lock.
    pub(crate) fn pinned(pins: Pins) -> Self {
        Self::Pinned(pins)
    }

    /// Returns those that are found by fetching, but for what an older lock has.
    pub(crate) fn to_be_found(previous: Pins) -> Self {
        Self::ToBeFound { known: previous, found: RefCell::default() }
    }

    /// Returns some that fit a plan that nobody follows.
    pub(crate) fn guessed() -> Self {
        Self::Guessed
    }

    /// Whether any answer will do.
    pub(crate) fn are_guessed(&self) -> bool {
        matches!(self, Self::Guessed)
    }

    /// Returns what is behind an address.
    pub(crate) fn get(&self, url: &str) -> Result<Pin, String> {
        let (known, found) = match self {
            Self::Guessed => return Ok(Pin { sha256: "0".repeat(64), size: 0 }),
            Self::Pinned(pins) => {
                return pins.downloads.get(url).cloned().ok_or_else(|| format!("the lock does not have `{url}`"));
            }
            Self::ToBeFound { known, found } => (known, found),
        };
        let seen = found.borrow().downloads.get(url).or_else(|| known.downloads.get(url)).cloned();
        let pin = match seen {
            Some(pin) => pin,
            None => {
                let bytes = fetch::get(url)?;
                let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                Pin { sha256, size: bytes.len() as u64 }
            }
        };
        found.borrow_mut().downloads.insert(url.to_owned(), pin.clone());
        Ok(pin)
    }

    /// Returns the commit that a reference of a repository stands for.
    pub(crate) fn commit(&self, url: &str, reference: Option<&str>) -> Result<Commit, String> {
        let name = reference.map_or_else(|| url.to_owned(), |reference| format!("{url}#{reference}"));
        let (known, found) = match self {
            Self::Guessed => return Ok(Commit { commit: "0".repeat(40), reference: None }),
            Self::Pinned(pins) => {
                let pinned = pins.git.get(&name).ok_or_else(|| format!("the lock does not have `{name}`"))?;
                // A lock can be edited.
                let is_right = is_commit(&pinned.commit) && pinned.reference.as_deref().is_none_or(is_reference);
                return is_right
                    .then(|| pinned.clone())
                    .ok_or_else(|| format!("what the lock has for `{name}` is no commit"));
            }
            Self::ToBeFound { known, found } => (known, found),
        };
        let seen = found.borrow().git.get(&name).or_else(|| known.git.get(&name)).cloned();
        let commit = match seen {
            Some(commit) => commit,
            None => {
                let GitCommit { commit, reference } = fetch::git(url, reference)?;
                Commit { commit, reference: Some(reference).filter(|name| name.starts_with("refs/")) }
            }
        };
        found.borrow_mut().git.insert(name, commit.clone());
        Ok(commit)
    }

    /// Returns those that were asked for.
    pub(crate) fn into_pins(self) -> Pins {
        match self {
            Self::ToBeFound { found, .. } => found.into_inner(),
            Self::Pinned(_) | Self::Guessed => Pins::default(),
        }
    }
}
