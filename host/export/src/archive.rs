// SPDX-License-Identifier: Apache-2.0
//! Archives: a layout in one file, for OCI's readers or for Docker's.
//!
//! Blobs come first and the index last, since an index names what was written before it. Everything is written once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;
use tempfile::NamedTempFile;
use wythe_image::{Digest, to_canonical_json};

use crate::SaveError;
use crate::error::write_error;
use crate::export::{Blobs, Broken, Export, Fill, Written};
use crate::index::{self, DOCKER_MANIFEST, INDEX, LAYOUT, LAYOUT_CONTENT, blob_path};
use crate::layout::{parent, sync_dir};
use crate::tarball::Tarball;
use crate::unfinished;

/// Saves an image as an OCI archive: a tar archive of an OCI image layout. Returns the descriptor of its manifest.
///
/// A file that is there is replaced, at once and at the end.
///
/// # Errors
///
/// Fails where a layer cannot be read or is not what the image says, where the file cannot be written, and where
/// something is in its place that is not a file.
pub fn save_oci_archive(export: &Export<'_>, file: &Path) -> Result<Descriptor, SaveError> {
    save(export, file, |_| None)
}

/// Saves an image as an archive for `docker load` and returns the descriptor of its manifest.
///
/// The archive is an OCI archive that has Docker's own `manifest.json` as well, as `docker save` writes it: Docker and its
/// relatives read the one or the other, depending on their age and their image store.
///
/// # Errors
///
/// As [`save_oci_archive`].
pub fn save_docker_archive(export: &Export<'_>, file: &Path) -> Result<Descriptor, SaveError> {
    save(export, file, |written| Some(index::docker_manifest(written, export.names)))
}

fn save(
    export: &Export<'_>,
    path: &Path,
    docker_manifest: impl FnOnce(&Written) -> Option<Vec<u8>>,
) -> Result<Descriptor, SaveError> {
    // A device or a pipe would be replaced by a file: `/dev/null`, for instance.
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(SaveError::InTheWay { path: path.to_owned(), what: "a file" });
    }
    let unfinished = unfinished::file(parent(path)).map_err(write_error(path))?;
    let mut archive = Archive::begin(&unfinished, path).map_err(write_error(path))?;
    let written = export.write_blobs(&mut archive)?;
    let content = index::put(index::empty(), &written.manifest, export.names).expect("our own index is one");
    let docker_manifest = docker_manifest(&written);
    archive.end(&to_canonical_json(&content), docker_manifest.as_deref()).map_err(write_error(path))?;
    // What is acknowledged survives a power cut: the content is on the disk before it has its name, and then the name.
    unfinished.as_file().sync_all().map_err(write_error(path))?;
    unfinished.persist(path).map_err(|error| write_error(path)(error.error))?;
    sync_dir(parent(path)).map_err(write_error(path))?;
    Ok(written.manifest)
}

struct Archive {
    /// Where the archive will be, for messages.
    target: PathBuf,
    tarball: Tarball,
}

impl Archive {
    fn begin(unfinished: &NamedTempFile, target: &Path) -> io::Result<Self> {
        let mut tarball = Tarball::new(unfinished.as_file().try_clone()?);
        tarball.add_file(LAYOUT, LAYOUT_CONTENT)?;
        tarball.add_dir("blobs/")?;
        tarball.add_dir("blobs/sha256/")?;
        Ok(Self { target: target.to_owned(), tarball })
    }

    fn end(mut self, index: &[u8], docker_manifest: Option<&[u8]>) -> io::Result<()> {
        self.tarball.add_file(INDEX, index)?;
        if let Some(manifest) = docker_manifest {
            self.tarball.add_file(DOCKER_MANIFEST, manifest)?;
        }
        self.tarball.finish()
    }

    fn add_blob(&mut self, fill: &mut Fill<'_>) -> Result<(Digest, u64), Broken> {
        let entry = self.tarball.begin()?;
        let (digest, length) = fill(self.tarball.content())?;
        self.tarball.end(entry, &blob_path(&digest))?;
        Ok((digest, length))
    }
}

impl Blobs for Archive {
    fn add(&mut self, fill: &mut Fill<'_>) -> Result<(Digest, u64), SaveError> {
        self.add_blob(fill).map_err(|broken| broken.on(&self.target))
    }
}
