// SPDX-License-Identifier: Apache-2.0
//! What is counted for the summary, whatever is shown meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use wythe_plan::Finding;
use wythe_solve::{Event, EventSink, How, StepId};

use super::plural;

/// Counts and passes on.
pub(crate) struct Tally {
    inner: Arc<dyn EventSink>,
    counts: Mutex<Counts>,
    /// The parts that operations belong to.
    parts: Mutex<BTreeSet<(StepId, String)>>,
    /// What planners found, to be shown at the end.
    findings: Mutex<Vec<(StepId, Finding)>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    hits: usize,
    runs: usize,
    edits: usize,
    /// The same of operations of steps that have parts of their own.
    inner_hits: usize,
    inner_runs: usize,
}

impl Tally {
    pub(crate) fn over(inner: Arc<dyn EventSink>) -> Arc<Self> {
        Arc::new(Self { inner, counts: Mutex::default(), parts: Mutex::default(), findings: Mutex::default() })
    }

    /// Returns the counts in words: "6 steps: 4 hits, 1 run, 1 edit". Of a file that is one step to us, and has steps of its own
    /// to who wrote it, it is these that are counted: "5 operations in 2 stages: 3 hits, 2 runs".
    pub(crate) fn words(&self) -> String {
        let Counts { hits, runs, edits, inner_hits, inner_runs } =
            *self.counts.lock().expect("counting does not panic");
        let count = self.parts.lock().expect("counting does not panic").len();
        if hits + runs + edits <= 1 && count > 0 {
            let operations = plural(inner_hits + inner_runs, "operation");
            let what = [plural(inner_hits, "hit"), plural(inner_runs, "run")].join(", ");
            return format!("{operations} in {}: {what}", plural(count, "stage"));
        }
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
        if let Event::OperationDone { step, part, how, .. } = &event
            && !part.is_empty()
        {
            let mut counts = self.counts.lock().expect("counting does not panic");
            match how {
                How::Hit => counts.inner_hits += 1,
                How::Run => counts.inner_runs += 1,
                How::Config => {}
            }
            self.parts.lock().expect("counting does not panic").insert((step.clone(), part.clone()));
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

    #[test]
    fn a_file_that_is_one_step_is_counted_by_what_is_in_it() {
        let tally = Tally::over(Arc::new(Silent));
        let step = || StepId { image: "".into(), step: "base".into() };
        for (part, how) in [("build", How::Hit), ("build", How::Run), ("0", How::Run), ("", How::Run)] {
            let (part, text) = (part.to_owned(), "make".to_owned());
            tally.event(Event::OperationDone { step: step(), part, text, how, size: 0, time: Duration::ZERO });
        }
        tally.event(Event::StepDone { step: step(), how: How::Run, size: 0, time: Duration::ZERO });
        assert_eq!(tally.words(), "3 operations in 2 stages: 1 hit, 2 runs");
    }
}
