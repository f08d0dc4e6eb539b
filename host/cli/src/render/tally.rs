// SPDX-License-Identifier: Apache-2.0
//! What is counted for the summary, whatever is shown meanwhile.

use std::sync::{Arc, Mutex};

use wythe_plan::Finding;
use wythe_solve::{Event, EventSink, How, StepId};

use super::plural;

/// Counts and passes on.
pub(crate) struct Tally {
    inner: Arc<dyn EventSink>,
    counts: Mutex<Counts>,
    /// What planners found, to be shown at the end.
    findings: Mutex<Vec<(StepId, Finding)>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    hits: usize,
    runs: usize,
    edits: usize,
}

impl Tally {
    pub(crate) fn over(inner: Arc<dyn EventSink>) -> Arc<Self> {
        Arc::new(Self { inner, counts: Mutex::default(), findings: Mutex::default() })
    }

    /// Returns the counts in words: "6 steps: 4 hits, 1 run, 1 configuration".
    pub(crate) fn words(&self) -> String {
        let Counts { hits, runs, edits } = *self.counts.lock().expect("counting does not panic");
        let mut parts = vec![plural(hits, "hit"), plural(runs, "run")];
        if edits > 0 {
            parts.push(plural(edits, "edit"));
        }
        format!("{}: {}", plural(hits + runs + edits, "step"), parts.join(", "))
    }

    /// Returns what planners found since the last call.
    pub(crate) fn take_findings(&self) -> Vec<(StepId, Finding)> {
        std::mem::take(&mut *self.findings.lock().expect("counting does not panic"))
    }

    /// Returns whether nothing had to be run.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.counts.lock().expect("counting does not panic").runs == 0
    }
}

impl EventSink for Tally {
    fn event(&self, event: Event) {
        if let Event::StepDone { how, .. } = &event {
            let mut counts = self.counts.lock().expect("counting does not panic");
            match how {
                How::Hit => counts.hits += 1,
                How::Run => counts.runs += 1,
                How::Config => counts.edits += 1,
            }
        }
        if let Event::Found { step, finding } = &event {
            self.findings.lock().expect("counting does not panic").push((step.clone(), finding.clone()));
        }
        self.inner.event(event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use wythe_solve::{Event, EventSink as _, How, Silent, StepId};

    use super::Tally;

    #[test]
    fn steps_are_counted_by_how_they_came_about() {
        let tally = Tally::over(Arc::new(Silent));
        for how in [How::Hit, How::Hit, How::Run, How::Config] {
            let step = StepId { image: "".into(), step: "x".into() };
            tally.event(Event::StepDone { step, how, size: 0, time: Duration::ZERO });
        }
        assert_eq!(tally.words(), "4 steps: 2 hits, 1 run, 1 edit");
        assert!(!tally.is_unchanged());
    }
}
