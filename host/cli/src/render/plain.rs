// SPDX-License-Identifier: Apache-2.0
//! A line an event: for logs, pipes and CI.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

use wythe_plan::Severity;
use wythe_solve::{Event, EventSink, How, StepId};

use super::{bytes, explanation, plural, time};
use crate::print::harmless;

/// Writes events as lines, each with the step it belongs to, since steps of several images may be mixed.
#[derive(Default)]
pub(crate) struct Plain {
    /// How far each step's download was when it was last told: in quarters, so that a log is not flooded.
    told: Mutex<BTreeMap<(StepId, String), u64>>,
}

impl Plain {
    fn line(&self, event: &Event) -> Option<String> {
        let text = match event {
            Event::StepStarted { .. } | Event::ImageStarted { .. } => return None,
            // With the lines that they are about, they are shown when nothing else is.
            Event::Found { .. } | Event::Offered { .. } => return None,
            Event::Resolving { step } => format!("[{step}] resolve"),
            Event::OperationStarted { step, part, text } => format!("[{}] {text}", place(step, part)),
            Event::Output { step, part, line, .. } => format!("[{}] | {line}", place(step, part)),
            Event::OperationDone { step, part, text, how, size, time: took } => match how {
                How::Run => format!("[{}] done {text} ({}, {})", place(step, part), bytes(*size), time(*took)),
                How::Hit | How::Config => return None,
            },
            Event::Progress { step, label, done, total } => self.progress(step, label, *done, *total)?,
            Event::Message { step, severity, text } => match severity {
                Severity::Note => format!("[{step}] {text}"),
                Severity::Warning => format!("[{step}] warning: {text}"),
                Severity::Error => format!("[{step}] error: {text}"),
            },
            Event::Explained { step, account } => format!("[{step}] {}", explanation(account)?),
            Event::StepDone { step, how: How::Hit, size, .. } => format!("[{step}] hit ({})", bytes(*size)),
            Event::StepDone { step, how: How::Config, .. } => format!("[{step}] set"),
            Event::StepDone { step, how: How::Run, size, time: took } => {
                format!("[{step}] step done ({}, {})", bytes(*size), time(*took))
            }
            Event::ImageDone { image, digest, size, layers, time: took } => {
                let name = if image.is_empty() { String::new() } else { format!(" {image}") };
                format!("image{name} {digest} ({}, {}, {})", plural(*layers, "layer"), bytes(*size), time(*took))
            }
        };
        Some(text)
    }

    fn progress(&self, step: &StepId, label: &str, done: u64, total: u64) -> Option<String> {
        let quarter = done.checked_mul(4)?.checked_div(total)?;
        let mut told = self.told.lock().expect("telling does not panic");
        let last = told.entry((step.clone(), label.to_owned())).or_default();
        if quarter <= *last {
            return None;
        }
        *last = quarter;
        Some(format!("[{step}] {label}: {} of {}", bytes(done), bytes(total)))
    }
}

/// Steps that have parts of their own, such as stages, run several of them side by side.
fn place(step: &StepId, part: &str) -> String {
    if part.is_empty() { step.to_string() } else { format!("{step}/{part}") }
}

impl EventSink for Plain {
    fn event(&self, event: Event) {
        if let Some(line) = self.line(&event) {
            // Nobody reads any more: that is no reason to stop a build.
            let _gone = writeln!(std::io::stderr().lock(), "{}", harmless(&line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wythe_solve::{Event, How, StepId, Stream};

    use super::Plain;

    #[test]
    fn each_line_names_its_step() {
        let plain = Plain::default();
        let step = StepId { image: "".into(), step: "deps".into() };
        let progress = |done| Event::Progress { step: step.clone(), label: "3 files".into(), done, total: 100 };
        let events = [
            Event::Resolving { step: step.clone() },
            progress(10),
            progress(30),
            progress(31),
            progress(100),
            Event::OperationStarted { step: step.clone(), part: String::new(), text: "install".into() },
            Event::Output {
                step: step.clone(),
                part: "build".into(),
                stream: Stream::Stdout,
                line: "Setting up".into(),
            },
            Event::StepDone { step, how: How::Run, size: 1000, time: Duration::from_secs(2) },
        ];
        let lines: Vec<String> = events.iter().filter_map(|event| plain.line(event)).collect();
        let expected = [
            "[deps] resolve",
            "[deps] 3 files: 30 B of 100 B",
            "[deps] 3 files: 100 B of 100 B",
            "[deps] install",
            "[deps/build] | Setting up",
            "[deps] step done (1.0 kB, 2.0 s)",
        ];
        assert_eq!(lines, expected);
    }
}
