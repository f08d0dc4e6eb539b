// SPDX-License-Identifier: Apache-2.0
//! An image to export, with layers of several blocks.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use wythe_export::{Export, LayerError};
use wythe_image::{Config, Digest, Image, LayerRef, Platform, Reference};

pub(crate) const CREATED: &str = "2026-11-01T00:00:00Z";

pub(crate) struct Sample {
    pub(crate) image: Image,
    pub(crate) names: Vec<Reference>,
    layers: BTreeMap<Digest, Vec<u8>>,
}

impl Sample {
    /// Three layers, of which two are one, and a configuration.
    pub(crate) fn new() -> Self {
        let large = archive(&[("etc/", b""), ("etc/large", &numbers(350_000)), ("etc/os-release", b"ID=wythe\n")]);
        let small = archive(&[("hello", b"hello\n")]);
        let contents = [&large, &small, &large];
        let mut image = Image::scratch(Platform::linux_amd64());
        for (number, content) in contents.iter().enumerate() {
            image = image.append(layer(content), &format!("step {number}"));
        }
        let config = Config { cmd: vec!["/hello".to_owned()], ..Config::default().with_env("PATH", "/bin") };
        Self {
            image: image.with_config(config, "cmd"),
            names: vec!["ada/app:1.4".parse().unwrap()],
            layers: contents.into_iter().map(|content| (Digest::of(content), content.clone())).collect(),
        }
    }

    /// Calls a function with an export of the image.
    pub(crate) fn with<T>(&self, compression: &str, threads: usize, work: impl FnOnce(&Export<'_>) -> T) -> T {
        let layers = |layer: &LayerRef, out: &mut dyn Write| copy(&self.layers[&layer.diff_id], out);
        let export = Export::new(&self.image, CREATED, &self.names, &layers);
        work(&Export { compression: compression.parse().unwrap(), threads, ..export })
    }

    /// Changes one byte of the first layer.
    pub(crate) fn damage(&mut self) -> LayerRef {
        let layer = self.image.layers()[0];
        self.layers.get_mut(&layer.diff_id).unwrap()[2_000_000] ^= 1;
        layer
    }
}

/// Writes a layer in pieces of odd lengths and returns what it was.
pub(crate) fn copy(content: &[u8], out: &mut dyn Write) -> Result<(Digest, u64), LayerError> {
    for piece in content.chunks(100_003) {
        out.write_all(piece)?;
    }
    Ok((Digest::of(content), content.len() as u64))
}

/// Returns the names in a directory, sorted.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn layer(content: &[u8]) -> LayerRef {
    LayerRef { diff_id: Digest::of(content), size: content.len() as u64 }
}

fn numbers(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| format!("{}\n", number.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_mode(if name.ends_with('/') { 0o755 } else { 0o644 });
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}
