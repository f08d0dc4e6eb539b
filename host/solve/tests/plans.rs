// SPDX-License-Identifier: Apache-2.0
//! When a planner is asked, and when it is not: a recorded plan is used while the facts that it rests on stand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that cannot run says why")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use wythe_image::{Digest, Platform};
use wythe_plan::spec::Spec;
use wythe_plan::{
    Action, Brush, Command, Fact, Files, Fragment, Inventory, Kind, Label, Lock, Network, Package, PlanError, Run,
    Source, StepCall, StepPlanner, Vertex, VertexId, World,
};
use wythe_sandbox::Native;
use wythe_solve::{
    Cause, Engine, Force, Grants, LockUse, Machine, Order, Outcome, Parts, Pretence, Silent, WayOut, build,
};
use wythe_store::Store;
use wythe_sys::cancel::Cancel;
use wythe_sys::userns::{Standing, standing};

fn wood(version: &str) -> Kind {
    Kind {
        name: "wood".to_owned(),
        summary: String::new(),
        plugin: "wood".to_owned(),
        version: version.to_owned(),
        digest: Digest::of(version.as_bytes()),
        is_base: false,
        is_step: true,
        files: Vec::new(),
        resolves: true,
        hosts: Vec::new(),
        imports: Vec::new(),
        schema: serde_json::json!({"type": "object"}),
    }
}

/// Copies what it reads in a file of the build context, and counts how often it is asked.
struct Planner {
    kinds: Vec<Kind>,
    planned: AtomicUsize,
    resolved: AtomicUsize,
}

impl Planner {
    fn new(version: &str) -> Arc<Self> {
        let kinds = vec![wood(version)];
        Arc::new(Self { kinds, planned: AtomicUsize::new(0), resolved: AtomicUsize::new(0) })
    }

    /// How often it was asked for a plan and for a lock entry since the last call.
    fn asked(&self) -> (usize, usize) {
        (self.planned.swap(0, Ordering::Relaxed), self.resolved.swap(0, Ordering::Relaxed))
    }
}

impl StepPlanner for Planner {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn plan(&self, _: StepCall<'_>, world: &dyn World) -> Result<Fragment, PlanError> {
        self.planned.fetch_add(1, Ordering::Relaxed);
        let bytes = world.fact(&Fact::ContextRead("wood.txt".to_owned()))?.map_err(PlanError::Failed)?;
        let put = Action::Put { path: "/wood".to_owned(), bytes, brush: Brush::default() };
        let mut fragment = Fragment::new();
        let files = Vertex::Files(Files { on: VertexId::BASE, actions: vec![put] });
        let head = fragment.add(files, Label::default());
        fragment.set_head(head);
        Ok(fragment)
    }

    fn resolve(&self, _: StepCall<'_>, world: &dyn World) -> Result<String, PlanError> {
        self.resolved.fetch_add(1, Ordering::Relaxed);
        world.fact(&Fact::Platform)?.map_err(PlanError::Failed)?;
        Ok("{}".to_owned())
    }

    fn inventories(&self) -> &[Inventory] {
        &[]
    }

    fn packages(&self, _: &Inventory, _: &dyn World) -> Result<Vec<Package>, PlanError> {
        Ok(Vec::new())
    }
}

/// Pins by a look at what a command says, on a state that has its place in a text.
struct Prober {
    kinds: Vec<Kind>,
    below: Vertex,
}

impl StepPlanner for Prober {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn plan(&self, _: StepCall<'_>, _: &dyn World) -> Result<Fragment, PlanError> {
        unreachable!("it is never pinned")
    }

    fn resolve(&self, _: StepCall<'_>, world: &dyn World) -> Result<String, PlanError> {
        let label = Label { at: Some((1, 1)), in_text: "wood.txt".to_owned(), length: 1, ..Label::new("fell") };
        let mut fragment = Fragment::new();
        let below = fragment.add(self.below.clone(), label);
        let look = fragment.add(Vertex::Run(Run::new(below, command("look"))), Label::default());
        fragment.set_head(look);
        world.probe(&fragment, look)?.map_err(PlanError::Failed)?;
        Ok("{}".to_owned())
    }

    fn inventories(&self) -> &[Inventory] {
        &[]
    }

    fn packages(&self, _: &Inventory, _: &dyn World) -> Result<Vec<Package>, PlanError> {
        Ok(Vec::new())
    }
}

fn command(program: &str) -> Command {
    Command::Argv(vec![program.to_owned()])
}

struct Bench {
    dir: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// A place for a store and a build context; none where this process may not mount.
    fn new() -> Option<Self> {
        if standing() == Standing::Ordinary {
            eprintln!("skipped: needs to be root of something");
            return None;
        }
        // On the disk of the build: an overlay cannot lie on every file system that a `/tmp` may be.
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Some(Self { dir, runtime })
    }

    fn write(&self, text: &str) {
        fs::write(self.dir.path().join("wood.txt"), text).unwrap();
    }

    fn build<P: StepPlanner + 'static>(&self, planner: &Arc<P>, lock: &Lock) -> Outcome {
        let definition = "builder = \"2026.11\"\nbase = \"scratch\"\nsteps = [{ kind = \"wood\" }]\n";
        let order = Order {
            images: Spec::parse("wythe.toml", definition, planner.kinds()).unwrap().images,
            context: self.dir.path().to_owned(),
            pretence: Pretence {
                source_date_epoch: 0,
                created: "1970-01-01T00:00:00Z".to_owned(),
                builder: "2026.11".to_owned(),
                args: [].into(),
            },
            lock: lock.clone(),
            lock_use: LockUse::Use,
            force: Force::default(),
            definition: "wythe.toml".to_owned(),
        };
        let engine = Engine::new(Parts {
            store: Arc::new(Store::open(&self.dir.path().join("store"), 0).unwrap()),
            planner: Arc::<P>::clone(planner),
            // Nothing is run here.
            sandbox: Arc::new(Native::new(PathBuf::from("/nothing"))),
            client: None,
            machine: Machine {
                binary_formats: "/nowhere".into(),
                devices: wythe_sandbox::cdi::Places::default(),
                device_hooks: false,
                platform: Platform::linux_amd64(),
                ca_bundle: None,
                programs: Vec::new(),
                known_hosts: Vec::new(),
                ca_variables: Vec::new(),
                proxies: [].into(),
                resolv_conf: Path::new("/dev/null").to_owned(),
                hosts: Path::new("/dev/null").to_owned(),
                parallel: 1,
                way_out: WayOut::Shared { for_want_of: None },
            },
            grants: Grants::default(),
            keeps_scenes: false,
            events: Arc::new(Silent),
            now: 0,
            cancel: Cancel::new().unwrap(),
            stop: tokio_util::sync::CancellationToken::new(),
        });
        self.runtime.block_on(build(&engine, &order))
    }
}

fn digest(outcome: &Outcome) -> Digest {
    outcome.images[0].as_ref().unwrap().packed.digest
}

#[test]
fn an_unchanged_build_asks_no_planner() {
    let Some(bench) = Bench::new() else { return };
    let planner = Planner::new("1");
    bench.write("oak");
    let first = bench.build(&planner, &Lock::default());
    assert_eq!(planner.asked(), (1, 1));
    let second = bench.build(&planner, &first.lock);
    assert_eq!((planner.asked(), digest(&second)), ((0, 0), digest(&first)));
    bench.write("elm");
    let changed = bench.build(&planner, &first.lock);
    assert_eq!(planner.asked(), (1, 0), "a fact of the plan alone resolves nothing");
    assert_ne!(digest(&changed), digest(&first));
    bench.write("oak");
    let back = bench.build(&planner, &first.lock);
    assert_eq!(digest(&back), digest(&first));
}

#[test]
fn another_plugin_is_asked_again_and_what_it_makes_is_still_known() {
    let Some(bench) = Bench::new() else { return };
    bench.write("oak");
    let first = bench.build(&Planner::new("1"), &Lock::default());
    let newer = Planner::new("2");
    let second = bench.build(&newer, &first.lock);
    assert_eq!((newer.asked(), digest(&second)), ((1, 1), digest(&first)));
    assert_ne!(second.lock, first.lock);
}

#[test]
fn what_a_look_needs_and_cannot_have_is_told_wherever_it_stands() {
    let Some(bench) = Bench::new() else { return };
    let told = |below: Vertex| {
        let outcome = bench.build(&Arc::new(Prober { kinds: vec![wood("1")], below }), &Lock::default());
        *outcome.images.into_iter().next().unwrap().unwrap_err().cause
    };
    // There is no network.
    let fell = Run { network: Network::Host, ..Run::new(VertexId::BASE, command("fell")) };
    match told(Vertex::Run(fell)) {
        Cause::NotPinned { wanted, .. } => assert_eq!(wanted, "`fell`"),
        other => panic!("{other:?}"),
    }
    let from = Source::State { vertex: VertexId::BASE, path: "/trunk".to_owned() };
    let copy = Action::Copy { source: from, dest: "/trunk".to_owned(), brush: Brush::default() };
    match told(Vertex::Files(Files { on: VertexId::BASE, actions: vec![copy] })) {
        Cause::Plan(PlanError::World(what)) => assert_eq!(what, "there is no `/trunk` in the state it is copied from"),
        other => panic!("{other:?}"),
    }
}
