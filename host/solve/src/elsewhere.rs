// SPDX-License-Identifier: Apache-2.0
//! A build context that lies elsewhere, brought into a directory of the store for as long as it is needed.
//!
//! What is in it is a stranger's: names of an archive lead nowhere out of its directory, and a repository is fetched as one
//! that a step names is.

use std::fs::File;
use std::io::{BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wythe_plan::{Checkout, GitUrl, is_commit};
use wythe_snapshot::{Archive, Attributes, Editor, Unpack, is_tar};
use wythe_store::{Active, Store};

use crate::engine::Engine;
use crate::error::Cause;
use crate::git;

/// Most bytes of what is read from a stream or an address: only what is out of hand has more.
const MOST_BYTES: u64 = 16 << 30;

/// A directory or file of the store that nobody else uses. It is removed when this is dropped.
#[derive(Debug)]
pub struct Brought {
    place: Active,
    path: PathBuf,
}

/// What of a repository is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where it is.
    pub url: GitUrl,
    /// A branch, a tag or a commit; none for what it checks out by itself.
    pub reference: Option<String>,
    /// The beginning of the commit that it has to be.
    pub checksum: Option<String>,
    /// The directory that is taken; empty for all of it.
    pub subdir: String,
    /// Whether the directory `.git` is taken too.
    pub keep_git_dir: bool,
    /// Whether submodules are fetched.
    pub submodules: bool,
}

impl Brought {
    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns an empty directory.
    ///
    /// # Errors
    ///
    /// Where the store cannot make one.
    pub fn nothing(store: &Store) -> Result<Self, Cause> {
        let place = store.begin().map_err(Cause::store)?;
        let path = place.upper();
        Ok(Self { place, path })
    }

    /// Reads a stream to its end into a file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or written, or is longer than 16 GiB.
    pub fn stream(store: &Store, stream: &mut dyn Read) -> Result<Self, Cause> {
        let (mut file, brought) = Self::file(store)?;
        let copied = std::io::copy(&mut stream.take(MOST_BYTES + 1), &mut file);
        let copied = copied.map_err(Cause::doing("cannot take over what is read"))?;
        if copied > MOST_BYTES {
            return Err(Cause::Context { what: format!("what is read has more than {MOST_BYTES} bytes") });
        }
        file.flush().map_err(Cause::doing("cannot take over what is read"))?;
        Ok(brought)
    }

    fn file(store: &Store) -> Result<(BufWriter<File>, Self), Cause> {
        let place = store.begin().map_err(Cause::store)?;
        let path = place.dir().join("brought");
        let file = File::create_new(&path).map_err(Cause::doing("cannot make a file in the store"))?;
        Ok((BufWriter::new(file), Self { place, path }))
    }

    /// Fetches what is at an address into a file.
    ///
    /// # Errors
    ///
    /// Where it cannot be fetched, or nothing may be.
    pub async fn download(engine: &Arc<Engine>, url: &str) -> Result<Self, Cause> {
        if engine.fetcher.is_offline() {
            return Err(Cause::NotFetched { missing: vec![wythe_remote::shown(url)] });
        }
        let (mut file, brought) = Self::file(&engine.store)?;
        let fetch = async {
            let client = engine.fetcher.client().await?;
            client.download_at_most(url, &mut file, MOST_BYTES).await.map_err(Cause::Fetch)?;
            file.flush().map_err(Cause::doing("cannot take over what is fetched"))
        };
        tokio::select! {
            done = fetch => done?,
            () = engine.stop.cancelled() => return Err(Cause::Cancelled),
        }
        Ok(brought)
    }

    /// Fetches the files of a repository into a directory.
    ///
    /// # Errors
    ///
    /// Where they cannot be fetched, or nothing may be.
    pub async fn repository(engine: &Arc<Engine>, wanted: &Repository) -> Result<Self, Cause> {
        if engine.fetcher.is_offline() {
            return Err(Cause::NotFetched { missing: vec![wanted.url.to_string()] });
        }
        let work = async {
            let asked = wanted.reference.as_deref();
            let commit = asked.or(wanted.checksum.as_deref()).filter(|name| is_commit(name));
            let (commit, reference) = match commit {
                Some(commit) => (commit.to_owned(), String::new()),
                None => git::commit_of(engine, &wanted.url, asked).await?,
            };
            if let Some(beginning) = wanted.checksum.as_ref().filter(|beginning| !commit.starts_with(*beginning)) {
                return Err(Cause::Context {
                    what: format!("it is at the commit {commit}, and not at {beginning}…")
                });
            }
            let checkout = Checkout {
                reference,
                subdir: wanted.subdir.clone(),
                keep_git_dir: wanted.keep_git_dir,
                submodules: wanted.submodules,
                ..Checkout::new(wanted.url.clone(), commit)
            };
            let (place, path) = git::bring(engine, &checkout, &|_| ()).await?;
            Ok(Self { place, path })
        };
        tokio::select! {
            done = work => done,
            () = engine.stop.cancelled() => Err(Cause::Cancelled),
        }
    }

    /// Whether it is an archive with something in it.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        is_tar(&self.path)
    }

    /// Unpacks an archive, all of whose files belong to root then: a build context has no owners.
    ///
    /// # Errors
    ///
    /// Where it is damaged, or a name in it leads out of it.
    pub fn unpacked(self, epoch: u64) -> Result<Self, Cause> {
        let path = self.place.upper();
        let mut editor = Editor::open(&path, None, epoch).map_err(Cause::files)?;
        let archive = Unpack::new(self.path, Archive::Tar, PathBuf::from("/"));
        let attributes = Attributes { owner: Some((0, 0)), ..Attributes::default() };
        editor.unpack(&[archive], &attributes).map_err(Cause::files)?;
        drop(editor);
        Ok(Self { place: self.place, path })
    }
}
