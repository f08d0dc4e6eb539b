// SPDX-License-Identifier: Apache-2.0
//! An image of an OCI image layout in the place of a name. Its layers are taken into the store once.

use std::path::{Path, PathBuf};

use wythe_export::{LayoutImage, ReadLayoutError, Wanted, read_layout};
use wythe_image::Platform;
use wythe_plan::spec::BuilderVersion;
use wythe_solve::{AdoptError, adopt_layer};
use wythe_store::Store;

use crate::definition::rfc3339;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::named;
use crate::print;
use crate::workshop::store_failed;

/// What is in front of the place of a layout.
pub(super) const SCHEME: &str = "oci-layout://";

/// Takes the image that `text` names, as `PATH`, `PATH:TAG` or `PATH@DIGEST`, into the store, for the platform that is built for
/// and, where that is another one, for the machine's. Returns their digests; at least one is there.
pub(super) fn images_of(
    store: &Store,
    name: &str,
    text: &str,
    [platform, machine]: [&Platform; 2],
) -> Result<[Option<String>; 2], Report> {
    let failed =
        |report: Report| report.note(format!("the named context `{name}` is `{SCHEME}{text}`; nothing was run"));
    let (dir, wanted) = place(text).map_err(failed)?;
    let taken = |platform: &Platform| match read_layout(&dir, &wanted, platform) {
        Ok(image) => take_in(store, name, image).map(Ok).map_err(failed),
        Err(error @ ReadLayoutError::OtherPlatform { .. }) => Ok(Err(failed(unread(&error)))),
        Err(error) => Err(failed(unread(&error))),
    };
    let image = taken(platform)?;
    let beside = if platform == machine { None } else { taken(machine)?.ok() };
    match image {
        Err(report) if beside.is_none() => Err(report),
        image => Ok([image.ok(), beside]),
    }
}

/// Takes `PATH[:TAG][@DIGEST]` apart. A path may have colons of its own before its last part.
fn place(text: &str) -> Result<(PathBuf, Wanted), Report> {
    let (place, digest) = match text.rsplit_once('@') {
        Some((place, digest)) if !digest.contains('/') && digest.contains(':') => (place, Some(digest)),
        _ => (text, None),
    };
    let last = place.rfind('/').map_or(0, |slash| slash + 1);
    let (dir, tag) = match place[last..].split_once(':') {
        Some((part, tag)) => (&place[..last + part.len()], Some(tag)),
        None => (place, None),
    };
    let wanted =
        match (digest, tag) {
            (Some(digest), _) => Wanted::Digest(digest.parse().map_err(|error: wythe_image::ParseDigestError| {
                Report::new(Exit::Usage, error.to_string()).hint(FORM)
            })?),
            (None, Some("")) => return Err(Report::new(Exit::Usage, "the tag of the layout is empty").hint(FORM)),
            (None, Some(tag)) => Wanted::Tag(tag.to_owned()),
            (None, None) => Wanted::Usual,
        };
    if dir.is_empty() {
        return Err(Report::new(Exit::Usage, "the path of the layout is empty").hint(FORM));
    }
    Ok((Path::new(dir).to_owned(), wanted))
}

const FORM: &str = "write `oci-layout://PATH`, `oci-layout://PATH:TAG` or `oci-layout://PATH@sha256:…`";

fn unread(error: &ReadLayoutError) -> Report {
    let exit = match error {
        ReadLayoutError::Read { source, .. } => named::fault(source),
        _ => Exit::Spec,
    };
    let report = match std::error::Error::source(error) {
        Some(cause) => Report::caused(exit, error.to_string(), cause),
        None => Report::new(exit, error.to_string()),
    };
    match error {
        ReadLayoutError::NotALayout { .. } => {
            report.hint("make one: `skopeo copy IMAGE oci:PATH:TAG`, or `wythe save IMAGE --format oci-dir -o PATH`")
        }
        ReadLayoutError::Absent { .. } => {
            report.hint("name one behind the path: `oci-layout://PATH:TAG` or `oci-layout://PATH@sha256:…`")
        }
        ReadLayoutError::Damaged { .. } | ReadLayoutError::Missing { .. } => {
            report.hint("copy the layout again from where it came")
        }
        _ => report,
    }
}

fn take_in(store: &Store, name: &str, image: LayoutImage) -> Result<String, Report> {
    let mut layers = Vec::new();
    for layer in &image.layers {
        let adopted =
            adopt_layer(store, &layer.diff_id, layer.size, || layer.open()).map_err(|error| match &error {
                AdoptError::Open(error) => unread(error),
                AdoptError::Apply(_) | AdoptError::OtherContent { .. } => {
                    Report::caused(Exit::Spec, format!("layer {} cannot be used", layer.diff_id), &error)
                }
                AdoptError::Quota(_) => store_failed(&error).hint("allow more: `wythe store quota SIZE`"),
                error => store_failed(error),
            })?;
        for what in &adopted.left_out {
            print::to_stderr(&format!("warning: named context `{name}`: left out of a layer: {what}"));
        }
        layers.push(adopted.layer);
    }
    let packed = image.image.with_layers(layers).pack(&rfc3339(BuilderVersion::newest().source_date_epoch())?);
    store.save_image(&packed, &[]).map_err(|error| store_failed(&error))?;
    Ok(packed.digest.to_string())
}

#[cfg(test)]
mod tests {
    use wythe_export::Wanted;

    use super::place;

    #[test]
    fn a_place_is_a_path_with_a_tag_or_a_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let table = [
            ("dir".to_owned(), "dir", Wanted::Usual),
            ("/a/b:1.4".to_owned(), "/a/b", Wanted::Tag("1.4".to_owned())),
            ("/a:b/c".to_owned(), "/a:b/c", Wanted::Usual),
            ("../x@y/dir:t".to_owned(), "../x@y/dir", Wanted::Tag("t".to_owned())),
            (format!("dir@{digest}"), "dir", Wanted::Digest(digest.parse().unwrap())),
            (format!("dir:t@{digest}"), "dir", Wanted::Digest(digest.parse().unwrap())),
        ];
        for (text, dir, wanted) in table {
            assert_eq!(place(&text).unwrap(), (dir.into(), wanted), "{text}");
        }
        for text in ["", ":t", "dir:", "dir@sha256:abc", "dir@sha512:00"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
