// SPDX-License-Identifier: Apache-2.0
//! A live tree on a terminal: what runs and for how long, downloads as bars, the last lines of what runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use wythe_plan::Severity;
use wythe_solve::{Event, EventSink, How, StepId};

use super::{bytes, explanation, time};
use crate::print::harmless;

/// Lines of output shown under a running step.
const TAIL: usize = 5;

const DONE: Style = AnsiColor::Green.on_default();
const HIT: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();
const WARNING: Style = AnsiColor::Yellow.on_default();

/// Shows events as a tree that is redrawn in place.
pub(crate) struct Tree {
    bars: MultiProgress,
    steps: Mutex<BTreeMap<StepId, Live>>,
}

/// A step that is under way.
struct Live {
    bar: ProgressBar,
    kind: String,
    doing: String,
    tail: VecDeque<String>,
}

impl Live {
    fn redraw(&self, step: &StepId, width: usize) {
        let mut text = format!("{step}");
        if *self.kind != *step.step {
            text = format!("{text} ({})", self.kind);
        }
        if !self.doing.is_empty() {
            text.push_str(": ");
            text.push_str(&self.doing);
        }
        let mut text = cut(&text, width.saturating_sub(12));
        for line in &self.tail {
            text = format!("{text}\n    {DIM}│ {}{DIM:#}", cut(line, width.saturating_sub(8)));
        }
        self.bar.set_message(text);
    }
}

/// The columns to draw in. A terminal that nobody has given a size says that it has none.
fn columns(said: u16) -> usize {
    if said == 0 { 80 } else { usize::from(said).max(20) }
}

/// Shortens a line to a number of columns, of which none does anything to the terminal.
fn cut(line: &str, width: usize) -> String {
    let line = harmless(line).replace('\t', " ");
    if line.chars().count() <= width {
        line
    } else {
        line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new(), steps: Mutex::default() }
    }

    fn width() -> usize {
        columns(rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |size| size.ws_col))
    }

    fn begin(&self, step: StepId, kind: String) {
        let style = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}");
        let bar = self.bars.add(ProgressBar::new_spinner());
        bar.set_style(style.expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(100));
        let live = Live { bar, kind, doing: String::new(), tail: VecDeque::new() };
        live.redraw(&step, Self::width());
        self.steps.lock().expect("drawing does not panic").insert(step, live);
    }

    fn change(&self, step: &StepId, change: impl FnOnce(&mut Live)) {
        if let Some(live) = self.steps.lock().expect("drawing does not panic").get_mut(step) {
            change(live);
            live.redraw(step, Self::width());
        }
    }

    fn end(&self, step: &StepId, line: &str) {
        if let Some(live) = self.steps.lock().expect("drawing does not panic").remove(step) {
            live.bar.finish_and_clear();
            self.bars.remove(&live.bar);
        }
        self.print(line);
    }

    fn print(&self, line: &str) {
        // Nobody reads any more: that is no reason to stop a build.
        let _gone = self.bars.println(line);
    }
}

impl EventSink for Tree {
    fn event(&self, event: Event) {
        match event {
            Event::ImageStarted { .. } | Event::OperationDone { .. } => {}
            Event::Explained { account, .. } => {
                if let Some(sentence) = explanation(&account) {
                    self.print(&format!("  {DIM}{}{DIM:#}", harmless(sentence)));
                }
            }
            Event::StepStarted { step, kind } => self.begin(step, kind),
            Event::Resolving { step } => self.change(&step, |live| live.doing = "resolve".to_owned()),
            Event::OperationStarted { step, part, text } => self.change(&step, |live| {
                live.doing = if part.is_empty() { text } else { format!("{part}: {text}") };
                live.tail.clear();
            }),
            Event::Output { step, line, .. } => self.change(&step, |live| {
                if live.tail.len() == TAIL {
                    live.tail.pop_front();
                }
                live.tail.push_back(line);
            }),
            Event::Progress { step, label, done, total } => {
                self.change(&step, |live| live.doing = progress_text(&label, done, total));
            }
            Event::Message { step, severity: Severity::Note, text } => self.change(&step, |live| live.doing = text),
            Event::Message { step, text, .. } => {
                self.print(&format!("{WARNING}!{WARNING:#} {step}: {}", harmless(&text)));
            }
            Event::StepDone { step, how, size, time: took } => self.end(&step, &done_line(&step, how, size, took)),
            Event::ImageDone { image, .. } if image.is_empty() => {}
            // With the lines that they are about, they are shown when nothing else is.
            Event::Found { .. } | Event::Offered { .. } => {}
            Event::ImageDone { image, time: took, .. } => {
                self.print(&format!("{DONE}✓{DONE:#} image {image} {DIM}{}{DIM:#}", time(took)));
            }
        }
    }
}

fn done_line(step: &StepId, how: How, size: u64, took: Duration) -> String {
    match how {
        How::Run => format!("{DONE}✓{DONE:#} {step} {DIM}{}, {}{DIM:#}", time(took), bytes(size)),
        How::Hit => format!("{HIT}={HIT:#} {step} {DIM}hit, {}{DIM:#}", bytes(size)),
        How::Config => format!("{HIT}={HIT:#} {step}"),
    }
}

/// A bar of twenty columns with the numbers behind it.
fn progress_text(label: &str, done: u64, total: u64) -> String {
    let Some(full) = done.saturating_mul(20).checked_div(total) else {
        return format!("{label} {}", bytes(done));
    };
    let full = usize::try_from(full.min(20)).unwrap_or(20);
    format!("{}{} {} of {} · {label}", "━".repeat(full), "─".repeat(20 - full), bytes(done), bytes(total))
}

#[cfg(test)]
mod tests {
    use super::{columns, cut, progress_text};

    #[test]
    fn a_bar_is_as_full_as_the_download() {
        assert_eq!(progress_text("2 files", 500, 1000), "━━━━━━━━━━────────── 500 B of 1.0 kB · 2 files");
        assert_eq!(progress_text("index", 500, 0), "index 500 B");
    }

    #[test]
    fn a_terminal_without_a_size_has_the_usual_one() {
        assert_eq!([0, 5, 120].map(columns), [80, 20, 120]);
    }

    #[test]
    fn a_line_is_cut_to_the_width() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
    }
}
