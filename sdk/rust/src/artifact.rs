// SPDX-License-Identifier: Apache-2.0
//! Files of the network, named by their content.

use std::fmt;

pub use crate::host::graph::Artifact;

/// How an archive is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A tar archive, plain or compressed.
    Tar,
    /// A zip archive; a wheel is one.
    Zip,
    /// The files of a Debian binary package.
    DebData,
    /// The control members of a Debian binary package.
    DebControl,
}

impl Format {
    /// Returns the interface's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tar => "tar",
            Self::Zip => "zip",
            Self::DebData => "deb-data",
            Self::DebControl => "deb-control",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
