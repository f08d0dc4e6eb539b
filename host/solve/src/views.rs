// SPDX-License-Identifier: Apache-2.0
//! The states of a build as trees of files: each is mounted once for all who look at it at a time, and the lowest layers of
//! a long chain once for many of its states.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use wythe_image::{Digest, Image};
use wythe_store::Store;
use wythe_sys::overlay::Foundations;

use crate::error::Cause;
use crate::state::{StateFiles, layer_dirs};

/// The states that somebody looks at.
#[derive(Debug)]
pub(crate) struct Views {
    store: Arc<Store>,
    foundations: Foundations,
    /// Where layers lie that were looked up: they are leased, and stay there as long as the store's handle does.
    dirs: Mutex<BTreeMap<Digest, Vec<PathBuf>>>,
    /// By chain id.
    open: Mutex<BTreeMap<Digest, Weak<StateFiles>>>,
}

impl Views {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, foundations: Foundations::default(), dirs: Mutex::default(), open: Mutex::default() }
    }

    /// Returns the directories of an image's layers, the lowest first.
    pub(crate) fn lowers(&self, image: &Image) -> Result<Vec<PathBuf>, Cause> {
        let mut dirs = self.dirs.lock().expect("no look at a layer panics");
        let mut lowers = Vec::with_capacity(image.layers().len() + 1);
        for layer in image.layers() {
            lowers.extend(match dirs.get(&layer.diff_id) {
                Some(dirs) => dirs.clone(),
                None => dirs.entry(layer.diff_id).or_insert(layer_dirs(&self.store, &layer.diff_id)?).clone(),
            });
        }
        Ok(lowers)
    }

    /// Returns the files of an image. They are mounted where nobody has them at the moment.
    pub(crate) fn files(&self, image: &Image) -> Result<Arc<StateFiles>, Cause> {
        let mut open = self.open.lock().expect("no mount panics");
        if let Some(files) = open.get(&image.chain_id()).and_then(Weak::upgrade) {
            return Ok(files);
        }
        let files = StateFiles::mount_with(self.lowers(image)?, |lowers| self.foundations.mount(&lowers))?;
        let files = Arc::new(files);
        open.retain(|_, files| files.strong_count() > 0);
        open.insert(image.chain_id(), Arc::downgrade(&files));
        Ok(files)
    }
}
