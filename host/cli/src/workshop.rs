// SPDX-License-Identifier: Apache-2.0
//! Puts the rooms together: a store, the plugins, a sandbox and a client, wired for one command.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wythe_image::{Image, Platform, Reference};
use wythe_plan::{CORE_KINDS, Kind, StepPlanner as _};
use wythe_plugin::{PluginOptions, Plugins};
use wythe_remote::ClientOptions;
use wythe_sandbox::{Native, Oci, Runtime, Sandbox};
use wythe_solve::{EventSink, Grants, Machine, Parts, image_for};
use wythe_store::{FindImageError, Healed, Store, StoredImage};
use wythe_sys::cancel::Cancel;

use crate::arguments::{Definition, Driver, Global, When};
use crate::diagnostic::Report;
use crate::environment::{Surroundings, now};
use crate::exit::Exit;
use crate::print;
use crate::render::plural;

/// How long other processes are waited for that have a damaged index open. Most commands are done by then; who runs a long
/// build is better told than kept waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) surroundings: Surroundings,
    pub(crate) store_dir: PathBuf,
    /// Whether standard error is coloured.
    pub(crate) color: bool,
    /// The same for standard output.
    pub(crate) color_data: bool,
    pub(crate) is_terminal: bool,
    driver: Driver,
    unsafe_driver: bool,
    device_hooks: bool,
    share_network: bool,
}

impl Workshop {
    pub(crate) fn new(global: &Global) -> Self {
        let surroundings = Surroundings::look();
        let stderr = std::io::stderr();
        // Honours NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM.
        let auto = |choice| choice != anstream::ColorChoice::Never;
        let color = |auto: bool| match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => auto,
        };
        Self {
            store_dir: surroundings.store_dir(global.store.as_deref()),
            surroundings,
            color: color(auto(anstream::AutoStream::choice(&stderr))),
            color_data: color(auto(anstream::AutoStream::choice(&std::io::stdout()))),
            is_terminal: std::io::IsTerminal::is_terminal(&stderr),
            driver: global.driver.clone(),
            unsafe_driver: global.unsafe_driver,
            device_hooks: global.allow_device_hooks,
            share_network: global.share_network,
        }
    }

    /// Opens the store, which is made where there is none.
    pub(crate) fn store(&self) -> Result<Arc<Store>, Report> {
        let dir = absolute(&self.store_dir)?;
        let begun = Instant::now();
        let mut has_told = false;
        let opened = Store::open_waiting(&dir, now(), &mut || {
            if !has_told {
                print::to_stderr(
                    "waiting for other processes that use the store: its index is damaged, and is made again",
                );
            }
            has_told = true;
            if begun.elapsed() < PATIENCE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let opened = opened.map_err(|error| {
            Report::caused(Exit::World, format!("cannot open the store `{}`", dir.display()), &error)
                .hint("name another place with `--store DIR` or WYTHE_HOME")
        });
        if let Ok(store) = &opened
            && let Some(healed) = store.healed()
        {
            print::to_stderr(&describe_healed(healed));
        }
        opened.map(Arc::new)
    }

    /// Whether the store's index was found damaged, so that opening the store makes another one.
    pub(crate) fn will_heal(&self) -> bool {
        absolute(&self.store_dir).is_ok_and(|dir| Store::will_heal(&dir))
    }

    /// Returns the plugins. Nothing is compiled before a step is planned.
    pub(crate) fn plugins(&self, store: Option<&Store>) -> Result<Plugins, Report> {
        let options = PluginOptions { compiled_cache: store.map(Store::compiled_dir), ..PluginOptions::default() };
        Plugins::load(options).map_err(|error| Report::caused(Exit::Plugin, "cannot load the plugins", &error))
    }

    /// Returns the parts of an engine, for a definition as it is `wanted`.
    pub(crate) fn parts(
        &self,
        store: &Arc<Store>,
        plugins: Arc<Plugins>,
        grants: Grants,
        events: Arc<dyn EventSink>,
        stops: &Stops,
        wanted: &Definition,
    ) -> Result<Parts, Report> {
        let client = || ClientOptions {
            salt: now().unsigned_abs() ^ u64::from(std::process::id()),
            ..ClientOptions::new(concat!("wythe/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Parts {
            store: Arc::clone(store),
            planner: plugins,
            sandbox: self.sandbox()?,
            client: (!wanted.offline).then(client),
            machine: self.machine(),
            grants,
            keeps_scenes: false,
            events,
            now: now(),
            cancel: stops.cancel.clone(),
            stop: stops.token.clone(),
        })
    }

    /// Returns what there is to know of this machine.
    pub(crate) fn machine(&self) -> Machine {
        Machine { device_hooks: self.device_hooks, ..self.surroundings.machine(self.share_network) }
    }

    /// Returns what runs commands.
    pub(crate) fn sandbox(&self) -> Result<Arc<dyn Sandbox>, Report> {
        let native = Native::new(PathBuf::from("/proc/self/exe"));
        let name = match &self.driver {
            Driver::Oci(name) => name,
            Driver::Native if self.device_hooks => {
                let what = "`--allow-device-hooks` needs an OCI runtime, which runs them";
                return Err(Report::new(Exit::Usage, what).hint("name one that is installed: `--driver oci:crun`"));
            }
            Driver::Native => return Ok(Arc::new(native)),
        };
        let runtime = Runtime::find(name, &self.surroundings.program_directories());
        let runtime = runtime.map_err(|error| {
            Report::caused(Exit::Usage, format!("`--driver oci:{name}` cannot be used"), &error)
                .hint("see which runtimes are installed: `wythe doctor`")
        })?;
        let holes = runtime.holes();
        if holes.is_empty() || self.unsafe_driver {
            return Ok(Arc::new(Oci::new(native, runtime)));
        }
        let what = format!("`--driver oci:{name}` cannot be used: holes of version {} are known", runtime.version);
        let report = Report::new(Exit::World, what).note(holes.join(", "));
        Err(report
            .hint("use a later version, or wythe's own driver, `--driver native`")
            .hint("where the distribution has closed them, or nothing here is a stranger's: `--unsafe-driver`"))
    }
}

/// Says what became of a damaged index.
fn describe_healed(healed: &Healed) -> String {
    let count = |count: u64, noun: &str| plural(usize::try_from(count).unwrap_or(usize::MAX), noun);
    let results = match healed.results {
        0 => "no results: steps run again".to_owned(),
        some => format!("{}; a step whose result is not among them runs again", count(some, "result")),
    };
    format!(
        "note: the index of the store was damaged and was made again, with {}, {} and {results}",
        count(healed.images, "image"),
        count(healed.layers, "layer")
    )
}

/// Returns all step kinds: those of the plugins and the core ones, sorted by name.
pub(crate) fn all_kinds(plugins: &Plugins) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = plugins.kinds().iter().chain(CORE_KINDS.iter()).cloned().collect();
    kinds.sort_by(|one, other| one.name.cmp(&other.name));
    kinds
}

/// Finds an image by name, with a platform behind it or without, digest or beginning of a digest.
pub(crate) fn find_image(store: &Store, name: &str) -> Result<(StoredImage, Image), Report> {
    let failed = |error| cannot_find(name, &error);
    if let (_, Some(platform)) = Platform::split_from(name) {
        let stored = image_for(store, name, &platform)
            .map_err(|why| Report::new(Exit::Spec, why).hint("see which images there are: `wythe images`"))?;
        return unpacked(name, stored);
    }
    let by_name = store.image(&full_name(name)).map_err(failed)?;
    let found = match by_name {
        Some(stored) => Some(stored),
        None => store.image(name).map_err(failed)?,
    };
    let stored = found.ok_or_else(|| {
        Report::new(Exit::Spec, format!("image `{name}` is not in the store"))
            .hint("see which images there are: `wythe images`")
    })?;
    unpacked(name, stored)
}

fn unpacked(name: &str, stored: StoredImage) -> Result<(StoredImage, Image), Report> {
    let image = Image::unpack(&stored.manifest, &stored.config)
        .map_err(|error| Report::caused(Exit::World, format!("image `{name}` cannot be read"), &error))?;
    Ok((stored, image))
}

/// That a name fits several images is who wrote it; that a part is damaged is the disk.
fn cannot_find(name: &str, error: &FindImageError) -> Report {
    let exit = if matches!(error, FindImageError::Ambiguous { .. }) { Exit::Spec } else { Exit::World };
    let report = Report::caused(exit, format!("cannot find image `{name}`"), error);
    match error {
        FindImageError::Read { .. } => {
            report.hint("build the image again: what is damaged is made anew; see what else is: `wythe store verify`")
        }
        _ => report,
    }
}

/// Returns the name under which an image is kept: with its tag, `latest` where none is given. A platform behind it stays.
pub(crate) fn full_name(name: &str) -> String {
    let (name, platform) = Platform::split_from(name);
    let name = name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.to_string());
    platform.map_or_else(|| name.clone(), |platform| platform.behind(&name))
}

/// Returns an error of the store as a report.
pub(crate) fn store_failed(error: &(dyn std::error::Error + 'static)) -> Report {
    Report::caused(Exit::World, "the store failed", error)
}

/// Returns an absolute path. Names are kept as they are written: nothing is resolved.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Report> {
    std::path::absolute(path)
        .map_err(|error| Report::caused(Exit::World, format!("cannot tell where `{}` is", path.display()), &error))
}

/// Stops everything that runs, on Ctrl-C or SIGTERM.
#[derive(Debug, Clone)]
pub(crate) struct Stops {
    pub(crate) cancel: Cancel,
    pub(crate) token: CancellationToken,
}

impl Stops {
    /// Begins to listen. The first signal stops the build in order; a second one ends the process at once.
    pub(crate) fn listen() -> Result<Self, Report> {
        let failed = |error| Report::caused(Exit::World, "cannot listen for signals", &error);
        let stops = Self { cancel: Cancel::new().map_err(failed)?, token: CancellationToken::new() };
        let mut interrupt =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()).map_err(failed)?;
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(failed)?;
        let shared = stops.clone();
        tokio::spawn(async move {
            let mut next = async || {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            };
            next().await;
            shared.cancel.cancel();
            shared.token.cancel();
            next().await;
            #[allow(clippy::exit, reason = "a person who asks twice does not want to wait")]
            std::process::exit(i32::from(Exit::Interrupted as u8));
        });
        Ok(stops)
    }
}
