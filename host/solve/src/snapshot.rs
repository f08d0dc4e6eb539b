// SPDX-License-Identifier: Apache-2.0
//! Between the store and the snapshots: what was changed in an active directory becomes a layer that is kept.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wythe_image::{Digest, LayerRef};
use wythe_snapshot::{Attributes, Editor, Marks};
use wythe_store::{Active, ResultRecord, Store, Traffic};

use crate::error::Cause;
use crate::recopy::Copied;
use crate::state::StateFiles;

/// What an operation has made, not kept yet.
#[derive(Debug)]
pub(crate) struct Made {
    active: Active,
    /// None where nothing has changed.
    pub(crate) layer: Option<LayerRef>,
    /// What a layer cannot hold, in words.
    pub(crate) left_out: Vec<String>,
    /// Where the output of the command is that made it.
    pub(crate) log: Option<PathBuf>,
    /// What that command exchanged with other machines.
    pub(crate) network: Option<Traffic>,
    /// Where the layer's digest can be computed on.
    pub(crate) marks: Marks,
    /// Which files of the build context it is a copy of, where a later one can build on it.
    pub(crate) copied: Option<Copied>,
}

impl Made {
    /// Brings what was changed in `active` into the form of a layer, without what lay in the directory of the plumbing.
    pub(crate) fn of(active: Active, below: &StateFiles, plumbing: Option<&Path>, epoch: u64) -> Result<Self, Cause> {
        let normal = wythe_snapshot::normalise(&active.upper(), below.root(), plumbing, epoch);
        let Some(normal) = normal.map_err(Cause::files)? else { return Ok(Self::empty(active)) };
        let layer = Some(LayerRef { diff_id: normal.diff_id, size: normal.size });
        let left_out = normal.left_out.iter().map(|left| format!("{} `/{}`", left.kind, left.path.display())).collect();
        Ok(Self { layer, left_out, marks: normal.marks, ..Self::empty(active) })
    }

    /// Takes a layer whose directory says only what is otherwise in the one that it stands on.
    pub(crate) fn in_parts(active: Active, layer: LayerRef) -> Self {
        Self { layer: Some(layer), ..Self::empty(active) }
    }

    fn empty(active: Active) -> Self {
        let (left_out, marks) = (Vec::new(), Marks::default());
        Self { active, layer: None, left_out, log: None, network: None, marks, copied: None }
    }

    /// Notes something that is kept beside the layer.
    pub(crate) fn note(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.active.note(name, bytes)
    }

    /// Returns the directory that is to become the layer.
    pub(crate) fn upper(&self) -> PathBuf {
        self.active.upper()
    }

    /// Keeps it under its key.
    pub(crate) fn keep(self, store: &Store, key: &Digest, record: &ResultRecord) -> Result<(), Cause> {
        match self.layer {
            Some(_) => store.commit_result(self.active, key, record).map_err(Cause::store)?,
            None => store.put_result(key, record).map_err(Cause::store)?,
        }
        if let Some(copied) = self.copied {
            copied.remember(store, key);
        }
        Ok(())
    }
}

/// Begins a change of a state: the root of the upper directory looks like the one below.
pub(crate) fn begin(store: &Store, below: &StateFiles) -> Result<Active, Cause> {
    let active = store.begin().map_err(Cause::store)?;
    wythe_snapshot::prepare(&active.upper(), below.root()).map_err(Cause::files)?;
    Ok(active)
}

/// Makes sure that a directory is there for a command to run in.
pub(crate) fn ensure_directory(active: &Active, below: &StateFiles, path: &str, epoch: u64) -> Result<(), Cause> {
    if path == "/" {
        return Ok(());
    }
    let mut editor = Editor::open(&active.upper(), below.root(), epoch).map_err(Cause::files)?;
    editor.mkdir(Path::new(path), &Attributes::default()).map_err(Cause::files)
}

/// Returns a directory that stands for a state without a layer. It is the root of what is merged over it, so its mode
/// must not be that of this process's umask.
pub(crate) fn empty_directory(active: &Active) -> std::io::Result<PathBuf> {
    let empty = active.dir().join("empty");
    std::fs::create_dir_all(&empty)?;
    std::fs::set_permissions(&empty, Permissions::from_mode(0o755))?;
    Ok(empty)
}

/// Returns an archive format in the words of the snapshot room.
pub(crate) fn format(format: wythe_plan::Archive) -> wythe_snapshot::Archive {
    match format {
        wythe_plan::Archive::Tar => wythe_snapshot::Archive::Tar,
        wythe_plan::Archive::Zip => wythe_snapshot::Archive::Zip,
        wythe_plan::Archive::DebData => wythe_snapshot::Archive::DebData,
        wythe_plan::Archive::DebControl => wythe_snapshot::Archive::DebControl,
    }
}
