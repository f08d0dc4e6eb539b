// SPDX-License-Identifier: Apache-2.0
//! Why a step of this build is not the one that the last build left.

use wythe_image::{Config, Digest};
use wythe_store::Missing;

use super::{Chronicle, Then};
use crate::why::compare::{Beside, Part, fallback, own_reasons};
use crate::why::past::StepPast;
use crate::why::roots::Chain as Levels;
use crate::why::{Reason, Root};

impl Chronicle {
    /// Returns why a step ran, the nearest reason first.
    pub(super) fn reasons(&self, place: usize) -> Vec<Reason> {
        let Some(then) = self.then() else { return vec![Reason::FirstBuild] };
        let Some(at) = then.matches[place] else { return vec![Reason::NewStep] };
        let was = &then.past.steps[at];
        if !was.is_done {
            return vec![Reason::Unfinished];
        }
        let mut reasons = self.own(place);
        let is = &self.now[place];
        if is.past.stands_elsewhere_than(was) && was.said.kind == is.past.said.kind {
            let own: Vec<Vec<Reason>> = (0..place).map(|below| self.own(below)).collect();
            let now: Vec<&StepPast> = self.now.iter().map(|step| &step.past).collect();
            let levels = Levels { now: &now, then: &then.past.steps, matches: &then.matches, own: &own };
            let mut steps = levels.roots(place, at);
            steps.extend(then.past.gone.iter().map(|step| Root::removed(step)));
            reasons.push(Reason::Below { steps });
        }
        if reasons.is_empty() {
            reasons.push(fallback(&is.past.operations, &was.operations));
        }
        reasons
    }

    /// The reasons of a step apart from what lies below it.
    pub(super) fn own(&self, place: usize) -> Vec<Reason> {
        self.own[place].get_or_init(|| self.compared(place)).clone()
    }

    fn compared(&self, place: usize) -> Vec<Reason> {
        let Some(then) = self.then() else { return Vec::new() };
        let Some(at) = then.matches[place] else { return Vec::new() };
        let (is, was) = (&self.now[place], &then.past.steps[at]);
        let mut reasons = Vec::new();
        if let Some(by) = is.forced.filter(|_| is.ran().next().is_some()) {
            reasons.push(Reason::Forced { by });
        }
        reasons.extend(own_reasons(is, was, &Sides { chronicle: self, then, place, at }));
        if is.forced.is_none() {
            for (operation, fate) in is.ran() {
                let lost = fate.missing.and_then(|missing| lost(missing, was.has_key(&operation.key)));
                reasons.extend(lost.filter(|reason| !reasons.contains(reason)));
            }
        }
        reasons
    }
}

fn lost(missing: Missing, was_there: bool) -> Option<Reason> {
    match missing {
        Missing::Unrecorded => was_there.then_some(Reason::Collected),
        Missing::LayerGone => Some(Reason::LayerGone),
        Missing::Damaged => Some(Reason::Damaged),
        Missing::NotFlushed => Some(Reason::NotFlushed),
    }
}

struct Sides<'a> {
    chronicle: &'a Chronicle,
    then: &'a Then,
    place: usize,
    at: usize,
}

impl Beside for Sides<'_> {
    fn manifest(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.chronicle.chain.engine.store.read_blob(digest).ok().flatten()
    }

    fn setter(&self, part: &Part, old: Option<&str>, new: Option<&str>) -> Option<String> {
        let now: Vec<&StepPast> = self.chronicle.now[..self.place].iter().map(|step| &step.past).collect();
        let then: Vec<&StepPast> = self.then.past.steps[..self.at].iter().collect();
        // The side on which the value stands names the step; where it came from nothing, the other one does.
        let in_now = setter_in(&now, part).filter(|(value, _)| Some(value.as_str()) == new);
        let in_then = || setter_in(&then, part).filter(|(value, _)| Some(value.as_str()) == old);
        in_now.or_else(in_then).map(|(_, step)| step)
    }
}

/// Returns the value of a part on top of these steps, and the step that set it.
fn setter_in(steps: &[&StepPast], part: &Part) -> Option<(String, String)> {
    let value = |config: &Config| match part {
        Part::Variable(name) => config.env_value(name).map(str::to_owned),
        Part::User => Some(config.user.clone()),
        Part::WorkingDirectory => Some(match config.workdir_joined("").trim_end_matches('/') {
            "" => "/".to_owned(),
            path => path.to_owned(),
        }),
        Part::Shell => Some(config.effective_shell().join(" ")),
    };
    let last = value(&steps.last()?.config)?;
    // What every image has unless somebody says otherwise, nobody has set.
    if value(&Config::default()).as_ref() == Some(&last) {
        return None;
    }
    let differs = |step: &&&StepPast| value(&step.config).as_ref() != Some(&last);
    let below = steps.iter().rev().find(differs).map(|step| step.said.id.clone());
    let at = below.and_then(|below| steps.iter().position(|step| step.said.id == below)).map_or(0, |at| at + 1);
    Some((last, steps[at].said.id.clone()))
}
