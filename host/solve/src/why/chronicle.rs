// SPDX-License-Identifier: Apache-2.0
//! Writes down how an image's steps came to their results, and explains each that ran.

use std::cell::OnceCell;
use std::sync::Arc;

use wythe_image::{Config, Digest, Image, LayerRef, to_canonical_json};
use wythe_plan::spec::Step;
use wythe_plan::{Lock, LockedImage};
use wythe_store::IndexError;

use super::account::subject;
use super::align::align;
use super::past::{ImagePast, OpFate, OpPast, StepNow, StepPast, fingerprint};
use super::redact::{redact_value, redacted};
use super::sentence::{Made, sentence};
use super::{Account, Fate, OpNow, OperationAccount, Planned, Reason, Said, StepAccount};
use crate::How;
use crate::chain::{Chain, Mode, Turn};

mod causes;
mod texts;
mod unfinished;

use texts::fill_texts;

/// The record of one image in the making.
pub(crate) struct Chronicle {
    chain: Arc<Chain>,
    image: String,
    said: Vec<Said>,
    now: Vec<StepNow>,
    /// The own reasons of each step, once they were asked for: many steps may stand on one that changed.
    own: Vec<OnceCell<Vec<Reason>>>,
    /// How many steps have the texts that are kept for people.
    filled: usize,
    /// What the last build left, with the step that each step was; looked up when the first step has run.
    then: Option<Option<Then>>,
    account: Vec<StepAccount>,
}

struct Then {
    past: ImagePast,
    matches: Vec<Option<usize>>,
}

impl Chronicle {
    /// Begins the record of an image with these steps.
    pub(crate) fn begin(chain: &Arc<Chain>, image: &str, steps: &[&Step]) -> Self {
        Self {
            chain: Arc::clone(chain),
            image: image.to_owned(),
            said: steps.iter().map(|step| Said::of(step)).collect(),
            now: Vec::new(),
            own: steps.iter().map(|_| OnceCell::new()).collect(),
            filled: 0,
            then: None,
            account: Vec::new(),
        }
    }

    /// Writes down a step that is done, and returns why it ran where it did.
    pub(crate) fn done(
        &mut self,
        turn: &Turn,
        planned: Planned,
        (below, after): (&[LayerRef], &Image),
        lock: &Lock,
    ) -> Result<Option<StepAccount>, IndexError> {
        let how = turn.how();
        self.push(turn, planned, below, after.layers(), after.config().clone());
        let fate = match how {
            How::Hit => Fate::Hit,
            How::Run => Fate::Run,
            How::Config => Fate::Config,
        };
        self.tell(fate, lock)?;
        Ok(self.account.last().filter(|told| told.how == Fate::Run).cloned())
    }

    /// Writes down a step of which is not known what it makes: it would run, or depends on one that would.
    pub(crate) fn open(&mut self, turn: &Turn, planned: Planned, lock: &Lock) -> Result<(), IndexError> {
        let would_run = turn.has_run();
        self.push(turn, planned, &[], &[], Config::default());
        self.tell(if would_run { Fate::Run } else { Fate::Open }, lock)
    }

    /// Writes down the step at which the build stopped, and ends the record.
    pub(crate) fn failed(
        &mut self,
        turn: &Turn,
        planned: Planned,
        log: Option<String>,
        lock: &Lock,
    ) -> Result<(), IndexError> {
        self.push(turn, planned, &[], &[], Config::default());
        self.tell(Fate::Failed, lock)?;
        self.now.pop();
        self.filled = self.filled.min(self.now.len());
        if let (Some(told), Some(log)) = (self.account.last_mut(), log) {
            let text = told.operations.pop().map_or_else(String::new, |operation| operation.text);
            told.operations.push(OperationAccount { text, ran: true, log: Some(log) });
        }
        self.write(false, lock)
    }

    /// Ends the record of an image that was built.
    pub(crate) fn finish(&mut self, lock: &Lock) -> Result<(), IndexError> {
        self.write(true, lock)
    }

    /// Returns what became of the steps.
    pub(crate) fn into_account(self) -> Account {
        Account { image: self.image, steps: self.account }
    }

    fn push(&mut self, turn: &Turn, planned: Planned, below: &[LayerRef], after: &[LayerRef], config: Config) {
        let said = self.said[self.now.len()].clone();
        let mut past = StepPast::new(said, &self.chain.pretence.builder, planned, below, after);
        let fates;
        (past.operations, fates) = turn.take_operations().into_iter().map(OpNow::split).unzip();
        past.config = config;
        self.now.push(StepNow { past, fates, forced: turn.force });
    }

    fn tell(&mut self, how: Fate, lock: &Lock) -> Result<(), IndexError> {
        let place = self.now.len() - 1;
        let ran = self.now[place].ran().next().is_some();
        let (mut was, mut reasons, mut is_same) = (None, Vec::new(), false);
        if ran {
            self.recall(lock)?;
            reasons = without_credentials(self.reasons(place));
            if let Some((then, at)) = self.then().and_then(|then| Some((then, then.matches[place]?))) {
                let (then, is) = (&then.past.steps[at], &self.now[place].past);
                let is_renamed = then.said.id != is.said.id && (then.said.is_named || is.said.is_named);
                was = is_renamed.then(|| then.said.id.clone());
                is_same = how == Fate::Run && self.chain.mode == Mode::Build && then.is_done && then.adds == is.adds;
            }
        }
        let step = &self.now[place];
        let told = |(operation, fate): (&OpPast, &OpFate)| OperationAccount {
            text: redacted(&operation.text),
            ran: fate.ran,
            log: fate.log.clone(),
        };
        let said = &step.past.said;
        let made = match is_same {
            _ if self.chain.mode == Mode::Foresee => Made::NotYet,
            false => Made::Other,
            true if step.past.adds.is_empty() => Made::Nothing,
            true => Made::Same,
        };
        let sentence = if ran { sentence(&said.id, was.as_deref(), &reasons, made) } else { String::new() };
        self.account.push(StepAccount {
            step: said.id.clone(),
            was,
            kind: said.kind.clone(),
            how,
            sentence,
            reasons,
            is_same,
            operations: step.operations().map(told).collect(),
        });
        Ok(())
    }

    fn then(&self) -> Option<&Then> {
        self.then.as_ref().and_then(Option::as_ref)
    }

    /// Looks up what the last build left, once.
    fn recall(&mut self, lock: &Lock) -> Result<(), IndexError> {
        if self.then.is_none() {
            let text = self.chain.engine.store.recall(&self.chain.definition, &self.past_subject())?;
            self.then = Some(text.as_deref().and_then(ImagePast::parse).map(|past| {
                let was: Vec<&Said> = past.steps.iter().map(|step| &step.said).collect();
                let matches = align(&self.said.iter().collect::<Vec<_>>(), &was);
                Then { past, matches }
            }));
        }
        let image = LockedImage::new(Some(&self.image), &self.chain.platform);
        for (place, step) in self.now.iter_mut().enumerate().skip(self.filled) {
            if step.past.lock.is_none() && step.past.plugin.is_some() {
                step.past.lock = lock
                    .get(&image, &step.past.said.id)
                    .and_then(|locked| Some(locked.resolved.as_ref()?.entry.clone()));
            }
            let then = self.then.as_ref().and_then(Option::as_ref);
            let was = then.and_then(|then| then.matches[place].map(|at| &then.past.steps[at]));
            fill_texts(&self.chain, &mut step.past, was);
        }
        self.filled = self.now.len();
        Ok(())
    }

    fn past_subject(&self) -> String {
        format!("past {}", self.image)
    }

    fn write(&mut self, is_whole: bool, lock: &Lock) -> Result<(), IndexError> {
        let (store, definition) = (Arc::clone(&self.chain.engine.store), self.chain.definition.clone());
        if !is_whole {
            self.recall(lock)?;
            self.carry_over();
        }
        let (rest, gone) = if is_whole { (Vec::new(), Vec::new()) } else { (self.rest(), self.gone()) };
        let about = self.past_subject();
        let digest = fingerprint(self.now.iter().map(|step| &step.past).chain(&rest), &gone);
        if store.recall_digest(&definition, &about)? != Some(digest) {
            self.recall(lock)?;
        }
        // They may be long, and nobody asks for them again.
        let now = std::mem::take(&mut self.now);
        let text = || {
            let steps = now.into_iter().map(|step| step.past).chain(rest).collect();
            serde_json::to_string(&ImagePast::new(steps, gone)).expect("a past of texts and numbers is JSON")
        };
        store.remember(&definition, &about, &digest, text)?;
        let account = Account { image: self.image.clone(), steps: self.account.clone() };
        let digest = Digest::of(&to_canonical_json(&account));
        let text = || serde_json::to_string(&account).expect("an account of texts and numbers is JSON");
        store.remember(&definition, &subject(&self.image), &digest, text)
    }
}

fn without_credentials(reasons: Vec<Reason>) -> Vec<Reason> {
    let mut value = serde_json::to_value(reasons).expect("reasons are representable as JSON");
    redact_value(&mut value);
    serde_json::from_value(value).expect("a text in place of a text changes no shape")
}
