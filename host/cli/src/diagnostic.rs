// SPDX-License-Identifier: Apache-2.0
//! The only place where an error becomes prose for a person: what, where, why, what state things are in, what next.

mod build;
mod elsewhere;
mod texts;

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use wythe_plan::Severity;
use wythe_plan::spec::{Code, Diagnostic, SourceText, SpecErrors};
use wythe_solve::redacted;

use crate::exit::Exit;
use crate::print::harmless;

pub(crate) use build::{explain, foreign, is_the_commands_fault, no_device, of_limit};
pub(crate) use elsewhere::of_bringing;
pub(crate) use texts::Texts;

/// A failure on its way to the person who caused it or can mend it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) exit: Exit,
    entries: Vec<Entry>,
}

/// One message.
#[derive(Debug)]
struct Entry {
    severity: Severity,
    heading: Option<&'static str>,
    what: String,
    place: Option<Place>,
    notes: Vec<String>,
    hints: Vec<String>,
}

/// A place in a text.
#[derive(Debug)]
struct Place {
    source: SourceText,
    span: Range<usize>,
    label: String,
}

impl Report {
    /// Says what could not be done.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        let entry = Entry {
            severity: Severity::Error,
            heading: Some(exit.heading()),
            what: what.into(),
            place: None,
            notes: Vec::new(),
            hints: Vec::new(),
        };
        Self { exit, entries: vec![entry] }
    }

    /// The same with everything that caused it, one a line.
    pub(crate) fn caused(exit: Exit, what: impl Into<String>, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut report = Self::new(exit, what).note(cause.to_string());
        let mut source = cause.source();
        while let Some(error) = source {
            report = report.note(error.to_string());
            source = error.source();
        }
        report
    }

    fn last(&mut self) -> &mut Entry {
        self.entries.last_mut().expect("a report says something")
    }

    /// Adds a line below the message.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.last().notes.push(note.into());
        self
    }

    /// Adds something that can be done.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.last().hints.push(hint.into());
        self
    }

    /// Says where. A text without a name was written by nobody, and is not shown.
    pub(crate) fn at(mut self, source: &SourceText, span: Range<usize>, label: impl Into<String>) -> Self {
        if source.name().is_empty() {
            return self;
        }
        self.last().place = Some(Place { source: source.clone(), span, label: label.into() });
        self
    }

    /// Says how grave it is, where it is no failure.
    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        let entry = self.last();
        (entry.severity, entry.heading) = (severity, None);
        self
    }

    /// Says several things at once.
    pub(crate) fn join(self, other: Self) -> Self {
        Self { exit: self.exit.max(other.exit), entries: self.entries.into_iter().chain(other.entries).collect() }
    }

    /// Returns what could not be done, in a line.
    pub(crate) fn what(&self) -> String {
        redacted(&self.entries.iter().map(|entry| entry.what.as_str()).collect::<Vec<_>>().join("; "))
    }

    /// Returns the whole message, ready to print. Credentials in addresses are not repeated, whoever said them.
    pub(crate) fn render(&self, color: bool) -> String {
        let texts: Vec<String> = self.entries.iter().map(|entry| entry.render(color)).collect();
        redacted(&texts.join("\n\n"))
    }
}

impl From<SpecErrors> for Report {
    fn from(errors: SpecErrors) -> Self {
        let entries = errors.diagnostics.iter().map(|found| Entry::of(found, &errors.source)).collect();
        let is_plugins_fault = errors.diagnostics.iter().all(|found| found.code == Code::BrokenSchema);
        Self { exit: if is_plugins_fault { Exit::Plugin } else { Exit::Spec }, entries }
    }
}

/// Returns warnings, ready to print.
pub(crate) fn warnings(found: &[Diagnostic], source: &SourceText, color: bool) -> Option<String> {
    let texts: Vec<String> = found.iter().map(|warning| Entry::of(warning, source).render(color)).collect();
    if texts.is_empty() { None } else { Some(texts.join("\n\n")) }
}

impl Entry {
    fn of(found: &Diagnostic, source: &SourceText) -> Self {
        let place =
            |span: &Range<usize>| Place { source: source.clone(), span: span.clone(), label: found.label.clone() };
        Self {
            severity: found.severity,
            heading: None,
            what: found.message.clone(),
            // What is said of the text as a whole names the file all the same.
            place: found.span.as_ref().map(place),
            notes: if found.span.is_none() { vec![format!("in {}", source.name())] } else { Vec::new() },
            hints: found.hints.clone(),
        }
    }

    fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let level = match self.heading {
            Some(heading) => level.with_name(heading),
            None => level,
        };
        let what = harmless(&self.what);
        let mut group = Group::with_title(level.primary_title(&*what));
        if let Some(place) = &self.place {
            let label = harmless(&place.label).into_owned();
            let annotation = AnnotationKind::Primary.span(place.span.clone()).label(label);
            let name = harmless(place.source.name()).into_owned();
            let snippet = Snippet::source(of_same_length(place.source.text())).path(name).annotation(annotation);
            group = group.element(snippet);
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.render(&[group]);
        for note in &self.notes {
            for line in harmless(note).lines() {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        for hint in &self.hints {
            text.push_str("\nhint: ");
            text.push_str(&harmless(hint));
        }
        text
    }
}

/// Returns a text without control characters of eight bits, which the renderer leaves, with everything at its place.
fn of_same_length(text: &str) -> String {
    text.replace(|char| ('\u{80}'..='\u{9f}').contains(&char), "\u{b7}")
}

#[cfg(test)]
mod tests {
    use wythe_plan::spec::{Code, Diagnostic, SourceText, SpecErrors};

    use super::{Exit, Report};

    #[test]
    fn a_mistake_is_shown_at_its_place() {
        let text = "builder = \"2026.11\"\n\n[[steps]]\nkind = \"fles\"\n";
        let start = text.find("\"fles\"").unwrap();
        let errors = SpecErrors {
            source: SourceText::new("wythe.toml", text),
            diagnostics: vec![
                Diagnostic::error(Code::Unknown, "unknown step kind `fles`")
                    .at(start..start + 6)
                    .label("no plugin provides this kind")
                    .hint("did you mean `files`?"),
            ],
        };
        let report = Report::from(errors);
        assert_eq!(report.exit, Exit::Spec);
        let expected = "\
error: unknown step kind `fles`
 --> wythe.toml:4:8
  |
4 | kind = \"fles\"
  |        ^^^^^^ no plugin provides this kind
hint: did you mean `files`?";
        assert_eq!(report.render(false), expected);
    }

    #[test]
    fn causes_follow_one_a_line_and_hints_come_last() {
        let cause = std::io::Error::other("disk on fire");
        let report = Report::caused(Exit::World, "cannot open the store `/s`", &cause).hint("use another disk");
        assert_eq!(report.render(false), "error: cannot open the store `/s`\n  disk on fire\nhint: use another disk");
        assert!(report.render(true).contains('\u{1b}'));
    }

    #[test]
    fn our_own_faults_are_called_so() {
        let report = Report::new(Exit::Bug, "a committed snapshot has no parent chain");
        assert_eq!(report.render(false), "internal error: a committed snapshot has no parent chain");
    }
}
