// SPDX-License-Identifier: Apache-2.0
//! The engine: everything that outlives one image of a build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio_util::sync::CancellationToken;
use wythe_image::Digest;
use wythe_plan::StepPlanner;
use wythe_remote::{ClientOptions, GitOptions};
use wythe_sandbox::Sandbox;
use wythe_store::Store;
use wythe_sys::cancel::Cancel;

use crate::device::Stock;
use crate::error::Cause;
use crate::fetch::Fetcher;
use crate::machine::Machine;
use crate::plumbing::Plumbing;
use crate::secret::Secrets;
use crate::views::Views;
use crate::{Event, EventSink};

/// The parts that an engine is put together from.
pub struct Parts {
    /// Where results are kept.
    pub store: Arc<Store>,
    /// What turns steps into plans.
    pub planner: Arc<dyn StepPlanner>,
    /// What runs commands.
    pub sandbox: Arc<dyn Sandbox>,
    /// How it fetches; none where the network is not to be used, neither by the engine nor by a step.
    pub client: Option<ClientOptions>,
    /// The machine.
    pub machine: Machine,
    /// What the person who builds has granted to steps.
    pub grants: Grants,
    /// Whether the place where a command failed is kept, for whoever wants to look around there.
    pub keeps_scenes: bool,
    /// Who is told.
    pub events: Arc<dyn EventSink>,
    /// What the time is, in seconds since 1970: for records, never for results.
    pub now: i64,
    /// Stops everything when it is cancelled.
    pub cancel: Cancel,
    /// The same for what waits asynchronously.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("machine", &self.machine).finish_non_exhaustive()
    }
}

/// What a person has granted to the steps of a build, beside what each of them may have anyway.
#[derive(Debug, Default)]
pub struct Grants {
    /// Secrets and ssh agents.
    pub secrets: Secrets,
    /// Directories of the machine that stand for named volumes.
    pub volumes: BTreeMap<String, PathBuf>,
    /// Whether commands that ask for it run without what confines others.
    pub insecure: bool,
}

/// Solves plans.
pub struct Engine {
    pub(crate) store: Arc<Store>,
    pub(crate) planner: Arc<dyn StepPlanner>,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) fetcher: Fetcher,
    pub(crate) stock: Stock,
    pub(crate) git: GitOptions,
    pub(crate) machine: Machine,
    pub(crate) plumbing: Plumbing,
    pub(crate) views: Views,
    pub(crate) grants: Grants,
    pub(crate) keeps_scenes: bool,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) now: i64,
    /// Names this build among the logs.
    pub(crate) build_id: String,
    pub(crate) cancel: Cancel,
    pub(crate) stop: CancellationToken,
    /// How many operations run at once. Who waits for the network, a lock or another operation holds none.
    pub(crate) slots: Semaphore,
    /// Keys that are being solved.
    pub(crate) flights: Flights,
    /// Whether somebody was told that steps share the machine's network.
    pub(crate) has_said_that_it_shares: AtomicBool,
}

/// Lets one operation of this process at a time solve a key.
///
/// The store's lock does that too, for all processes, but whoever waits for it holds a thread: with as many waiting as there are
/// threads, the one they wait for would get none.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<BTreeMap<Digest, Arc<tokio::sync::Mutex<()>>>>);

impl Flights {
    pub(crate) async fn enter(&self, key: Digest) -> OwnedMutexGuard<()> {
        let flight = Arc::clone(self.0.lock().expect("no look at the flights panics").entry(key).or_default());
        flight.lock_owned().await
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("machine", &self.machine).finish_non_exhaustive()
    }
}

impl Engine {
    /// Puts an engine together.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, planner, sandbox, client, machine, grants, keeps_scenes, events, now, cancel, stop } = parts;
        Arc::new(Self {
            fetcher: Fetcher::new(Arc::clone(&store), client),
            git: crate::git::options(&machine),
            plumbing: Plumbing::new(&machine),
            stock: Stock::new(&machine),
            views: Views::new(Arc::clone(&store)),
            slots: Semaphore::new(machine.parallel.max(1)),
            flights: Flights::default(),
            has_said_that_it_shares: AtomicBool::new(false),
            store,
            planner,
            sandbox,
            machine,
            grants,
            keeps_scenes,
            events,
            build_id: format!("{now}-{}", std::process::id()),
            now,
            cancel,
            stop,
        })
    }

    pub(crate) fn tell(&self, event: Event) {
        self.events.event(event);
    }

    /// Runs blocking work beside the asynchronous kind.
    pub(crate) async fn blocking<T, F>(&self, work: F) -> Result<T, Cause>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, Cause> + Send + 'static,
    {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Cause::Cancelled),
        }
    }

    pub(crate) fn check_stop(&self) -> Result<(), Cause> {
        if self.stop.is_cancelled() { Err(Cause::Cancelled) } else { Ok(()) }
    }
}
