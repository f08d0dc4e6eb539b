// SPDX-License-Identifier: Apache-2.0
//! The binary formats that the kernel was told of, as it shows them.

use std::fs;
use std::path::{Path, PathBuf};

/// The formats of a kernel.
pub(super) struct Registry {
    /// Whether any of them counts.
    pub(super) is_on: bool,
    /// Sorted by name.
    pub(super) formats: Vec<Format>,
}

/// A format that is known by its first bytes.
pub(super) struct Format {
    pub(super) name: String,
    pub(super) is_on: bool,
    /// Whether the interpreter was opened when it was registered (flag `F`).
    pub(super) is_fixed: bool,
    pub(super) interpreter: PathBuf,
    offset: usize,
    magic: Vec<u8>,
    mask: Vec<u8>,
}

impl Registry {
    /// Reads what a directory shows; none where the kernel shows nothing there. What cannot be read is passed over: who asks
    /// wants to know what can be used.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let is_on = fs::read_to_string(dir.join("status")).ok()?.trim() == "enabled";
        let mut formats: Vec<Format> = fs::read_dir(dir)
            .ok()?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                if name == "status" || name == "register" {
                    return None;
                }
                Format::parse(name, &fs::read_to_string(entry.path()).ok()?)
            })
            .collect();
        formats.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Self { is_on, formats })
    }
}

impl Format {
    /// Reads a format; none where it is one that files are known to have by their names.
    fn parse(name: String, text: &str) -> Option<Self> {
        let value = |word: &str| text.lines().find_map(|line| Some(line.strip_prefix(word)?.trim()));
        let magic = bytes(value("magic ")?)?;
        Some(Self {
            name,
            is_on: text.lines().next() == Some("enabled"),
            is_fixed: value("flags:").is_some_and(|flags| flags.contains('F')),
            interpreter: PathBuf::from(value("interpreter ")?),
            offset: value("offset ").and_then(|offset| offset.parse().ok()).unwrap_or(0),
            mask: value("mask ").and_then(bytes).unwrap_or_else(|| vec![0xff; magic.len()]),
            magic,
        })
    }

    /// Whether a program is of this format.
    pub(super) fn matches(&self, program: &[u8]) -> bool {
        let Some(first) = program.get(self.offset..).filter(|first| first.len() >= self.magic.len()) else {
            return false;
        };
        let mut all = first.iter().zip(&self.magic).zip(&self.mask);
        all.all(|((byte, magic), mask)| (byte ^ magic) & mask == 0)
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
