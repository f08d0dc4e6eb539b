// SPDX-License-Identifier: Apache-2.0
//! A command in a sandbox: its key, its mounts, its layer.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use serde_json::json;
use wythe_image::Image;
use wythe_plan::spec::Limits;
use wythe_plan::{Brush, KeyParts, MountSource, Run, Severity, Ulimit};
use wythe_sandbox::{Ending, Rlimit, RunInputs, RunOutcome, RunRequest, RunTuning, Secret, Stdio};
use wythe_store::Traffic;
use wythe_sys::cancel::Cancel;
use wythe_sys::overlay::Overlay;

use crate::chain::{Chain, Turn};
use crate::device::{Supplied, Wanted};
use crate::disk::DiskWatch;
use crate::error::Cause;
use crate::foreign::check_runs;
use crate::machine::WayOut;
use crate::mounts::{self, Laid};
use crate::network::{Access, View};
use crate::operation::Operation;
use crate::output::Output;
use crate::plumbing::{Asked, Kept};
use crate::scene::Scene;
use crate::secret::Redactor;
use crate::snapshot::Made;
use crate::state::StateFiles;
use crate::words::{Effective, HOSTNAME, Words, run_words};
use crate::{Event, Stream, granted, snapshot};

/// Returns the parts of a run's key.
pub(crate) async fn key_parts(operation: &Operation<'_>, run: &Run) -> Result<KeyParts, Cause> {
    let on = operation.input(run.on);
    let pretence = &operation.chain.pretence;
    let mut words = Words::new("run", on, pretence);
    run_words(run, &Effective::of(run, on, pretence), &mut words);
    for mount in &run.mounts {
        if let Some((vertex, path)) = &mount.begins_as {
            words.input(format!("cache {path}"), operation.input(*vertex).chain_id());
        }
        match &mount.source {
            MountSource::State { vertex, path } => {
                words.input(format!("state {path}"), operation.input(*vertex).chain_id());
            }
            MountSource::Context { path } => {
                let digest = operation.choose(vec![path.clone()], Brush::default()).await?.digest;
                words.input(context_input(path), digest);
            }
            _ => {}
        }
    }
    if !run.devices.is_empty() {
        words.word("devices", json!(run.devices));
    }
    if let Some(gpu) = &run.gpu {
        words.word("gpu", json!(gpu));
    }
    // They may change files of the image.
    if operation.chain.engine.machine.device_hooks && (run.gpu.is_some() || !run.devices.is_empty()) {
        words.word("device_hooks", json!(true));
    }
    Ok(words.finish())
}

fn context_input(path: &str) -> String {
    format!("context {path}")
}

/// Returns the inputs of the build context: the name, what is chosen.
pub(crate) fn context_inputs(run: &Run) -> Vec<(String, Vec<String>, Brush)> {
    let one = |mount: &wythe_plan::Mount| match &mount.source {
        MountSource::Context { path } => Some((context_input(path), vec![path.clone()], Brush::default())),
        _ => None,
    };
    run.mounts.iter().filter_map(one).collect()
}

/// Runs the command.
pub(crate) async fn make(operation: &Operation<'_>, run: &Run, text: &str) -> Result<Made, Cause> {
    let job = Job::prepare(operation, run, text).await?;
    let engine = &operation.chain.engine;
    let _slot = operation.slot().await;
    let made = engine.blocking(move || Ok(job.layer())).await?;
    made.map_err(|failed| {
        let Failed { cause, wreck } = *failed;
        match cause {
            Cause::Command { command, ending, tail, log, .. } if engine.keeps_scenes => {
                Cause::Command { command, ending, tail, log, scene: Some(Scene::of(operation, run, wreck)) }
            }
            cause => cause,
        }
    })
}

/// Runs the command and returns its standard output; what it changed is thrown away.
///
/// A command that ends badly is an answer too: its exit and the last lines of its output.
pub(crate) async fn output(operation: &Operation<'_>, run: &Run, text: &str) -> Result<Result<Vec<u8>, String>, Cause> {
    let job = Job::prepare(operation, run, text).await?;
    let engine = &operation.chain.engine;
    let _slot = operation.slot().await;
    engine.blocking(move || job.output()).await
}

/// A run that has no layer.
struct Failed {
    cause: Cause,
    /// What the command had changed.
    wreck: Option<wythe_store::Active>,
}

impl From<Cause> for Box<Failed> {
    fn from(cause: Cause) -> Self {
        Self::new(Failed { cause, wreck: None })
    }
}

/// A run with everything it needs at hand.
pub(crate) struct Job {
    chain: Arc<Chain>,
    turn: Arc<Turn>,
    on: Arc<Image>,
    effective: Effective,
    run: Run,
    laid: Vec<Laid>,
    /// Secrets in variables: name → id and value.
    secret_env: BTreeMap<String, (String, Secret)>,
    /// What its devices take.
    devices: Supplied,
    text: String,
    /// The part of the step's own source that it belongs to.
    part: String,
    cancel: Cancel,
}

/// What a run stands on while it goes on.
pub(crate) struct Around {
    plumbing: Arc<Kept>,
    access: Access,
}

/// A run that has ended.
struct Ended {
    active: wythe_store::Active,
    below: Arc<StateFiles>,
    /// Secrets that were in caches.
    leaks: granted::Leaks,
    plumbing: Arc<Kept>,
    network: Option<Traffic>,
    outcome: RunOutcome,
    tail: Vec<String>,
    stdout: Vec<u8>,
    log: std::path::PathBuf,
}

impl Job {
    pub(crate) async fn prepare(operation: &Operation<'_>, run: &Run, text: &str) -> Result<Self, Cause> {
        granted::check_insecure(&operation.chain.engine, run)?;
        if run.network.is_some() && operation.chain.engine.fetcher.is_offline() {
            return Err(Cause::NoNetwork { command: text.to_owned() });
        }
        let on = Arc::clone(operation.input(run.on));
        check_runs(&operation.chain.engine.machine, on.platform(), text)?;
        let effective = Effective::of(run, &on, &operation.chain.pretence);
        let laid = mounts::lay(operation, run).await?;
        let secret_env = granted::variables(operation, run).await?;
        let devices = operation.chain.engine.stock.supply(&Wanted::of(run))?;
        Ok(Self {
            chain: Arc::clone(operation.chain),
            turn: Arc::clone(operation.turn),
            on,
            effective,
            run: run.clone(),
            laid,
            secret_env,
            devices,
            text: text.to_owned(),
            part: operation.label.part.clone(),
            cancel: operation.cancel(),
        })
    }

    /// Returns the state that the command stands on.
    pub(crate) fn on(&self) -> &Image {
        &self.on
    }

    /// Puts another program in the place of the command, with further variables.
    pub(crate) fn dress(&mut self, argv: Vec<String>, variables: [(&str, Option<&str>); 2]) {
        self.effective.argv = argv;
        let set = variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        self.effective.env.extend(set);
    }

    fn layer(self) -> Result<Made, Box<Failed>> {
        let ended = self.execute(None)?;
        if ended.outcome.ending != Ending::Exited(0) {
            let (cause, wreck) = self.failure(ended);
            return Err(Box::new(Failed { cause, wreck: Some(wreck) }));
        }
        let epoch = self.chain.pretence.source_date_epoch;
        let mut made = Made::of(ended.active, &ended.below, Some(&ended.plumbing.dir()), epoch)?;
        let leaks = [granted::leaks_of_layer(&self.secrets(), &made)?, ended.leaks].concat();
        if !leaks.is_empty() {
            return Err(Cause::Leak { leaks }.into());
        }
        made.log = Some(ended.log);
        made.network = ended.network;
        Ok(made)
    }

    /// The secrets that the command is given, by id.
    fn secrets(&self) -> Vec<(&str, &Secret)> {
        let variables = self.secret_env.values().map(|(id, value)| (id.as_str(), value));
        self.laid.iter().filter_map(Laid::secret).chain(variables).collect()
    }

    fn output(self) -> Result<Result<Vec<u8>, String>, Cause> {
        let ended = self.execute(Some(LARGEST_PROBE))?;
        match ended.outcome.ending {
            Ending::Exited(0) if !ended.leaks.is_empty() => Err(Cause::Leak { leaks: ended.leaks }),
            Ending::Exited(0) => Ok(Ok(ended.stdout)),
            Ending::Exited(_) => {
                let how = crate::error::describe_ending(ended.outcome.ending);
                Ok(Err(format!("{how}\n{}", ended.tail.join("\n"))))
            }
            _ => Err(self.failure(ended).0),
        }
    }

    /// Returns what went wrong, and what the command had changed.
    fn failure(&self, ended: Ended) -> (Cause, wythe_store::Active) {
        let Ended { active, outcome, tail, log, leaks, .. } = ended;
        granted::tell_of(&leaks, &self.chain.engine, &self.turn.step);
        let cause = match outcome.ending {
            Ending::Cancelled => Cause::Cancelled,
            ending => Cause::Command { command: self.text.clone(), ending, tail, log, scene: None },
        };
        (cause, active)
    }

    /// Runs the command. With `capture` its standard output is kept, up to that many bytes, and not shown.
    fn execute(&self, capture: Option<usize>) -> Result<Ended, Cause> {
        let engine = &self.chain.engine;
        let below = engine.views.files(&self.on)?;
        let active = snapshot::begin(&engine.store, &below)?;
        let (request, around) = self.request(&active, &below, None)?;
        let began = began(&active).map_err(Cause::doing("cannot look at the step's directory"))?;
        let log = engine.store.log_path(&engine.build_id, &self.turn.next_log()).map_err(Cause::store)?;
        let log_file = open_log(&log).map_err(Cause::doing(format!("cannot write the log `{}`", log.display())))?;
        let output = Mutex::new(Output::new((&self.turn.step, &self.part), &*engine.events, Box::new(log_file)));
        let mut stdout = Vec::new();
        let mut broken = None;
        let mut write = |stream, bytes: &[u8]| match capture {
            Some(limit) if stream == Stream::Stdout => {
                let room = limit.saturating_sub(stdout.len());
                stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            _ => {
                let taken = output.lock().expect("no writer of the log panics").take(stream, bytes);
                broken = broken.take().or(taken.err());
            }
        };
        let mut redactors = Redactor::pair(&self.secrets());
        let mut take = |stream, bytes: &[u8]| {
            let stream = if stream == wythe_sandbox::Stream::Stdout { Stream::Stdout } else { Stream::Stderr };
            redactors[stream as usize].take(bytes, &mut |bytes| write(stream, bytes));
        };
        let disk = DiskWatch::begin(self.turn.ambient.limits.disk, &active, &engine.store, &self.cancel);
        let disk = disk.map_err(Cause::doing("cannot watch what the step writes"))?;
        if let Some(text) = self.devices.omissions() {
            engine.tell(Event::Message { step: self.turn.step.clone(), severity: Severity::Note, text });
        }
        let outcome = engine.sandbox.run(&request, Stdio::Captured(&mut take), disk.cancel());
        let (network, refused) = around.access.close();
        for line in refused {
            take(wythe_sandbox::Stream::Stderr, format!("{line}\n").as_bytes());
        }
        for (redactor, stream) in redactors.iter_mut().zip([Stream::Stdout, Stream::Stderr]) {
            redactor.finish(&mut |bytes| write(stream, bytes));
        }
        let leaks = granted::purge_caches(&self.secrets(), &self.laid, began)?;
        let outcome = outcome.map_err(|source| Cause::Sandbox { command: self.text.clone(), source })?;
        let outcome = RunOutcome { ending: disk.verdict(outcome.ending), ..outcome };
        let ended = output.into_inner().expect("no writer of the log panics").finish();
        let doing = || Cause::doing(format!("cannot write the log `{}`", log.display()));
        let tail = ended.map_err(doing())?;
        broken.map_or(Ok(()), |error| Err(doing()(error)))?;
        Ok(Ended { active, below, leaks, plumbing: around.plumbing, network, outcome, tail, stdout, log })
    }

    /// Returns what the sandbox is asked for, on the files of `below` and what is `above` them; what is written goes to
    /// `active`.
    pub(crate) fn request(
        &self,
        active: &wythe_store::Active,
        below: &StateFiles,
        above: Option<std::path::PathBuf>,
    ) -> Result<(RunRequest, Around), Cause> {
        let engine = &self.chain.engine;
        let doing = || Cause::doing("cannot lay out the sandbox");
        let points = self.laid.iter().map(Laid::point).chain(self.devices.points()).collect();
        let links = self.devices.links();
        let (view, extra_hosts) = (View::of(&self.run.network, &engine.machine), &self.run.sandbox.extra_hosts);
        self.say_that_it_shares(view);
        let asked = Asked { points, links: &links, view, extra_hosts };
        let plumbing = engine.plumbing.lend(&engine.store, below.root(), &asked)?;
        let access = Access::open(&self.run.network, extra_hosts, &engine.machine)?;
        let lent = &plumbing.lent;
        let epoch = self.chain.pretence.source_date_epoch;
        snapshot::ensure_directory(active, below, &self.effective.workdir, epoch)?;
        let mut lowers = engine.views.lowers(&self.on)?;
        lowers.extend(above);
        lowers.push(plumbing.dir());
        let mut env = lent.dress(self.effective.env.clone(), below, &self.effective.user)?;
        self.devices.dress(&mut env);
        let own = self.laid.iter().map(|laid| laid.mount(active)).collect::<Result<Vec<_>, _>>().map_err(doing())?;
        let root = Overlay { lowers, upper: Some(active.upper()), work: Some(active.work()) };
        let request = RunRequest {
            inputs: RunInputs {
                root,
                argv: self.effective.argv.clone(),
                env,
                secret_env: self.secret_env.iter().map(|(name, (_, value))| (name.clone(), value.clone())).collect(),
                workdir: self.effective.workdir.clone(),
                user: self.effective.user.clone(),
                groups: self.devices.groups(),
                stdin: self.run.stdin.clone(),
                mounts: lent.mounts.iter().cloned().chain(self.devices.mounts()?).chain(own).collect(),
                network: access.of_sandbox(),
                hostname: HOSTNAME.to_owned(),
                set_id_programs: false,
                insecure: self.run.insecure,
                shared_memory: self.run.sandbox.shm_size,
                rlimits: rlimits(&self.run.sandbox.ulimits),
                hooks: self.devices.hooks.clone(),
                caches: self.laid.iter().filter_map(Laid::cache).map(Into::into).collect(),
            },
            tuning: tuning(&self.turn.ambient.limits),
        };
        Ok((request, Around { plumbing, access }))
    }

    /// Says once a build that commands reach the machine's loopback, where that is for want of something.
    fn say_that_it_shares(&self, view: View) {
        let engine = &self.chain.engine;
        let WayOut::Shared { for_want_of: Some(reason) } = &engine.machine.way_out else { return };
        if view == View::Machine && !engine.has_said_that_it_shares.swap(true, Ordering::Relaxed) {
            let text = format!("it shares this machine's network, the loopback included: {reason}");
            engine.tell(Event::Message { step: self.turn.step.clone(), severity: Severity::Note, text });
        }
    }
}

/// Returns limits of processes in the words of the sandbox.
fn rlimits(ulimits: &BTreeMap<String, Ulimit>) -> Vec<Rlimit> {
    let one = |(name, limit): (&String, &Ulimit)| Rlimit { name: name.clone(), soft: limit.soft, hard: limit.hard };
    ulimits.iter().map(one).collect()
}

/// Returns what the sandbox is told of limits. That of the disk is [`DiskWatch`]'s.
pub(crate) fn tuning(limits: &Limits) -> RunTuning {
    let &Limits { timeout, cpu, memory, pids, disk: _ } = limits;
    RunTuning { timeout, limits: wythe_sandbox::Limits { cpu, memory, pids } }
}

/// The last change of the directory that was laid out for a command is the latest time before it runs.
fn began(active: &wythe_store::Active) -> std::io::Result<i64> {
    Ok(std::os::unix::fs::MetadataExt::ctime(&std::fs::metadata(active.dir())?))
}

/// Opens a log. Each command has its own, which is kept with its result.
fn open_log(path: &std::path::Path) -> std::io::Result<std::io::BufWriter<std::fs::File>> {
    Ok(std::io::BufWriter::new(std::fs::File::create(path)?))
}

/// Most bytes of standard output that a probe returns.
const LARGEST_PROBE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    #[test]
    fn limits_have_one_list_of_names() {
        let of_sandbox: Vec<&str> = wythe_sandbox::Rlimit::names().collect();
        assert_eq!(wythe_plan::ULIMITS.as_slice(), of_sandbox);
    }
}
