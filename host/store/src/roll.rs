// SPDX-License-Identifier: Apache-2.0
//! The roll: which images there are and what they are called, in a file of its own (`docs/formats/store.md`).
//!
//! It is the second home of what nobody can make again. Content has its digest, and results can be made anew; but one
//! flipped byte can make a database unreadable, and with it go the names. Lines are added, each with its check sum: a
//! damaged one is one that is not there, and the last one on an image holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wythe_image::Digest;

use crate::index::{Access, Commit, IndexError};
use crate::open::Inner;

/// The file's name in the store's directory.
pub(crate) const FILE: &str = "roll";

/// The name under which a new one is written before it takes the place of the old one.
pub(crate) const NEW: &str = "roll-new";

/// What the first line says before the format of the store.
const HEAD: &str = "wythe images ";

/// Bytes after which it is written anew, without what is out of date. It is considered once in so many bytes.
const LONG: u64 = 64 * 1024;

/// An image with all that the index has of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) image: String,
    pub(crate) config: String,
    pub(crate) created: i64,
    /// Sorted.
    pub(crate) names: Vec<String>,
    /// The lowest first.
    pub(crate) layers: Vec<EntryLayer>,
    /// Sorted.
    pub(crate) blobs: Vec<String>,
}

/// A layer of an image, with the blob that has it in another form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntryLayer {
    pub(crate) layer: String,
    pub(crate) size: i64,
    pub(crate) blob: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Image(Entry),
    Gone { gone: String },
}

/// What a roll says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) images: BTreeMap<String, Entry>,
    /// Whether no line is damaged, so that what it does not name is not there.
    pub(crate) is_whole: bool,
    /// The store's format, where the first line can be read.
    pub(crate) format: Option<i64>,
}

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Roll {
    root: PathBuf,
}

impl Roll {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Makes one without images for a new store. Where that fails, the first image makes it.
    pub(crate) fn begin(&self) {
        if let Ok(mut file) = File::create_new(self.path()) {
            drop(file.write_all(head().as_bytes()));
        }
    }

    /// Reads it; one that is not there says nothing, and is not whole.
    pub(crate) fn read(&self) -> Result<Told, IndexError> {
        let mut bytes = Vec::new();
        match File::open(self.path()).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => Ok(told(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Told::default()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Adds what the index has of some images, within a transaction that has changed it. Where that one fails the roll is
    /// ahead of it, and the next comparison settles that.
    pub(crate) fn add(&self, index: &Access<'_>, images: &[&str], commit: Commit) -> Result<(), IndexError> {
        let mut text = String::new();
        for image in images {
            text.push_str(&line(&match entry(index, image)? {
                Some(entry) => Line::Image(entry),
                None => Line::Gone { gone: (*image).to_owned() },
            }));
        }
        let mut append = || -> io::Result<bool> {
            let mut file = File::options().read(true).append(true).open(self.path())?;
            let length = file.metadata()?.len();
            if is_cut_short(&file, length)? {
                text.insert(0, '\n');
            }
            file.write_all(text.as_bytes())?;
            if commit == Commit::Durable {
                file.sync_data()?;
            }
            Ok(length / LONG != (length + text.len() as u64) / LONG)
        };
        match append() {
            Ok(false) => Ok(()),
            Ok(true) => self.shorten(index),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.write(&entries(index)?),
            Err(error) => Err(self.error(error)),
        }
    }

    /// Writes it anew. Another one is there until the new one is on the disk.
    pub(crate) fn write(&self, images: &BTreeMap<String, Entry>) -> Result<(), IndexError> {
        self.replace(&listing(images))
    }

    fn replace(&self, text: &str) -> Result<(), IndexError> {
        let new = self.root.join(NEW);
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, self.path())?;
            File::open(&self.root)?.sync_all()
        };
        write().map_err(|error| self.error(error))
    }

    fn shorten(&self, index: &Access<'_>) -> Result<(), IndexError> {
        let needed = listing(&entries(index)?);
        let length = std::fs::metadata(self.path()).map_err(|error| self.error(error))?.len();
        if length / 2 > needed.len() as u64 { self.replace(&needed) } else { Ok(()) }
    }

    fn path(&self) -> PathBuf {
        self.root.join(FILE)
    }

    fn error(&self, source: io::Error) -> IndexError {
        IndexError::file(&self.path(), source)
    }
}

impl Inner {
    /// Writes down what has become of images, within the transaction in which it did.
    pub(crate) fn write_down(&self, index: &Access<'_>, images: &[&str], commit: Commit) -> Result<(), IndexError> {
        if images.is_empty() { Ok(()) } else { self.roll.add(index, images, commit) }
    }
}

/// Returns all images of the index.
pub(crate) fn entries(index: &Access<'_>) -> Result<BTreeMap<String, Entry>, IndexError> {
    let images = index.rows("SELECT digest FROM images", [], |row| row.get::<_, String>(0))?;
    let mut entries = BTreeMap::new();
    for image in images {
        if let Some(entry) = entry(index, &image)? {
            entries.insert(image, entry);
        }
    }
    Ok(entries)
}

/// Returns an image of the index.
fn entry(index: &Access<'_>, image: &str) -> Result<Option<Entry>, IndexError> {
    let take = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let Some((config, created)) = index.row("SELECT config, created FROM images WHERE digest = ?1", [image], take)?
    else {
        return Ok(None);
    };
    let layer = |row: &rusqlite::Row<'_>| Ok(EntryLayer { layer: row.get(0)?, size: row.get(1)?, blob: row.get(2)? });
    let layers = "SELECT layer, size, blob FROM image_layers WHERE image = ?1 ORDER BY position";
    let blobs = "SELECT blob FROM image_blobs WHERE image = ?1 ORDER BY blob";
    Ok(Some(Entry {
        image: image.to_owned(),
        config,
        created,
        names: crate::image::names_of(index, image)?,
        layers: index.rows(layers, [image], layer)?,
        blobs: index.rows(blobs, [image], |row| row.get(0))?,
    }))
}

/// What a roll says that names these images and no others.
fn listing(images: &BTreeMap<String, Entry>) -> String {
    images.values().fold(head(), |text, entry| text + &line(entry))
}

fn head() -> String {
    format!("{HEAD}{}\n\n", crate::schema::FORMAT)
}

/// One line: a [`Line`], or an [`Entry`], which looks the same.
fn line(said: &impl Serialize) -> String {
    let json = serde_json::to_string(said).expect("texts and numbers are JSON");
    // An empty line in between: a flipped line end costs one line, not two.
    format!("{} {json}\n\n", sum(&json))
}

fn sum(json: &str) -> String {
    Digest::of(json.as_bytes()).hex()[..16].to_owned()
}

fn told(text: &str) -> Told {
    let mut lines = text.split_inclusive('\n');
    let head = lines.next().unwrap_or_default();
    let format = head.strip_prefix(HEAD).and_then(|number| number.strip_suffix('\n')?.parse().ok());
    let mut told = Told { images: BTreeMap::new(), is_whole: format.is_some(), format };
    for line in lines.filter(|line| *line != "\n") {
        let json = line.strip_suffix('\n').and_then(|line| line.split_once(' '));
        match json.filter(|(known, json)| sum(json) == *known).and_then(|(_, json)| serde_json::from_str(json).ok()) {
            Some(Line::Image(entry)) => {
                for other in told.images.values_mut() {
                    other.names.retain(|name| !entry.names.contains(name));
                }
                told.images.insert(entry.image.clone(), entry);
            }
            Some(Line::Gone { gone }) => drop(told.images.remove(&gone)),
            None => told.is_whole = false,
        }
    }
    told
}

/// Whether the last line has no end: who wrote it was killed, or the disk was full.
fn is_cut_short(file: &File, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut last = [0];
    Ok(length > 0 && file.read_at(&mut last, length - 1)? == 1 && last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(image: &str, names: &[&str]) -> Entry {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Entry { image: image.to_owned(), names, ..Entry::default() }
    }

    fn text(lines: &[Line]) -> String {
        format!("{HEAD}1\n\n{}", lines.iter().map(line).collect::<String>())
    }

    #[test]
    fn the_last_word_on_an_image_and_on_a_name_holds() {
        let lines = [
            Line::Image(named("a", &["app", "old"])),
            Line::Image(named("b", &["app"])),
            Line::Image(named("c", &[])),
            Line::Gone { gone: "c".to_owned() },
        ];
        let told = told(&text(&lines));
        let images = [("a", named("a", &["old"])), ("b", named("b", &["app"]))];
        assert_eq!(told.images, images.map(|(image, entry)| (image.to_owned(), entry)).into());
        assert!(told.is_whole && told.format == Some(1));
    }

    #[test]
    fn a_damaged_line_is_not_there_and_the_others_are() {
        let whole = text(&[Line::Image(named("a", &["app"])), Line::Image(named("b", &["other"]))]);
        for at in 0..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            let told = told(&String::from_utf8_lossy(&bytes));
            // A flipped digit of the head may be another format; everything else is noticed.
            assert!(!told.is_whole || told.format != Some(1), "byte {at}");
            assert!(!told.images.is_empty(), "byte {at}");
            assert!(told.images.values().all(|entry| whole.contains(&line(&Line::Image(entry.clone())))), "byte {at}");
        }
        let cut_short = told(&whole[..whole.len() - 3]);
        assert!(!cut_short.is_whole && cut_short.images.len() == 1);
    }
}
