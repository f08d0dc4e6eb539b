// SPDX-License-Identifier: Apache-2.0
//! Where a change of what a step stands on began: at steps below that have reasons of their own, came, went or moved.

use std::collections::BTreeMap;

use super::past::StepPast;
use super::{Reason, Root};

/// The steps of an image on both sides.
pub(super) struct Chain<'a> {
    /// The steps of this build, the lowest first.
    pub(super) now: &'a [&'a StepPast],
    /// Those of the last.
    pub(super) then: &'a [StepPast],
    /// For each step of this build's definition, the one that it was.
    pub(super) matches: &'a [Option<usize>],
    /// The own reasons of each step of this build, as far as they matter.
    pub(super) own: &'a [Vec<Reason>],
}

impl Root {
    pub(super) fn removed(step: &str) -> Self {
        Self { step: step.to_owned(), reasons: vec![Reason::RemovedStep] }
    }
}

impl Chain<'_> {
    /// Returns the steps at which the content below step `place` changed; step `place` was `was`.
    pub(super) fn roots(&self, place: usize, was: usize) -> Vec<Root> {
        let mut roots: Vec<Root> = (0..place).filter_map(|below| self.root(below, was)).collect();
        let matched = self.matches.iter().enumerate().filter_map(|(now, at)| Some(((*at)?, now)));
        let places: BTreeMap<usize, usize> = matched.collect();
        for (at, gone) in self.then[..was].iter().enumerate().filter(|(_, step)| !step.adds.is_empty()) {
            let reason = match places.get(&at) {
                None => Reason::RemovedStep,
                Some(now) if *now > place => Reason::MovedStep { is_below: false },
                Some(_) => continue,
            };
            roots.push(Root { step: gone.said.id.clone(), reasons: vec![reason] });
        }
        if roots.is_empty() { self.reordered(place).into_iter().collect() } else { roots }
    }

    fn root(&self, below: usize, was: usize) -> Option<Root> {
        let step = self.now[below];
        let root = |reasons| Some(Root { step: step.said.id.clone(), reasons });
        match self.matches[below] {
            None if step.adds.is_empty() => None,
            None => root(vec![Reason::NewStep]),
            Some(at) if at > was && !step.adds.is_empty() => root(vec![Reason::MovedStep { is_below: true }]),
            Some(at) => {
                let then = &self.then[at];
                let mut reasons = then.pending.clone();
                if then.adds != step.adds {
                    reasons.extend(self.own[below].iter().filter(|reason| !then.pending.contains(reason)).cloned());
                    if reasons.is_empty() && step.operations.is_empty() {
                        let last =
                            |adds: &[wythe_image::Digest]| adds.last().map_or_else(String::new, ToString::to_string);
                        reasons.push(Reason::Image { old: last(&then.adds), new: last(&step.adds) });
                    }
                }
                if reasons.is_empty() { None } else { root(reasons) }
            }
        }
    }

    /// The first step that stands above one that it stood below.
    fn reordered(&self, place: usize) -> Option<Root> {
        let mut highest = 0;
        for below in (0..place).filter(|below| !self.now[*below].adds.is_empty()) {
            let at = self.matches[below]?;
            if at < highest {
                return Some(Root { step: self.now[below].said.id.clone(), reasons: vec![Reason::ReorderedStep] });
            }
            highest = at;
        }
        None
    }
}
