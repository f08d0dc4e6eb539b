// SPDX-License-Identifier: Apache-2.0
//! The world as a planner sees it: every question is answered from the build context, the image so far, or the
//! network, and every answer is written down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use wythe_image::{Digest, Image, Platform, to_canonical_json};
use wythe_plan::{Fact, FactAnswer, Finding, Fragment, GitUrl, Offer, PlanError, Severity, VertexId, World};
use wythe_remote::Listener;

use crate::chain::{Chain, Turn};
use crate::error::Cause;
use crate::fetch::Fetcher;
use crate::mounts::repeats;
use crate::reference::image_for;
use crate::state::{StateFiles, reason};
use crate::{Event, probe};

/// Most bytes of one file that a planner may read, and of one body that it may fetch.
pub(crate) const LARGEST_ANSWER: u64 = 64 << 20;

/// What a planner sees of one step.
pub(crate) struct StepWorld {
    pub(crate) chain: Arc<Chain>,
    pub(crate) turn: Arc<Turn>,
    /// The image so far; none while it is not built.
    pub(crate) base: Option<Arc<Image>>,
    /// The vertex of that image; none below the base of an image.
    pub(crate) base_vertex: Option<VertexId>,
    pub(crate) runtime: Handle,
    pub(crate) asked: Mutex<BTreeMap<Fact, Digest>>,
    /// What the lock has image references stand for.
    pins: BTreeMap<String, Digest>,
    /// The image references that were asked for, and what they stood for.
    images: Mutex<BTreeMap<String, Digest>>,
    /// Whether anything was asked for that is no fact: a fetch or a probe.
    reached_out: AtomicBool,
    /// What wanted the network where it is not to be used.
    denied: Mutex<Option<String>>,
    /// Why a probe could not be run at all.
    barred: Mutex<Option<Cause>>,
    pub(crate) files: Mutex<Option<Arc<StateFiles>>>,
    /// What the planner found that a person should look at.
    findings: Mutex<Vec<Finding>>,
}

impl StepWorld {
    pub(crate) fn new(
        chain: &Arc<Chain>,
        turn: &Arc<Turn>,
        base: Option<Arc<Image>>,
        base_vertex: Option<VertexId>,
        pins: BTreeMap<String, Digest>,
    ) -> Self {
        Self {
            chain: Arc::clone(chain),
            turn: Arc::clone(turn),
            base,
            base_vertex,
            runtime: Handle::current(),
            asked: Mutex::default(),
            pins,
            images: Mutex::default(),
            reached_out: AtomicBool::new(false),
            denied: Mutex::default(),
            barred: Mutex::default(),
            files: Mutex::default(),
            findings: Mutex::default(),
        }
    }

    /// Returns what the planner found since the last call.
    pub(crate) fn take_findings(&self) -> Vec<Finding> {
        std::mem::take(&mut *self.findings.lock().expect("no planner panics here"))
    }

    /// Tells of findings. Errors are told by who asked for the plan.
    pub(crate) fn tell(&self, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| finding.problem.severity != Severity::Error) {
            self.chain.engine.tell(Event::Found { step: self.turn.step.clone(), finding: finding.clone() });
        }
    }

    /// Returns what was asked since the last call.
    pub(crate) fn take_asked(&self) -> BTreeMap<Fact, Digest> {
        std::mem::take(&mut *self.asked.lock().expect("no planner panics here"))
    }

    /// Returns the image references that were asked for, and what each stood for.
    pub(crate) fn take_images(&self) -> BTreeMap<String, Digest> {
        std::mem::take(&mut *self.images.lock().expect("no planner panics here"))
    }

    /// Returns what wanted the network and was denied it.
    pub(crate) fn take_denied(&self) -> Option<String> {
        self.denied.lock().expect("no planner panics here").take()
    }

    /// Returns why a probe could not be run, where that is not the probe's own matter.
    pub(crate) fn take_barred(&self) -> Option<Cause> {
        self.barred.lock().expect("no planner panics here").take()
    }

    /// Returns whether a fetch or a probe was asked for since what was asked was last forgotten.
    pub(crate) fn has_reached_out(&self) -> bool {
        self.reached_out.load(Ordering::Relaxed)
    }

    /// Forgets what was asked so far.
    pub(crate) fn forget(&self) {
        self.reached_out.store(false, Ordering::Relaxed);
        drop((self.take_asked(), self.take_images()));
    }

    /// Ends a planner that wants the network where it is not to be used.
    fn deny(&self, wanted: &str) -> PlanError {
        *self.denied.lock().expect("no planner panics here") = Some(wanted.to_owned());
        PlanError::World(format!("{wanted} needs the network, which is not to be used"))
    }

    /// Notes that the network is wanted, and ends a planner where it is not to be used.
    fn reach_out(&self, wanted: &str) -> Result<(), PlanError> {
        self.reached_out.store(true, Ordering::Relaxed);
        if self.chain.engine.fetcher.is_offline() { Err(self.deny(wanted)) } else { Ok(()) }
    }

    /// Waits for an answer, unless everything is to stop.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> Result<T, PlanError> {
        self.runtime.block_on(async {
            tokio::select! {
                found = answer => Ok(found),
                () = self.chain.engine.stop.cancelled() => Err(PlanError::World("stopped".to_owned())),
            }
        })
    }

    /// Returns the first fact that does not stand any more.
    pub(crate) fn first_changed<'f>(&self, facts: &'f BTreeMap<Fact, Digest>) -> Result<Option<&'f Fact>, PlanError> {
        for (fact, digest) in facts {
            if digest_of_answer(&self.answer(fact)?) != *digest {
                return Ok(Some(fact));
            }
        }
        Ok(None)
    }

    fn answer(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        let pretence = &self.chain.pretence;
        let text = |text: &str| Ok(Ok(text.as_bytes().to_vec()));
        match fact {
            Fact::Platform => text(&self.chain.platform.to_string()),
            Fact::MachinePlatform => text(&self.chain.engine.machine.platform.to_string()),
            Fact::BuilderVersion => text(&pretence.builder),
            Fact::SourceDateEpoch => text(&pretence.source_date_epoch.to_string()),
            Fact::Arg(name) => text(pretence.args.get(name).map_or("", String::as_str)),
            Fact::ContextRead(path) => self.chain.context.read_file(path, LARGEST_ANSWER),
            Fact::ContextExists(path) => text(if self.chain.context.exists(path)? { "true" } else { "false" }),
            Fact::ContextGlob(pattern) => self.chain.context.glob(pattern),
            Fact::Image(reference) => Ok(self.image_digest(reference)),
            Fact::ImageConfig(reference) => Ok(self.image_config(reference)),
            Fact::BaseConfig => Ok(Ok(to_canonical_json(self.base()?.config()))),
            Fact::BaseRead(path) => self.base_files()?.told(path, LARGEST_ANSWER),
            Fact::BaseExists(path) => text(if self.base_files()?.exists(path)? { "true" } else { "false" }),
            Fact::BaseWhich(program) => {
                let path = self.base()?.config().env_value("PATH").map(str::to_owned);
                text(&self.base_files()?.which(program, path.as_deref())?.unwrap_or_default())
            }
            Fact::BaseGlob(pattern) => self.base_files()?.glob(pattern),
        }
    }

    fn base(&self) -> Result<&Arc<Image>, PlanError> {
        self.base.as_ref().ok_or(PlanError::NotYet)
    }

    fn base_files(&self) -> Result<Arc<StateFiles>, PlanError> {
        let image = self.base()?;
        let mut files = self.files.lock().expect("no mount panics");
        if files.is_none() {
            *files = Some(self.chain.engine.views.files(image).map_err(|cause| world_error(&cause))?);
        }
        Ok(Arc::clone(files.as_ref().expect("it was just mounted")))
    }

    fn image_config(&self, reference: &str) -> FactAnswer {
        let image = self.chain.stored_image(reference).map_err(|cause| crate::trace::full_text(&cause))?;
        Ok(to_canonical_json(image.config()))
    }

    fn image_digest(&self, reference: &str) -> FactAnswer {
        let found = match self.pins.get(reference) {
            Some(digest) => *digest,
            None => image_for(&self.chain.engine.store, reference, &self.chain.platform)?.digest,
        };
        // A reference with a digest stands still by itself.
        if !Platform::split_from(reference).0.contains('@') {
            self.images.lock().expect("no planner panics here").insert(reference.to_owned(), found);
        }
        Ok(found.to_string().into_bytes())
    }
}

impl World for StepWorld {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        let answer = self.answer(fact)?;
        self.asked.lock().expect("no planner panics here").insert(fact.clone(), digest_of_answer(&answer));
        Ok(answer)
    }

    fn fetch(&self, url: &str) -> Result<FactAnswer, PlanError> {
        self.reach_out(url)?;
        let engine = &self.chain.engine;
        self.log(Severity::Note, &format!("fetch {}", url.rsplit('/').next().unwrap_or(url)));
        match self.wait(get_body(&engine.fetcher, repeats(engine, &self.turn.step), url))? {
            Ok(body) => Ok(Ok(body)),
            // Its own text names the address; that it was a download is known here.
            Err(Cause::Fetch(error)) => Ok(Err(crate::trace::full_text(&error))),
            Err(cause) => Ok(Err(crate::trace::full_text(&cause))),
        }
    }

    fn git_commit(&self, url: &GitUrl, reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        self.reach_out(url.as_str())?;
        self.log(Severity::Note, &format!("ask {url} for {}", reference.unwrap_or("its branch")));
        match self.wait(crate::git::commit_of(&self.chain.engine, url, reference))? {
            Ok((commit, name)) => Ok(Ok(format!("{commit} {name}").into_bytes())),
            Err(cause) => Ok(Err(crate::git::told(&cause))),
        }
    }

    fn probe(&self, plan: &Fragment, command: VertexId) -> Result<FactAnswer, PlanError> {
        self.reached_out.store(true, Ordering::Relaxed);
        self.chain.check_may_run().map_err(|_| PlanError::NotYet)?;
        let (chain, turn, base) = (Arc::clone(&self.chain), Arc::clone(&self.turn), self.base_vertex);
        let run = probe::output(chain, turn, base, plan, command);
        // The place is one of the plan that is looked into, which nobody sees.
        match self.runtime.block_on(run).map_err(Cause::unplaced) {
            Ok(answer) => Ok(answer),
            Err(Cause::Plan(error)) => Err(error),
            Err(cause @ (Cause::NoNetwork { .. } | Cause::NotFetched { .. })) => Err(self.deny(&cause.wanted())),
            Err(cause) => {
                let error = world_error(&cause);
                if matches!(cause, Cause::Foreign { .. }) {
                    *self.barred.lock().expect("no planner panics here") = Some(cause);
                }
                Err(error)
            }
        }
    }

    fn log(&self, severity: Severity, message: &str) {
        let (step, text) = (self.turn.step.clone(), message.to_owned());
        self.chain.engine.tell(Event::Message { step, severity, text });
    }

    fn found(&self, finding: &Finding) {
        self.findings.lock().expect("no planner panics here").push(finding.clone());
    }

    fn offers(&self, offer: &Offer) {
        let step = self.turn.step.clone();
        self.chain.engine.tell(Event::Offered { step, offer: offer.clone() });
    }

    fn progress(&self, label: &str, done: u64, total: u64) {
        let (step, label) = (self.turn.step.clone(), label.to_owned());
        self.chain.engine.tell(Event::Progress { step, label, done, total });
    }
}

async fn get_body(fetcher: &Fetcher, repeats: Listener, url: &str) -> Result<Vec<u8>, Cause> {
    let client = fetcher.client().await?.heard_by(repeats);
    client.get(url, LARGEST_ANSWER).await.map_err(Cause::Fetch)
}

fn world_error(cause: &Cause) -> PlanError {
    PlanError::World(crate::trace::full_text(cause))
}

/// Returns what is written down of an answer. A value and a reason never have the same digest.
pub(crate) fn digest_of_answer(answer: &FactAnswer) -> Digest {
    let (mark, bytes) = match answer {
        Ok(value) => (b'+', &value[..]),
        Err(reason) => (b'-', reason.as_bytes()),
    };
    let mut hasher = wythe_image::Hasher::new();
    hasher.update(&[mark]);
    hasher.update(bytes);
    hasher.finish()
}

/// Whether this stands for the answer that there is no such file.
pub(crate) fn is_no_such_file(digest: &Digest) -> bool {
    *digest == digest_of_answer(&Err(reason(&std::io::ErrorKind::NotFound.into())))
}

#[cfg(test)]
mod tests {
    use super::digest_of_answer;

    #[test]
    fn a_value_is_not_a_reason() {
        assert_ne!(digest_of_answer(&Ok(b"missing".to_vec())), digest_of_answer(&Err("missing".to_owned())));
        assert_eq!(digest_of_answer(&Ok(Vec::new())), digest_of_answer(&Ok(Vec::new())));
    }
}
