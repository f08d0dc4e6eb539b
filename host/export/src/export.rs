// SPDX-License-Identifier: Apache-2.0
//! What is exported, and the part of an export that is the same for every medium: the blobs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use oci_spec::image::{Descriptor, MediaType};
use rayon::{ThreadPool, ThreadPoolBuilder};
use wythe_image::{Digest, Image, LayerRef, Reference};

use crate::error::write_error;
use crate::press::Press;
use crate::{Compression, SaveError};

/// Why a layer cannot be written; whatever its keeper says.
pub type LayerError = Box<dyn Error + Send + Sync>;

/// Writes the archive of a layer and returns the digest and the length of what was written.
///
/// It may fail at any time, for instance to end an export that nobody waits for any more.
pub type LayerBytes<'a> = dyn Fn(&LayerRef, &mut dyn Write) -> Result<(Digest, u64), LayerError> + 'a;

/// An image and how it is to be exported.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// The image.
    pub image: &'a Image,
    /// When it was made, as RFC 3339.
    pub created: &'a str,
    /// Under which names. A name without a tag is left out, one that comes again is written once; without names the image is found by its digest.
    pub names: &'a [Reference],
    /// How layers are compressed.
    pub compression: Compression,
    /// How many threads compress; 0 means one a processor.
    pub threads: usize,
    /// Where layers come from.
    pub layers: &'a LayerBytes<'a>,
    /// Hears how many bytes of the image's layers were read so far, of the sum of their sizes.
    pub progress: &'a dyn Fn(u64),
}

/// What an export wrote, in the words of the media.
pub(crate) struct Written {
    /// The manifest.
    pub(crate) manifest: Descriptor,
    /// Digest of the configuration.
    pub(crate) config: Digest,
    /// Digests of the layers, the lowest first.
    pub(crate) layers: Vec<Digest>,
}

/// Writes the content of a blob and returns digest and length.
pub(crate) type Fill<'f> = dyn FnMut(&mut dyn Write) -> Result<(Digest, u64), Broken> + 'f;

/// Why a blob was not written.
pub(crate) enum Broken {
    /// Its content did not come; the medium is not to blame.
    Content(SaveError),
    /// The medium did not take it; only the medium knows its name.
    Medium(io::Error),
}

/// Where blobs go. A blob's name is known when it has been written.
pub(crate) trait Blobs {
    /// Writes a blob and files it under its digest.
    fn add(&mut self, fill: &mut Fill<'_>) -> Result<(Digest, u64), SaveError>;
}

impl<'a> Export<'a> {
    /// Returns an export without compression, on all processors, that tells nobody how it goes.
    #[must_use]
    pub fn new(image: &'a Image, created: &'a str, names: &'a [Reference], layers: &'a LayerBytes<'a>) -> Self {
        Self { image, created, names, compression: Compression::NONE, threads: 0, layers, progress: &|_| () }
    }

    /// Writes layers, configuration and manifest.
    pub(crate) fn write_blobs(&self, blobs: &mut dyn Blobs) -> Result<Written, SaveError> {
        let pool = if self.compression.is_none() { None } else { Some(self.pool()?) };
        let mut known = BTreeMap::new();
        let mut done = 0;
        for layer in self.image.layers() {
            if let Entry::Vacant(place) = known.entry(layer.diff_id) {
                place.insert(self.write_layer(pool.as_ref(), layer, done, blobs)?);
            }
            done += layer.size;
            (self.progress)(done);
        }
        let layers: Vec<_> = self.image.layers().iter().map(|layer| known[&layer.diff_id]).collect();
        self.write_manifest(&layers, blobs)
    }

    fn pool(&self) -> Result<ThreadPool, SaveError> {
        let named = |number| format!("compress-{number}");
        let builder = ThreadPoolBuilder::new().num_threads(self.threads).thread_name(named);
        builder.build().map_err(|error| SaveError::Threads(io::Error::other(error)))
    }

    fn write_layer(
        &self,
        pool: Option<&ThreadPool>,
        layer: &LayerRef,
        done: u64,
        blobs: &mut dyn Blobs,
    ) -> Result<(Digest, u64), SaveError> {
        let progress = |taken| (self.progress)(done + taken);
        blobs.add(&mut |out| {
            let mut press = Press::new(pool, self.compression, out, &progress);
            let found = (self.layers)(layer, &mut press).map_err(|source| match press.take_failure() {
                Some(failure) => Broken::Medium(failure),
                None => Broken::Content(SaveError::Layer { diff_id: layer.diff_id, source }),
            })?;
            if found != (layer.diff_id, layer.size) || press.taken() != layer.size {
                let (found, found_size) = (found.0, press.taken());
                return Err(Broken::Content(SaveError::Damaged { expected: *layer, found, found_size }));
            }
            Ok(press.finish()?.unwrap_or(found))
        })
    }

    fn write_manifest(&self, layers: &[(Digest, u64)], blobs: &mut dyn Blobs) -> Result<Written, SaveError> {
        let describe =
            |(digest, size): &(Digest, u64)| Image::descriptor(self.compression.media_type(), *digest, *size);
        let packed = self.image.pack_with(self.created, layers.iter().map(describe).collect());
        write_bytes(&packed.config, packed.config_digest, blobs)?;
        write_bytes(&packed.manifest, packed.digest, blobs)?;
        let mut manifest = Image::descriptor(MediaType::ImageManifest, packed.digest, packed.manifest.len() as u64);
        manifest.set_platform(Some(self.image.oci_platform()));
        let layers = layers.iter().map(|(digest, _)| *digest).collect();
        Ok(Written { manifest, config: packed.config_digest, layers })
    }
}

fn write_bytes(bytes: &[u8], digest: Digest, blobs: &mut dyn Blobs) -> Result<(), SaveError> {
    let length = bytes.len() as u64;
    blobs.add(&mut |out| {
        out.write_all(bytes)?;
        Ok((digest, length))
    })?;
    Ok(())
}

impl Broken {
    /// Adds the name of the medium.
    pub(crate) fn on(self, path: &Path) -> SaveError {
        match self {
            Self::Content(error) => error,
            Self::Medium(error) => write_error(path)(error),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Medium(error)
    }
}

impl fmt::Debug for Export<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("image", self.image)
            .field("created", &self.created)
            .field("names", &self.names)
            .field("compression", &self.compression)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
