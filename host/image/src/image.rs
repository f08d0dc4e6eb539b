// SPDX-License-Identifier: Apache-2.0
//! An image as an immutable value, and its form on the wire.

use oci_spec::image::{
    Arch, Descriptor, DescriptorBuilder, ImageManifest, ImageManifestBuilder, MediaType, Os, SCHEMA_VERSION,
};
use serde::{Deserialize, Serialize};

use crate::{Config, Digest, Platform, to_canonical_json};

/// One layer of an image: the tar archive of a set of changes, not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LayerRef {
    /// Digest of the uncompressed archive (OCI's "diff id").
    pub diff_id: Digest,
    /// Length of the uncompressed archive in bytes.
    pub size: u64,
}

/// One line of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What was done, in the words of the plan.
    #[serde(default)]
    pub created_by: String,
    /// Whether it made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// An image: a platform, layers from the lowest to the highest, a configuration, and how it came about.
///
/// Every edit returns a new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    platform: Platform,
    layers: Vec<LayerRef>,
    /// Follows from the layers, and is kept because each step asks for it.
    chain_id: Digest,
    config: Config,
    history: Vec<History>,
}

/// An image in the form in which it is stored and sent: canonical bytes and their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The image configuration.
    pub config: Vec<u8>,
    /// Its digest, also called the image id.
    pub config_digest: Digest,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its digest: the image's digest.
    pub digest: Digest,
}

/// A manifest or configuration that cannot be an image of ours.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes are no JSON of the expected shape.
    #[error("malformed image {part}")]
    Malformed {
        /// `manifest` or `configuration`.
        part: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The configuration names another number of layers than the manifest.
    #[error("the configuration names {diff_ids} layers, the manifest {layers}")]
    LayerCount {
        /// Number of diff ids.
        diff_ids: usize,
        /// Number of layer descriptors.
        layers: usize,
    },
}

/// The outer image configuration (config.md).
#[derive(Serialize, Deserialize)]
struct ConfigFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    architecture: String,
    os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(default)]
    config: Config,
    rootfs: RootFs,
    #[serde(default)]
    history: Vec<History>,
}

#[derive(Serialize, Deserialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<Digest>,
}

impl Image {
    /// Returns the image with nothing in it.
    #[must_use]
    pub fn scratch(platform: Platform) -> Self {
        let (config, chain_id) = (Config::default(), chain_id(&[]));
        Self { platform, layers: Vec::new(), chain_id, config, history: Vec::new() }
    }

    /// Returns this image with a layer on top.
    #[must_use]
    pub fn append(mut self, layer: LayerRef, created_by: &str) -> Self {
        self.chain_id = chained(&self.layers, self.chain_id, layer.diff_id);
        self.layers.push(layer);
        self.history.push(History { created: None, created_by: created_by.to_owned(), empty_layer: false });
        self
    }

    /// Returns this image with another configuration.
    #[must_use]
    pub fn with_config(mut self, config: Config, created_by: &str) -> Self {
        self.config = config;
        self.history.push(History { created: None, created_by: created_by.to_owned(), empty_layer: true });
        self
    }

    /// Returns this image with other forms of its layers, one for each.
    ///
    /// # Panics
    ///
    /// Panics where there is not one a layer.
    #[must_use]
    pub fn with_layers(self, layers: Vec<LayerRef>) -> Self {
        assert_eq!(layers.len(), self.layers.len(), "each layer has another form");
        Self { chain_id: chain_id(&layers), layers, ..self }
    }

    /// Returns this image with one more line of history and nothing else: an operation that changed nothing.
    #[must_use]
    pub fn with_note(mut self, created_by: &str) -> Self {
        self.history.push(History { created: None, created_by: created_by.to_owned(), empty_layer: true });
        self
    }

    /// Returns the platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns the layers, the lowest first.
    #[must_use]
    pub fn layers(&self) -> &[LayerRef] {
        &self.layers
    }

    /// Returns one digest that stands for the layers in their order: equal chains have equal ids, whatever made them.
    ///
    /// As in OCI's image-spec (config.md, "Layer ChainID"); the chain of no layers, of which it says nothing, is the digest
    /// of no bytes.
    #[must_use]
    pub fn chain_id(&self) -> Digest {
        self.chain_id
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the history, the oldest line first.
    #[must_use]
    pub fn history(&self) -> &[History] {
        &self.history
    }

    /// Packs the image with uncompressed layers; `created` is RFC 3339.
    ///
    /// The layer descriptors name the uncompressed archives, so the digest is known without compressing anything.
    #[must_use]
    pub fn pack(&self, created: &str) -> Packed {
        let descriptor = |layer: &LayerRef| Self::descriptor(MediaType::ImageLayer, layer.diff_id, layer.size);
        self.pack_with(created, self.layers.iter().map(descriptor).collect())
    }

    /// Packs the image with the given layer descriptors, which name other forms (compressed, say) of the same layers.
    ///
    /// # Panics
    ///
    /// Panics where there is not one descriptor a layer.
    #[must_use]
    pub fn pack_with(&self, created: &str, layers: Vec<Descriptor>) -> Packed {
        assert_eq!(layers.len(), self.layers.len(), "an image has one descriptor a layer");
        let with_time = |line: &History| History { created: Some(created.to_owned()), ..line.clone() };
        let config = to_canonical_json(&ConfigFile {
            created: Some(created.to_owned()),
            architecture: self.platform.architecture().to_owned(),
            os: self.platform.os().to_owned(),
            variant: self.platform.variant().map(str::to_owned),
            config: self.config.clone(),
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: self.layers.iter().map(|l| l.diff_id).collect() },
            history: self.history.iter().map(with_time).collect(),
        });
        let config_digest = Digest::of(&config);
        let manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(Self::descriptor(MediaType::ImageConfig, config_digest, config.len() as u64))
            .layers(layers)
            .build()
            .expect("all required fields of a manifest are set");
        let manifest = to_canonical_json(&manifest);
        let digest = Digest::of(&manifest);
        Packed { config, config_digest, manifest, digest }
    }

    /// Reads an image that was packed with uncompressed layers.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are not a manifest and a configuration that fit each other.
    pub fn unpack(manifest: &[u8], config: &[u8]) -> Result<Self, UnpackError> {
        let malformed = |part| move |source| UnpackError::Malformed { part, source };
        let manifest: ImageManifest = serde_json::from_slice(manifest).map_err(malformed("manifest"))?;
        let file: ConfigFile = serde_json::from_slice(config).map_err(malformed("configuration"))?;
        let (diff_ids, layers) = (file.rootfs.diff_ids, manifest.layers());
        if diff_ids.len() != layers.len() {
            return Err(UnpackError::LayerCount { diff_ids: diff_ids.len(), layers: layers.len() });
        }
        let name = |variant| format!("{}/{}{variant}", file.os, file.architecture);
        let platform = name(file.variant.map(|v| format!("/{v}")).unwrap_or_default())
            .parse()
            .unwrap_or_else(|_| Platform::of_this_machine());
        let layers: Vec<LayerRef> =
            diff_ids.into_iter().zip(layers).map(|(diff_id, layer)| LayerRef { diff_id, size: layer.size() }).collect();
        Ok(Self { platform, chain_id: chain_id(&layers), layers, config: file.config, history: file.history })
    }

    /// Returns a descriptor.
    #[must_use]
    pub fn descriptor(media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
        let digest: oci_spec::image::Digest = digest.to_string().parse().expect("a digest of ours is an OCI digest");
        DescriptorBuilder::default()
            .media_type(media_type)
            .digest(digest)
            .size(size)
            .build()
            .expect("all required fields of a descriptor are set")
    }

    /// Returns the platform in the words of an OCI index.
    #[must_use]
    pub fn oci_platform(&self) -> oci_spec::image::Platform {
        let mut platform = oci_spec::image::Platform::default();
        platform.set_os(Os::from(self.platform.os()));
        platform.set_architecture(Arch::from(self.platform.architecture()));
        platform.set_variant(self.platform.variant().map(str::to_owned));
        platform
    }
}

fn chain_id(layers: &[LayerRef]) -> Digest {
    let add = |chain, (place, layer): (usize, &LayerRef)| chained(&layers[..place], chain, layer.diff_id);
    layers.iter().enumerate().fold(Digest::of(b""), add)
}

/// Returns the id of a chain with one layer more.
fn chained(below: &[LayerRef], chain: Digest, layer: Digest) -> Digest {
    if below.is_empty() { layer } else { Digest::of(format!("{chain} {layer}").as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::{Image, LayerRef};
    use crate::{Config, Digest, Platform};

    fn image() -> Image {
        Image::scratch(Platform::linux_amd64())
            .append(LayerRef { diff_id: Digest::of(b"layer"), size: 5 }, "put /a")
            .with_config(Config::default().with_env("A", "1"), "env A")
    }

    #[test]
    fn unpacking_returns_what_was_packed() {
        let packed = image().pack("2026-11-01T00:00:00Z");
        let back = Image::unpack(&packed.manifest, &packed.config).unwrap();
        assert_eq!(back.layers(), image().layers());
        assert_eq!(back.config(), image().config());
        assert_eq!(back.pack("2026-11-01T00:00:00Z"), packed);
    }

    /// The ids of the second and third are what `printf 'sha256:… sha256:…' | sha256sum` says.
    #[test]
    fn a_chain_is_named_as_in_the_specification_of_images() {
        let layer = |text: &[u8]| LayerRef { diff_id: Digest::of(text), size: 1 };
        let empty = Image::scratch(Platform::linux_amd64());
        let one = empty.clone().append(layer(b"a"), "a");
        let two = one.clone().append(layer(b"b"), "b");
        let three = two.clone().append(layer(b"a"), "a again");
        assert_eq!(empty.chain_id(), Digest::of(b""));
        assert_eq!(one.chain_id(), Digest::of(b"a"));
        assert_eq!(two.chain_id().hex(), "51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676");
        assert_eq!(three.chain_id().hex(), "1472d34251a00ac55ede7b25cbe3c166a4229eae731490bfdeb83bc00f598be1");
        let packed = three.pack("2026-11-01T00:00:00Z");
        assert_eq!(Image::unpack(&packed.manifest, &packed.config).unwrap().chain_id(), three.chain_id());
        assert_eq!(
            three.with_note("nothing").chain_id().hex(),
            "1472d34251a00ac55ede7b25cbe3c166a4229eae731490bfdeb83bc00f598be1"
        );
    }

    /// A changed digest here is a changed format: every image gets another digest.
    #[test]
    fn the_form_is_stable() {
        let packed = image().pack("2026-11-01T00:00:00Z");
        assert_eq!(
            String::from_utf8(packed.config).unwrap(),
            "{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"A=1\"]},\"created\":\"2026-11-01T00:00:00Z\",\
             \"history\":[{\"created\":\"2026-11-01T00:00:00Z\",\"created_by\":\"put /a\"},\
             {\"created\":\"2026-11-01T00:00:00Z\",\"created_by\":\"env A\",\"empty_layer\":true}],\
             \"os\":\"linux\",\"rootfs\":{\"diff_ids\":[\"sha256:\
             dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85\"],\"type\":\"layers\"}}"
        );
    }

    #[test]
    fn a_configuration_with_another_number_of_layers_is_refused() {
        let packed = image().pack("2026-11-01T00:00:00Z");
        let other = Image::scratch(Platform::linux_amd64()).pack("2026-11-01T00:00:00Z");
        assert!(Image::unpack(&packed.manifest, &other.config).is_err());
    }
}
