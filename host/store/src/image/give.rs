// SPDX-License-Identifier: Apache-2.0
//! Giving a name: it goes to the image that was given it last, and one of another platform that had it keeps it with its
//! platform behind.

use wythe_image::{Digest, Platform};

use crate::Store;
use crate::index::{Access, IndexError};
use crate::record::digest_of;

/// A name on its way to an image.
pub(super) struct Gift<'a> {
    name: &'a str,
    /// The name with the image's own platform behind: another image that has it loses it. None where nobody can tell what the
    /// image is for.
    own: Option<String>,
    /// The image of another platform that has the name, and the name that it keeps.
    kept: Option<(String, String)>,
}

impl Store {
    /// Looks at who has names that an image for a platform is to be given. To be done before the transaction that gives them,
    /// since it reads.
    pub(super) fn gifts<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
        platform: Option<&Platform>,
    ) -> Result<Vec<Gift<'a>>, IndexError> {
        let gift = |name: &'a str| {
            let sql = "SELECT image, config FROM names JOIN images ON digest = image WHERE name = ?1";
            let take = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
            let had = self.inner.index.read(|index| index.row(sql, [name], take))?;
            let kept = had.zip(platform).and_then(|((image, config), platform)| {
                let old = self.platform_of(&digest_of(&config)?)?;
                (old.normal() != platform.normal()).then(|| (image, old.behind(name)))
            });
            Ok(Gift { name, own: platform.map(|platform| platform.behind(name)), kept })
        };
        names.into_iter().map(gift).collect()
    }

    /// Returns what a configuration says that its image is for; none where it cannot be read, and then no name is kept.
    pub(super) fn platform_of(&self, config: &Digest) -> Option<Platform> {
        let config: serde_json::Value = serde_json::from_slice(&self.read_blob(config).ok()??).ok()?;
        let variant = config["variant"].as_str().map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("{}/{}{variant}", config["os"].as_str()?, config["architecture"].as_str()?).parse().ok()
    }
}

impl Gift<'_> {
    /// Gives the name, and adds the images whose names have changed.
    pub(super) fn give(&self, index: &Access<'_>, hex: &str, changed: &mut Vec<String>) -> Result<(), IndexError> {
        if let Some((image, kept)) = &self.kept {
            let sql = "SELECT 1 FROM names WHERE name = ?1 AND image = ?2";
            // Somebody may have given it to another one meanwhile.
            if index.row(sql, (self.name, image), |_| Ok(()))?.is_some() {
                super::set_name(index, kept, image)?;
                changed.push(image.clone());
            }
        }
        if let Some(own) = &self.own {
            let sql = "DELETE FROM names WHERE name = ?1 RETURNING image";
            changed.extend(index.rows(sql, [own], |row| row.get::<_, String>(0))?);
        }
        super::set_name(index, self.name, hex)?;
        Ok(())
    }
}
