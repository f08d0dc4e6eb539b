// SPDX-License-Identifier: Apache-2.0
//! The plugins that come with wythe. They are compiled and taken apart when wythe is (`build.rs`), so that knowing their kinds
//! costs no look at their code.

use std::borrow::Cow;

use wythe_image::Digest;
use wythe_plan::Kind;

use crate::metadata::Metadata;
use crate::plugin::Plugin;

/// A component and what is known of it.
#[derive(Debug)]
pub(crate) struct Bundled {
    pub code: &'static [u8],
    /// SHA-256 of the code.
    pub digest: &'static str,
    pub metadata: &'static str,
    pub imports: &'static [&'static str],
}

/// All of them, sorted by the names of their folders.
pub(crate) static BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

impl Bundled {
    pub(crate) fn open(&self) -> (Plugin, Vec<Kind>) {
        let metadata = Metadata::parse(self.metadata).expect("a bundled plugin has good metadata");
        let digest = Digest::from_hex(self.digest).expect("the digest was computed when wythe was compiled");
        Plugin::checked(Cow::Borrowed(self.code), digest, metadata, self.imports)
    }
}

#[cfg(test)]
mod tests {
    use super::BUNDLED;
    use crate::plugin::Plugin;

    #[test]
    fn what_was_taken_down_is_what_the_component_says() {
        for bundled in BUNDLED {
            let (_, kinds) = bundled.open();
            let (_, read) = Plugin::open(bundled.code.to_vec()).expect("a bundled plugin passes all checks");
            assert_eq!(kinds, read);
        }
    }
}
