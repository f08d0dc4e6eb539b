// SPDX-License-Identifier: Apache-2.0
//! What the name of an image stands for on a platform.

use wythe_image::{Image, Platform, Reference};
use wythe_store::{Store, StoredImage};

use crate::trace::full_text;

/// Returns the name under which the store knows what a reference stands for. A digest says more than the name beside it.
pub(crate) fn image_name(reference: &str) -> String {
    match reference.parse::<Reference>() {
        Ok(known) => known.digest().map_or_else(|| known.to_string(), |digest| digest.to_string()),
        Err(_) => reference.to_owned(),
    }
}

/// Returns the image that a reference stands for on a platform, unless another one stands behind it. That is the image of the
/// name, or the one that had the name on that platform before an image of another platform was given it.
///
/// # Errors
///
/// Says why there is none.
pub fn image_for(store: &Store, reference: &str, platform: &Platform) -> Result<StoredImage, String> {
    let (written, other) = Platform::split_from(reference);
    let (name, platform) = (image_name(written), other.as_ref().unwrap_or(platform));
    let mut is_for = None;
    for name in [platform.behind(&name), name] {
        let Some(stored) = store.image(&name).map_err(|error| full_text(&error))? else { continue };
        let found = platform_of(&stored)?;
        if found.fits(platform) {
            return Ok(stored);
        }
        is_for = Some(found);
    }
    Err(match is_for {
        None => format!("image `{written}` is not in the store"),
        Some(found) => format!("image `{written}` of the store is for {found}, and {platform} is wanted"),
    })
}

fn platform_of(stored: &StoredImage) -> Result<Platform, String> {
    let image = Image::unpack(&stored.manifest, &stored.config).map_err(|error| full_text(&error))?;
    Ok(image.platform().clone())
}
