// SPDX-License-Identifier: Apache-2.0
//! What a build that stops leaves to the next one, of the steps that it did not come to.

use super::Chronicle;
use crate::why::Reason;
use crate::why::past::StepPast;

impl Chronicle {
    /// Keeps why the steps changed that are done, for those that stand on them and are not.
    pub(super) fn carry_over(&mut self) {
        let pending: Vec<Vec<Reason>> = (0..self.now.len())
            .map(|place| {
                let Some(then) = self.then() else { return Vec::new() };
                let Some(at) = then.matches[place] else { return vec![Reason::NewStep] };
                let (is, was) = (&self.now[place].past, &then.past.steps[at]);
                let mut pending = was.pending.clone();
                if was.adds != is.adds {
                    pending.extend(self.own(place).into_iter().filter(|reason| !was.pending.contains(reason)));
                }
                pending
            })
            .collect();
        self.now.iter_mut().zip(pending).for_each(|(step, pending)| step.past.pending = pending);
    }

    /// The steps that were removed, for those that stood on them.
    pub(super) fn gone(&self) -> Vec<String> {
        let Some(then) = self.then() else { return Vec::new() };
        let is_gone = |at: &usize| !then.matches.contains(&Some(*at)) && !then.past.steps[*at].adds.is_empty();
        let now = (0..then.past.steps.len()).filter(is_gone).map(|at| then.past.steps[at].said.id.clone());
        now.chain(then.past.gone.iter().cloned()).collect()
    }

    /// The steps that the build did not come to, as they were when they were last done.
    pub(super) fn rest(&self) -> Vec<StepPast> {
        let places = self.now.len()..self.said.len();
        let one = |place: usize| {
            let was = self.then().and_then(|then| then.matches[place].map(|at| then.past.steps[at].clone()));
            was.unwrap_or_else(|| StepPast::undone(self.said[place].clone()))
        };
        places.map(one).collect()
    }
}
