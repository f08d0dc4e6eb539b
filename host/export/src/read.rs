// SPDX-License-Identifier: Apache-2.0
//! An image out of an OCI image layout that anybody may have written (OCI image-spec, image-layout.md).
//!
//! Nothing in it is believed: what a descriptor names is read up to the length that it says, and has to have its digest. Names
//! of files are made of digests alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::de::DeserializeOwned;
use wythe_image::{Digest, Hasher, Image, Platform};

use crate::index::{INDEX, LAYOUT, blob_path};

mod error;

pub use error::ReadLayoutError;

/// Largest index, manifest or configuration that is read: four times what registries have to take (distribution-spec).
const LARGEST: u64 = 16 << 20;

/// Which image of a layout is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// That of the tag `latest`, else the only one.
    Usual,
    /// That of a tag.
    Tag(String),
    /// That of a digest: of a manifest, or of an index that has one for the platform.
    Digest(Digest),
}

/// An image of a layout.
#[derive(Debug, Clone)]
pub struct LayoutImage {
    /// What it says of itself. Its layers are named by what the configuration calls them.
    pub image: Image,
    /// The archives of its layers, the lowest first.
    pub layers: Vec<LayoutLayer>,
}

/// The archive of a layer, compressed or not.
#[derive(Debug, Clone)]
pub struct LayoutLayer {
    /// What the configuration says that its digest is without compression.
    pub diff_id: Digest,
    /// Its length.
    pub size: u64,
    digest: Digest,
    path: PathBuf,
}

/// Reads which image a layout has for a platform.
///
/// # Errors
///
/// Fails where there is none or more than one, and where a part of it is missing, damaged, or of a kind that is none of an
/// image.
pub fn read_layout(dir: &Path, wanted: &Wanted, platform: &Platform) -> Result<LayoutImage, ReadLayoutError> {
    let layout = Layout { dir, platform };
    let index = layout.index()?;
    let mut chosen = layout.choose(&index, wanted)?;
    if is_index(&chosen) {
        let inner: ImageIndex = parse("index", &layout.read("index", &chosen)?)?;
        chosen = layout.of_platform(inner.manifests())?;
        if is_index(&chosen) {
            return Err(ReadLayoutError::Nested { digest: digest_of(&chosen)? });
        }
    }
    layout.image(&chosen)
}

impl LayoutLayer {
    /// Opens the archive, which is what the manifest says it is.
    ///
    /// # Errors
    ///
    /// Fails where it is missing or damaged.
    pub fn open(&self) -> Result<File, ReadLayoutError> {
        let mut file = open(&self.path, "layer", &self.digest)?;
        let failed = |source| ReadLayoutError::Read { path: self.path.clone(), source };
        let mut hasher = Hasher::new();
        io::copy(&mut BufReader::with_capacity(256 * 1024, &file), &mut hasher).map_err(failed)?;
        check("layer", &self.digest, self.size, hasher)?;
        file.rewind().map_err(failed)?;
        Ok(file)
    }
}

struct Layout<'a> {
    dir: &'a Path,
    platform: &'a Platform,
}

impl Layout<'_> {
    fn index(&self) -> Result<ImageIndex, ReadLayoutError> {
        if !self.dir.join(LAYOUT).is_file() {
            return Err(ReadLayoutError::NotALayout { dir: self.dir.to_owned() });
        }
        let path = self.dir.join(INDEX);
        let failed = |source| ReadLayoutError::Read { path: path.clone(), source };
        let mut bytes = Vec::new();
        File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.len() as u64 > LARGEST {
            return Err(ReadLayoutError::TooLarge { what: "index" });
        }
        parse("index", &bytes)
    }

    fn choose(&self, index: &ImageIndex, wanted: &Wanted) -> Result<Descriptor, ReadLayoutError> {
        let all = index.manifests();
        let of_tag =
            |tag: &str| -> Vec<Descriptor> { all.iter().filter(|entry| tag_of(entry) == Some(tag)).cloned().collect() };
        let found = match wanted {
            Wanted::Digest(digest) => {
                let is_it = |entry: &&Descriptor| entry.digest().to_string() == digest.to_string();
                return all.iter().find(is_it).cloned().ok_or_else(|| self.absent(all, format!("no entry {digest}")));
            }
            Wanted::Tag(tag) => match of_tag(tag) {
                found if found.is_empty() => return Err(self.absent(all, format!("no image `{tag}`"))),
                found => found,
            },
            Wanted::Usual => match of_tag(USUAL_TAG) {
                found if found.is_empty() => all.clone(),
                found => found,
            },
        };
        let digests: BTreeSet<String> = found.iter().map(|entry| entry.digest().to_string()).collect();
        match &found[..] {
            [] => Err(ReadLayoutError::Empty { dir: self.dir.to_owned() }),
            [one, ..] if digests.len() == 1 => Ok(one.clone()),
            // Of one tag, or without any: an index that lists the platforms itself.
            several if several.iter().all(|entry| entry.platform().is_some()) => self.of_platform(several),
            _ => Err(self.absent(all, "several images, and none is `latest`".to_owned())),
        }
    }

    /// Says that what is wanted is not there, and what is.
    fn absent(&self, all: &[Descriptor], what: String) -> ReadLayoutError {
        let known =
            |entry: &Descriptor| tag_of(entry).map_or_else(|| format!("@{}", entry.digest()), |tag| format!(":{tag}"));
        ReadLayoutError::Absent { dir: self.dir.to_owned(), what, known: all.iter().map(known).collect() }
    }

    /// Returns the entry for the platform.
    fn of_platform(&self, entries: &[Descriptor]) -> Result<Descriptor, ReadLayoutError> {
        let of_entry = |entry: &Descriptor| {
            let known = entry.platform().as_ref()?;
            let variant = known.variant().as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
            Some(format!("{}/{}{variant}", known.os(), known.architecture()))
        };
        let fits = |entry: &&Descriptor| of_entry(entry).is_some_and(|name| is_for(&name, self.platform));
        // Of several variants the one that is meant, and no lesser one.
        let named = self.platform.normal();
        let is_it = |entry: &&Descriptor| {
            of_entry(entry).and_then(|name| name.parse::<Platform>().ok()).is_some_and(|known| known.normal() == named)
        };
        let found = entries.iter().find(is_it).or_else(|| entries.iter().find(fits));
        found.cloned().ok_or_else(|| ReadLayoutError::OtherPlatform {
            platform: self.platform.clone(),
            known: entries.iter().filter_map(of_entry).collect(),
        })
    }

    fn image(&self, entry: &Descriptor) -> Result<LayoutImage, ReadLayoutError> {
        let manifest_bytes = self.read("manifest", entry)?;
        let manifest: ImageManifest = parse("manifest", &manifest_bytes)?;
        let kind = manifest.config().media_type();
        if !matches!(kind, MediaType::ImageConfig) && kind.to_string() != DOCKER_CONFIG {
            return Err(ReadLayoutError::NotAnImage { digest: digest_of(entry)?, media_type: kind.to_string() });
        }
        let config = self.read("configuration", manifest.config())?;
        let image = Image::unpack(&manifest_bytes, &config)?;
        if !is_for(&image.platform().to_string(), self.platform) {
            let (platform, known) = (self.platform.clone(), vec![image.platform().to_string()]);
            return Err(ReadLayoutError::OtherPlatform { platform, known });
        }
        let layer = |(descriptor, layer): (&Descriptor, &wythe_image::LayerRef)| {
            let (digest, media_type) = (digest_of(descriptor)?, descriptor.media_type().to_string());
            if !LAYERS.contains(&media_type.as_str()) {
                return Err(ReadLayoutError::NotALayer { digest, media_type });
            }
            let path = self.dir.join(blob_path(&digest));
            Ok(LayoutLayer { diff_id: layer.diff_id, size: descriptor.size(), digest, path })
        };
        let layers = manifest.layers().iter().zip(image.layers()).map(layer).collect::<Result<_, _>>()?;
        Ok(LayoutImage { image, layers })
    }

    /// Reads a small blob.
    fn read(&self, what: &'static str, entry: &Descriptor) -> Result<Vec<u8>, ReadLayoutError> {
        let digest = digest_of(entry)?;
        if entry.size() > LARGEST {
            return Err(ReadLayoutError::TooLarge { what });
        }
        let path = self.dir.join(blob_path(&digest));
        let file = open(&path, what, &digest)?;
        let mut bytes = Vec::new();
        let read = file.take(entry.size() + 1).read_to_end(&mut bytes);
        read.map_err(|source| ReadLayoutError::Read { path, source })?;
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        check(what, &digest, entry.size(), hasher)?;
        Ok(bytes)
    }
}

/// The tag that is meant where none is named.
const USUAL_TAG: &str = "latest";

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Archives that can be unpacked, in OCI's words and in Docker's.
const LAYERS: [&str; 8] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

fn is_index(entry: &Descriptor) -> bool {
    matches!(entry.media_type(), MediaType::ImageIndex) || entry.media_type().to_string() == DOCKER_INDEX
}

fn tag_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations().as_ref()?.get(ANNOTATION_REF_NAME).map(String::as_str)
}

/// Whether an image for a platform by name is one for the platform that is meant.
fn is_for(name: &str, platform: &Platform) -> bool {
    name.parse::<Platform>().is_ok_and(|known| known.fits(platform))
}

fn digest_of(entry: &Descriptor) -> Result<Digest, ReadLayoutError> {
    let text = entry.digest().to_string();
    text.parse().map_err(|_| ReadLayoutError::Algorithm { digest: text })
}

/// Opens a blob. What is no file is not waited for.
fn open(path: &Path, what: &'static str, digest: &Digest) -> Result<File, ReadLayoutError> {
    let missing = || ReadLayoutError::Missing { what, digest: *digest, path: path.to_owned() };
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(ReadLayoutError::Read { path: path.to_owned(), source: error });
        }
        _ => return Err(missing()),
    }
    File::open(path).map_err(|source| ReadLayoutError::Read { path: path.to_owned(), source })
}

fn parse<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, ReadLayoutError> {
    serde_json::from_slice(bytes).map_err(|source| ReadLayoutError::Malformed { what, source })
}

fn check(what: &'static str, digest: &Digest, size: u64, read: Hasher) -> Result<(), ReadLayoutError> {
    let (found_size, found) = (read.length(), read.finish());
    if found_size == size && found == *digest {
        return Ok(());
    }
    Err(ReadLayoutError::Damaged { what, digest: *digest, size, found, found_size })
}
