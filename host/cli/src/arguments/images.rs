// SPDX-License-Identifier: Apache-2.0
//! Arguments of what shows, compares and writes images.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wythe_export::Compression;

/// Arguments of `wythe images`.
#[derive(Debug, Args)]
pub(crate) struct Images {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print digests only
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// An image.
#[derive(Debug, Args)]
pub(crate) struct OneImage {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
}

/// Arguments of `wythe history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wythe history app              layer by layer
  wythe history app --logs       with all output of the commands that made it
  wythe history app --logs deps  the output of that step's commands")]
pub(crate) struct History {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Print the output of the commands that made the image, or of these steps' (name)
    #[arg(long, value_name = "STEP", num_args = 0..)]
    pub(crate) logs: Option<Vec<String>>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe packages`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is installed is read from the image's files by the plugins of the tools that installed it; nothing in the image is
run. Which types of packages are known: `wythe plugin list --inventory`.

Examples:
  wythe packages app
  wythe packages app --type pypi
  wythe packages app --json | jq -r '.[].purl'       package URLs, for other tools")]
pub(crate) struct Packages {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Only packages of this type, such as deb or pypi
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Configuration, packages and files are compared; of files their type, content, mode, owner, link target, extended
attributes and time. Layers that the two have in common are not read. Which names are links to one file is not compared.

Examples:
  wythe diff app:1 app:2
  wythe diff app:1 app:2 --full              each file, however many
  wythe diff app:1 app:2 --patch             with the lines in which text files differ
  wythe diff app:1 app:2 --json | jq -r '.packages[].name'
  wythe diff --exit-code app:1 app:2 || echo \"not the same image\"")]
pub(crate) struct Diff {
    /// What was: a name, a digest, or the beginning of a digest
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// What is
    #[arg(value_name = "AFTER")]
    pub(crate) after: String,
    /// List each file instead of grouping many by directory
    #[arg(long)]
    pub(crate) full: bool,
    /// Print the lines in which text files of at most 256 KiB differ
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) patch: bool,
    /// End with status 6 where the images differ
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `wythe tag`.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Its new name
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

/// Arguments of `wythe rm`.
#[derive(Debug, Args)]
#[command(after_help = "What no name keeps any more is freed by `wythe store gc`.")]
pub(crate) struct Remove {
    /// Names of images, or digests (which remove all their names)
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
}

/// Arguments of `wythe save`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wythe save app -o app.oci.tar                   an OCI archive
  wythe save app --format oci-dir -o layout       an OCI layout directory
  wythe save app --format docker -o app.tar       for docker load
  wythe save app --compression zstd -o app.oci.tar")]
pub(crate) struct Save {
    /// The image: a name, a digest, or the beginning of a digest
    pub(crate) image: String,
    /// Where to
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: PathBuf,
    /// What to write
    #[arg(long, default_value = "oci")]
    pub(crate) format: Format,
    /// How layers are compressed: none, gzip[:LEVEL] or zstd[:LEVEL]; `none` keeps the image's own digest
    #[arg(long, value_name = "HOW", default_value = "none")]
    pub(crate) compression: Compression,
    /// Names under which the image is written [default: the name that was asked for, none for a digest]
    #[arg(short, long = "tag", value_name = "NAME")]
    pub(crate) tags: Vec<String>,
}

/// What an image is saved as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// An OCI image layout in a tar archive.
    Oci,
    /// An OCI image layout in a directory.
    OciDir,
    /// An archive for `docker load`.
    Docker,
}
