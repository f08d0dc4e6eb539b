// SPDX-License-Identifier: Apache-2.0
//! Names from archives: where they lead, and that it is inside.

use crate::disk;

/// Longest name of one component (`NAME_MAX`).
const MAX_COMPONENT: usize = 255;
/// Longest path (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// A name that no archive should contain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {reason}", disk::path_of(.name).display().to_string().escape_debug())]
pub struct NameError {
    /// The name as the archive has it, shortened where it is long.
    pub name: Vec<u8>,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Returns a member's name relative to the archive's root, without `.` components and slashes too many; empty for the
/// root itself.
///
/// A slash at the beginning is dropped. `..` is refused even where it would stay inside: with links on the way nobody can
/// tell where it leads.
pub(crate) fn parse(untrusted: &[u8]) -> Result<Vec<u8>, NameError> {
    let refuse = |reason| NameError { name: untrusted[..untrusted.len().min(200)].to_vec(), reason };
    if untrusted.is_empty() {
        return Err(refuse("is empty"));
    }
    let mut inside = Vec::with_capacity(untrusted.len());
    for component in untrusted.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => continue,
            b".." => return Err(refuse("contains `..`")),
            _ if component.contains(&0) => return Err(refuse("contains a zero byte")),
            _ if component.len() > MAX_COMPONENT => return Err(refuse("has a component of more than 255 bytes")),
            _ => {}
        }
        crate::layer::node::enter(&mut inside, component);
    }
    if inside.len() > MAX_PATH { Err(refuse("has more than 4096 bytes")) } else { Ok(inside) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_lead_inside_or_nowhere() {
        for (name, inside) in [
            ("a", "a"),
            ("./a/b", "a/b"),
            ("/a//b/", "a/b"),
            (".", ""),
            ("./", ""),
            ("/", ""),
            ("//.//", ""),
            ("a/./b", "a/b"),
            ("...", "..."),
            ("a\\..\\b", "a\\..\\b"),
            ("..a", "..a"),
        ] {
            assert_eq!(parse(name.as_bytes()).as_deref(), Ok(inside.as_bytes()), "{name:?}");
        }
        let long = "x".repeat(256);
        let deep = "x/".repeat(2_100);
        for name in ["", "..", "../a", "a/..", "a/../b", "/..", "a\0b", &long, &deep] {
            assert!(parse(name.as_bytes()).is_err(), "{name:?} was accepted");
        }
    }
}
