// SPDX-License-Identifier: Apache-2.0
//! The mounts of a command: from what the plan says to what the sandbox is given.

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use wythe_image::Image;
use wythe_plan::{
    Action, Archive, Artifact, Brush, Files, Label, MountSource, Run, Severity, Sharing, Source, Vertex, VertexId,
};
use wythe_remote::Listener;
use wythe_sandbox::{Mount, Secret};
use wythe_snapshot::{Attributes, Editor};
use wythe_store::{Active, CacheError, CacheMount, CacheSharing, LockError, VolumeMount};
use wythe_sys::fault::is_of_machine;
use wythe_sys::overlay::Overlay;

use crate::engine::Engine;
use crate::error::Cause;
use crate::fetch::{Told, describe_repeat};
use crate::operation::Operation;
use crate::plumbing::Point;
use crate::secret::Agent;
use crate::{Event, StepId, granted};

/// A mount whose source is at hand.
pub(crate) struct Laid {
    target: String,
    is_file: bool,
    source: LaidSource,
}

enum LaidSource {
    Path {
        path: PathBuf,
        read_only: bool,
    },
    State {
        lowers: Vec<PathBuf>,
        path: String,
    },
    /// A view of the same that can be written to: what is written is thrown away with the step's directories.
    Scratch {
        lowers: Vec<PathBuf>,
        path: String,
        number: usize,
    },
    Tmpfs {
        size: Option<u64>,
    },
    Cache {
        mount: CacheMount,
        read_only: bool,
    },
    Volume(VolumeMount),
    Secret {
        id: String,
        content: Secret,
        mode: u32,
        owner: (u32, u32),
    },
    Ssh {
        id: String,
        real: PathBuf,
        owner: (u32, u32),
        mode: Option<u32>,
        agent: OnceLock<Agent>,
    },
}

impl Laid {
    pub(crate) fn point(&self) -> Point<'_> {
        Point { target: &self.target, is_file: self.is_file }
    }

    /// Returns the secret that is mounted.
    pub(crate) fn secret(&self) -> Option<(&str, &Secret)> {
        match &self.source {
            LaidSource::Secret { id, content, .. } => Some((id, content)),
            _ => None,
        }
    }

    /// Returns the directory of a cache.
    pub(crate) fn cache(&self) -> Option<&Path> {
        match &self.source {
            LaidSource::Cache { mount, .. } => Some(mount.dir()),
            _ => None,
        }
    }

    pub(crate) fn mount(&self, active: &Active) -> std::io::Result<Mount> {
        let source = match &self.source {
            LaidSource::Path { path, read_only } => bind(path, *read_only),
            LaidSource::Cache { mount, read_only } => bind(mount.dir(), *read_only),
            LaidSource::Volume(volume) => bind(volume.dir(), false),
            LaidSource::Secret { content, mode, owner, .. } => {
                wythe_sandbox::MountSource::Secret { content: content.clone(), mode: *mode, owner: *owner }
            }
            LaidSource::Ssh { id, real, owner, mode, agent } => {
                let made = Agent::listen(active.dir(), &format!("ssh-agent-{id}"), real, *owner)?;
                if let Some(mode) = mode {
                    std::fs::set_permissions(made.path(), std::fs::Permissions::from_mode(*mode))?;
                }
                bind(agent.get_or_init(|| made).path(), false)
            }
            LaidSource::Scratch { lowers, path, number } => {
                let mut lowers = lowers.clone();
                if lowers.is_empty() {
                    lowers.push(crate::snapshot::empty_directory(active)?);
                }
                let (upper, work) = scratch(active, *number)?;
                wythe_sandbox::MountSource::Overlay {
                    overlay: Overlay { lowers, upper: Some(upper), work: Some(work) },
                    subpath: path.clone(),
                    read_only: false,
                }
            }
            LaidSource::Tmpfs { size } => wythe_sandbox::MountSource::Tmpfs { size: *size, mode: 0o1777 },
            LaidSource::State { lowers, path } if lowers.is_empty() => {
                // A state without a layer has no file: an empty directory stands for it.
                let empty = crate::snapshot::empty_directory(active)?;
                debug_assert_eq!(path, "/", "a path inside an empty state was refused before");
                bind(&empty, true)
            }
            LaidSource::State { lowers, path } => wythe_sandbox::MountSource::Overlay {
                overlay: Overlay { lowers: lowers.clone(), upper: None, work: None },
                subpath: path.clone(),
                read_only: true,
            },
        };
        Ok(Mount { target: self.target.clone(), source })
    }
}

/// Makes the directories of a view that can be written to. The root of it is its upper directory, so its mode must not be
/// that of this process's umask.
fn scratch(active: &Active, number: usize) -> std::io::Result<(PathBuf, PathBuf)> {
    let dir = active.dir().join(format!("scratch-{number}"));
    let (upper, work) = (dir.join("upper"), dir.join("work"));
    for path in [&upper, &work] {
        std::fs::create_dir_all(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok((upper, work))
}

fn bind(path: &Path, read_only: bool) -> wythe_sandbox::MountSource {
    wythe_sandbox::MountSource::Bind { path: path.to_owned(), subpath: String::new(), read_only }
}

/// Brings the sources of all mounts of a run to hand: what has to be fetched is fetched at once.
pub(crate) async fn lay(operation: &Operation<'_>, run: &Run) -> Result<Vec<Laid>, Cause> {
    let artifacts: Vec<Artifact> = run
        .mounts
        .iter()
        .filter_map(|mount| match &mount.source {
            MountSource::Artifact(artifact) => Some(artifact.clone()),
            _ => None,
        })
        .collect();
    fetch(operation, &artifacts).await?;
    let laid = try_join_all(run.mounts.iter().enumerate().map(|(number, mount)| one(operation, run, mount, number)));
    let laid = laid.await?;
    Ok(laid.into_iter().flatten().collect())
}

/// Returns a mount; none for an optional one that is not there.
async fn one(
    operation: &Operation<'_>,
    run: &Run,
    mount: &wythe_plan::Mount,
    number: usize,
) -> Result<Option<Laid>, Cause> {
    let is_writable = mount.is_writable == Some(true);
    let store = &operation.chain.engine.store;
    let (is_file, source) = match &mount.source {
        MountSource::Artifact(artifact) => {
            let path = store.blob_path(&artifact.sha256).map_err(Cause::store)?;
            let path = path.ok_or_else(|| Cause::Bug(format!("blob {} is not there", artifact.sha256)))?;
            (true, LaidSource::Path { path, read_only: true })
        }
        MountSource::Context { path } => {
            let path = operation.chain.context.path_of(path)?;
            (
                path.is_file(),
                if is_writable { view_of(path, number) } else { LaidSource::Path { path, read_only: true } },
            )
        }
        MountSource::State { vertex, path } => match state(operation, operation.input(*vertex), path)? {
            (is_file, LaidSource::State { lowers, path }) if is_writable => {
                (is_file, LaidSource::Scratch { lowers, path, number })
            }
            laid => laid,
        },
        MountSource::Unpacked { artifact, format } => {
            let image = unpacked(operation, artifact, *format).await?;
            state(operation, &image, "/")?
        }
        MountSource::Tmpfs { size } => (false, LaidSource::Tmpfs { size: *size }),
        MountSource::Cache { id, sharing } => {
            let cache = cache(operation, id, *sharing).await?;
            begin_cache(operation, run, mount, &cache)?;
            (false, LaidSource::Cache { mount: cache, read_only: mount.is_writable == Some(false) })
        }
        MountSource::SecretFile { id, mode, owner, required } => {
            let Some(content) = granted::secret(operation, id, *required).await? else { return Ok(None) };
            let owner = granted::owner(operation, run, owner)?;
            (true, LaidSource::Secret { id: id.clone(), content, mode: *mode, owner })
        }
        MountSource::Ssh { id, required } => {
            let Some(real) = granted::agent(operation, id, *required)? else { return Ok(None) };
            let owner = granted::owner(operation, run, &mount.owner)?;
            (true, LaidSource::Ssh { id: id.clone(), real, owner, mode: mount.mode, agent: OnceLock::new() })
        }
        MountSource::Volume { name } => (false, volume(operation, name)?),
    };
    Ok(Some(Laid { target: mount.target.clone(), is_file, source }))
}

fn state(operation: &Operation<'_>, image: &Arc<Image>, path: &str) -> Result<(bool, LaidSource), Cause> {
    let engine = &operation.chain.engine;
    let files = engine.views.files(image)?;
    let missing = || Cause::Context { what: format!("there is no `{path}` in the state that is mounted") };
    let is_file = match files.root() {
        Some(root) => match root.metadata(Path::new(path)) {
            Ok(found) => found.is_file(),
            Err(error) if is_of_machine(&error) => return Err(Cause::doing(format!("cannot look at `{path}`"))(error)),
            Err(_) => return Err(missing()),
        },
        None if path == "/" => false,
        None => return Err(missing()),
    };
    Ok((is_file, LaidSource::State { lowers: engine.views.lowers(image)?, path: path.to_owned() }))
}

/// Returns the content of an archive as a state: unpacked once, kept like every other result.
async fn unpacked(operation: &Operation<'_>, artifact: &Artifact, format: Archive) -> Result<Arc<Image>, Cause> {
    let source = Source::Unpacked { artifact: artifact.clone(), format };
    let action = Action::Copy { source, dest: "/".to_owned(), brush: Brush::default() };
    let vertex = Vertex::Files(Files { on: VertexId::BASE, actions: vec![action] });
    let name = artifact.url.rsplit('/').next().unwrap_or(&artifact.url);
    let label = Label::new(format!("unpack {name}"));
    let scratch = Arc::new(Image::scratch(operation.chain.engine.machine.platform.clone()));
    let inner = Operation {
        chain: operation.chain,
        turn: operation.turn,
        vertex: &vertex,
        label: &label,
        states: [(VertexId::BASE, scratch)].into(),
        serves_another: true,
        ration: OnceCell::new(),
    };
    Box::pin(inner.solve()).await.map(Arc::new)
}

/// Returns the directory of a cache mount, locked as its sharing asks.
async fn cache(operation: &Operation<'_>, id: &str, sharing: Sharing) -> Result<CacheMount, Cause> {
    let engine = Arc::clone(&operation.chain.engine);
    let id = id.to_owned();
    let sharing = match sharing {
        Sharing::Shared => CacheSharing::Shared,
        Sharing::Private => CacheSharing::Private,
        Sharing::Locked => CacheSharing::Locked,
    };
    let lay = move || {
        let mut on_wait =
            || if engine.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        match engine.store.cache(&id, sharing, &mut on_wait) {
            Ok(cache) => Ok(cache),
            Err(CacheError::Lock { source: LockError::Interrupted, .. }) => Err(Cause::Cancelled),
            Err(error) => Err(Cause::store(error)),
        }
    };
    operation.chain.engine.blocking(lay).await
}

/// Gives a cache that is empty what it is to begin with: an owner, a mode, the files of a state.
fn begin_cache(
    operation: &Operation<'_>,
    run: &Run,
    mount: &wythe_plan::Mount,
    cache: &CacheMount,
) -> Result<(), Cause> {
    let doing = || Cause::doing("cannot prepare a cache mount");
    let is_plain = mount.owner.is_empty() && mount.mode.is_none() && mount.begins_as.is_none();
    if is_plain || std::fs::read_dir(cache.dir()).map_err(doing())?.next().is_some() {
        return Ok(());
    }
    if let Some((vertex, path)) = &mount.begins_as {
        let files = operation.chain.engine.views.files(operation.input(*vertex))?;
        let missing = || Cause::Context { what: format!("there is no `{path}` in the state that a cache begins with") };
        let root = files.root().ok_or_else(missing)?;
        let epoch = operation.chain.pretence.source_date_epoch;
        let mut editor = Editor::open(cache.dir(), None, epoch).map_err(Cause::files)?;
        let plain = Attributes::default();
        editor.copy_tree(root, Path::new(path), Path::new("/"), &|_| false, &plain).map_err(Cause::files)?;
    }
    if let Some(mode) = mount.mode {
        std::fs::set_permissions(cache.dir(), std::fs::Permissions::from_mode(mode)).map_err(doing())?;
    }
    if !mount.owner.is_empty() {
        let (user, group) = granted::owner(operation, run, &mount.owner)?;
        std::os::unix::fs::chown(cache.dir(), Some(user), Some(group)).map_err(doing())?;
    }
    Ok(())
}

/// Returns a view of a file or directory of the machine that can be written to without changing it.
fn view_of(path: PathBuf, number: usize) -> LaidSource {
    match (path.is_file(), path.parent(), path.file_name()) {
        (true, Some(parent), Some(name)) => {
            let name = format!("/{}", name.to_string_lossy());
            LaidSource::Scratch { lowers: vec![parent.to_owned()], path: name, number }
        }
        _ => LaidSource::Scratch { lowers: vec![path], path: String::new(), number },
    }
}

/// Returns a named volume: of the store, or the directory of the machine that stands for it.
fn volume(operation: &Operation<'_>, name: &str) -> Result<LaidSource, Cause> {
    let engine = &operation.chain.engine;
    match engine.grants.volumes.get(name) {
        Some(path) => Ok(LaidSource::Path { path: path.clone(), read_only: false }),
        None => engine.store.volume(name).map(LaidSource::Volume).map_err(Cause::store),
    }
}

/// Time between two reports of a download: more often than this nobody reads.
const BETWEEN_REPORTS: Duration = Duration::from_millis(80);

/// Time between two lines about attempts that are repeated.
const BETWEEN_REPEATS: Duration = Duration::from_secs(1);

/// Fetches artifacts on behalf of a step.
pub(crate) async fn fetch(operation: &Operation<'_>, artifacts: &[Artifact]) -> Result<Vec<PathBuf>, Cause> {
    let engine = &operation.chain.engine;
    let label = if artifacts.len() == 1 { "1 file".to_owned() } else { format!("{} files", artifacts.len()) };
    let told = Mutex::new(Instant::now());
    let report = |done, total| {
        let mut told = told.lock().expect("telling does not panic");
        if told.elapsed() < BETWEEN_REPORTS && done != total {
            return;
        }
        *told = Instant::now();
        let (step, label) = (operation.turn.step.clone(), label.clone());
        engine.tell(Event::Progress { step, label, done, total });
    };
    let told = Told { progress: &report, repeats: repeats(engine, &operation.turn.step) };
    tokio::select! {
        paths = engine.fetcher.all(artifacts, &told) => paths,
        () = engine.stop.cancelled() => Err(Cause::Cancelled),
        // Who began the ration says why.
        () = operation.exceeded() => Err(Cause::Cancelled),
    }
}

/// Returns who tells that a fetch of a step is tried again, where that takes a while.
pub(crate) fn repeats(engine: &Arc<Engine>, step: &StepId) -> Listener {
    let (engine, step) = (Arc::clone(engine), step.clone());
    // Of many downloads that a server turns away at once, one line is enough.
    let last = Mutex::new(None::<Instant>);
    Listener(Arc::new(move |repeat| {
        let mut last = last.lock().expect("telling does not panic");
        if last.is_none_or(|last| last.elapsed() > BETWEEN_REPEATS)
            && let Some(text) = describe_repeat(repeat)
        {
            *last = Some(Instant::now());
            engine.tell(Event::Message { step: step.clone(), severity: Severity::Warning, text });
        }
    }))
}
