// SPDX-License-Identifier: Apache-2.0
//! The files of a state, read through a mount that nobody else sees.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use wythe_image::{Digest, Image};
use wythe_plan::{FactAnswer, PlanError};
use wythe_snapshot::SelectError;
use wythe_store::Store;
use wythe_sys::fault::is_of_machine;
use wythe_sys::overlay::{MountError, Overlay};
use wythe_sys::root::Root;

use crate::error::Cause;
use crate::words::SEARCH_PATH;

/// The files of a state, read-only.
#[derive(Debug)]
pub(crate) struct StateFiles {
    /// None where the state has no layer, and so no file.
    root: Option<Root>,
}

impl StateFiles {
    /// Mounts the layers of an image for somebody who looks at no other state. The mount ends with the value, or soon after.
    pub(crate) fn mount(store: &Store, image: &Image) -> Result<Self, Cause> {
        Self::mount_with(lowers(store, image)?, |lowers| Overlay { lowers, upper: None, work: None }.mount())
    }

    /// Mounts layers in the way that is given.
    pub(crate) fn mount_with(
        lowers: Vec<PathBuf>,
        mount: impl FnOnce(Vec<PathBuf>) -> Result<OwnedFd, MountError>,
    ) -> Result<Self, Cause> {
        if lowers.is_empty() {
            return Ok(Self { root: None });
        }
        let mount = mount(lowers).map_err(|error| Cause::Machine {
            doing: "cannot mount the layers of the image".to_owned(),
            source: std::io::Error::other(error),
        })?;
        Ok(Self { root: Some(Root::from_fd(mount)) })
    }

    pub(crate) fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// Reads a file of at most `limit` bytes for a planner: what is not an answer fails.
    pub(crate) fn told(&self, path: &str, limit: u64) -> Result<FactAnswer, PlanError> {
        match &self.root {
            Some(root) => answer(path, root.read_bounded(Path::new(path), limit)),
            None => Ok(Err("no such file".to_owned())),
        }
    }

    pub(crate) fn exists(&self, path: &str) -> Result<bool, PlanError> {
        let Some(root) = &self.root else { return Ok(false) };
        Ok(answer(path, root.metadata(Path::new(path)))?.is_ok())
    }

    /// Returns the absolute names that match a pattern, one a line. A name that would not survive that form is left out.
    pub(crate) fn glob(&self, pattern: &str) -> Result<FactAnswer, PlanError> {
        let Some(root) = &self.root else { return Ok(Ok(Vec::new())) };
        let found = match wythe_snapshot::find(root, pattern) {
            Ok(found) => found,
            Err(error @ SelectError::Tree(_)) => return Err(PlanError::World(crate::trace::full_text(&error))),
            Err(error) => return Ok(Err(crate::trace::full_text(&error))),
        };
        let names = found.iter().filter_map(|path| path.to_str()).filter(|name| !name.contains('\n'));
        Ok(Ok(names.map(|name| format!("/{name}")).collect::<Vec<_>>().join("\n").into_bytes()))
    }

    /// Returns where a program is found, as a shell finds it.
    pub(crate) fn which(&self, program: &str, path: Option<&str>) -> Result<Option<String>, PlanError> {
        let Some(root) = &self.root else { return Ok(None) };
        let is_program = |place: &str| {
            let found = answer(place, root.metadata(Path::new(place)))?;
            Ok(found.is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0))
        };
        if program.contains('/') {
            return Ok(is_program(program)?.then(|| program.to_owned()));
        }
        for place in path.unwrap_or(SEARCH_PATH).split(':').filter(|place| place.starts_with('/')) {
            let place = format!("{}/{program}", place.trim_end_matches('/'));
            if is_program(&place)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Returns the home directory of a user, as `/etc/passwd` of the state says, else `/`, as containers have it.
    ///
    /// A machine that cannot read the table has no answer: with a guess the step would make, and record, something else.
    pub(crate) fn home_of(&self, user: &str) -> Result<String, Cause> {
        let name = user.split(':').next().unwrap_or_default();
        let is_root = matches!(name, "" | "root" | "0");
        let fallback = || if is_root { "/root".to_owned() } else { "/".to_owned() };
        let Some(root) = &self.root else { return Ok(fallback()) };
        let table = match root.read_bounded(Path::new("/etc/passwd"), LARGEST_PASSWD) {
            Ok(table) => String::from_utf8_lossy(&table).into_owned(),
            Err(source) if is_of_machine(&source) => {
                return Err(Cause::Machine { doing: "cannot read `/etc/passwd` of the image".to_owned(), source });
            }
            Err(_) => return Ok(fallback()),
        };
        let wanted = if name.is_empty() { "0" } else { name };
        // passwd(5): name:password:uid:gid:comment:home:shell
        let lines = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let mut homes = lines.filter_map(|fields| match fields[..] {
            [name, _, uid, _, _, home, _] if name == wanted || uid == wanted => Some(home.to_owned()),
            _ => None,
        });
        Ok(homes.next().filter(|home| !home.is_empty()).unwrap_or_else(fallback))
    }
}

impl Drop for StateFiles {
    fn drop(&mut self) {
        // Unmounting waits until no processor looks at the mounts any more (the kernel's `synchronize_rcu`), and whoever
        // looked at the files has other things to do.
        if let (Some(root), Ok(runtime)) = (self.root.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(root)));
        }
    }
}

/// Largest table of users that is read.
const LARGEST_PASSWD: u64 = 1 << 20;

/// Returns the directories of an image's layers, the lowest first.
pub(crate) fn lowers(store: &Store, image: &Image) -> Result<Vec<PathBuf>, Cause> {
    let dirs = image.layers().iter().map(|layer| layer_dirs(store, &layer.diff_id));
    Ok(dirs.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Returns the directories of a layer, the lowest first. It is leased from now on.
pub(crate) fn layer_dirs(store: &Store, diff_id: &Digest) -> Result<Vec<PathBuf>, Cause> {
    let missing = || Cause::Store(format!("layer {diff_id} is named by a result but is not in the store").into());
    store.layer_dirs(diff_id).map_err(Cause::store)?.ok_or_else(missing)
}

/// Tells an answer, such as "no such file", from a failure of the machine, which is none: a plan that was made of it would
/// be recorded.
pub(crate) fn answer<T>(path: &str, found: std::io::Result<T>) -> Result<Result<T, String>, PlanError> {
    match found {
        Err(error) if is_of_machine(&error) => Err(PlanError::World(format!("cannot look at `{path}`: {error}"))),
        found => Ok(found.map_err(|error| reason(&error))),
    }
}

/// Says why a file cannot be read, without naming it again.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}
