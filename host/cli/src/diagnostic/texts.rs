// SPDX-License-Identifier: Apache-2.0
//! The texts that steps are made of, beside the definition: files of the build context, and options that hold a text.

use std::ops::Range;
use std::path::Path;

use wythe_plan::spec::{SourceText, Spec, Step};
use wythe_plan::{Finding, Problem, TextPlace};
use wythe_solve::StepId;
use wythe_sys::root::Root;

use super::Report;
use crate::exit::Exit;

/// Largest text that is read to show a line of it.
const LARGEST: u64 = 16 << 20;

/// Longest line that is shown whole; a longer one is cut behind the place.
const LONGEST: usize = 300;

/// Where the texts of a definition's steps are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts<'a> {
    pub(crate) spec: &'a Spec,
    /// The root of the build context.
    pub(crate) dir: &'a Path,
    /// Whether that was brought here for one command: what is in it has names relative to its top.
    pub(crate) is_brought: bool,
    /// The file that a kind claims, as it was named.
    pub(crate) claimed: Option<&'a str>,
}

impl Texts<'_> {
    /// Returns the step of an id.
    pub(crate) fn step(&self, id: &StepId) -> Option<&Step> {
        // An image without a name has an empty one.
        let name = Some(&*id.image).filter(|name| !name.is_empty());
        self.spec.image(name)?.step(&id.step)
    }

    /// Returns the text that a place is in, and the bytes of it; none where it cannot be read any more.
    pub(crate) fn find(&self, place: &TextPlace, id: &StepId) -> Option<(SourceText, Range<usize>)> {
        let (name, text) = match place.source.starts_with('/') {
            true => {
                let text = self.step(id)?.options.pointer(&place.source)?.as_str()?.to_owned();
                let option = place.source.trim_start_matches('/').replace('/', ".");
                (self.claimed.map_or_else(|| format!("{option} of step {id}"), str::to_owned), text)
            }
            false => {
                let path = Path::new(&place.source);
                // As who has read it: no link leads out of the context.
                let bytes = Root::open(self.dir).and_then(|root| root.read_bounded(path, LARGEST)).ok()?;
                let name = if self.is_brought { place.source.clone() } else { name_of(&self.dir.join(path)) };
                (name, String::from_utf8_lossy(&bytes).into_owned())
            }
        };
        let (text, span) = around(&text, place);
        Some((SourceText::new(name, text), span))
    }

    /// Returns a finding as a message.
    pub(crate) fn report(&self, finding: &Finding, id: &StepId) -> Report {
        let (problem, rule) = (&finding.problem, &finding.rule);
        let what = if rule.is_empty() { problem.message.clone() } else { format!("{rule}: {}", problem.message) };
        self.place(Report::new(Exit::Spec, what).severity(problem.severity), problem, id)
    }

    /// Adds to a report on a problem of a step where it is, and what can be done.
    pub(super) fn place(&self, report: Report, problem: &Problem, id: &StepId) -> Report {
        let report = match problem.place.as_ref().and_then(|place| self.find(place, id)) {
            Some((source, span)) => report.at(&source, span, ""),
            None => match self.step(id) {
                Some(step) => report.at(&self.spec.source, step.span_of(&problem.path), ""),
                None => report.note(format!("in step `{id}`")),
            },
        };
        problem.hint.iter().fold(report, |report, hint| report.hint(hint))
    }
}

/// Returns what a file of the build context is called where the command was given.
pub(crate) fn name_of(path: &Path) -> String {
    let here = std::path::absolute(".").unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Returns a text with the line of a place cut where it is long, and the bytes of the place in it.
fn around(text: &str, place: &TextPlace) -> (String, Range<usize>) {
    let number = usize::try_from(place.line).unwrap_or(1).max(1) - 1;
    let mut lines: Vec<&str> = text.split('\n').collect();
    let Some(line) = lines.get(number).copied() else { return (text.to_owned(), text.len()..text.len()) };
    let column = usize::try_from(place.column).unwrap_or(1).max(1) - 1;
    let length = usize::try_from(place.length).unwrap_or(0).max(1);
    let shown: String = match line.chars().nth(LONGEST) {
        None => line.to_owned(),
        Some(_) => line.chars().take(column + LONGEST / 2).collect(),
    };
    let byte_of = |column: usize| shown.char_indices().nth(column).map_or(shown.len(), |(at, _)| at);
    let (from, to) = (byte_of(column), byte_of(column + length));
    lines[number] = &shown;
    let before: usize = lines[..number].iter().map(|line| line.len() + 1).sum();
    (lines.join("\n"), before + from..before + to)
}

#[cfg(test)]
mod tests {
    use wythe_plan::TextPlace;

    use super::around;

    fn place(line: u32, column: u32, length: u32) -> TextPlace {
        TextPlace { source: String::new(), line, column, length }
    }

    #[test]
    fn a_place_is_found_by_line_and_column() {
        let (text, span) = around("one\ntwö three\n", &place(2, 5, 5));
        assert_eq!(&text[span], "three");
        let (text, span) = around("one\n", &place(9, 1, 1));
        assert_eq!(span, text.len()..text.len());
        assert_eq!(around("one", &place(1, 9, 4)).1, 3..3);
    }

    #[test]
    fn a_long_line_is_cut_behind_the_place() {
        let (text, span) = around(&"x".repeat(1 << 20), &place(1, 10, 3));
        assert!(text.len() < 400, "{}", text.len());
        assert_eq!(span, 9..12);
    }
}
