// SPDX-License-Identifier: Apache-2.0
//! `wythe check`: what is wrong with a definition, or could be better, without building it.

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wythe_plan::spec::{Diagnostic, SourceText};
use wythe_plan::{Finding, Offer, PlanError, Problem, Severity};
use wythe_solve::{BuildError, Cause, Checked, Engine, Event, EventSink, Force, Grants, LockUse, StepId, check};

use crate::arguments;
use crate::commands::block_on;
use crate::definition::Definition;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::render::plural;
use crate::workshop::{Stops, Workshop, all_kinds};
use crate::{contexts, print};

/// Looks a definition through and prints what it finds.
pub(crate) fn run(workshop: &Workshop, wanted: &arguments::Definition, json: bool) -> Result<ExitCode, Report> {
    let looked = match look(workshop, wanted) {
        // Programs are told of a definition that cannot be read in the same words as of all the rest.
        Err(Unread { report: _, errors: Some(errors) }) if json => {
            let found: Vec<Value> = errors.1.iter().map(|one| of_diagnostic(one, &errors.0)).collect();
            print::json(&found);
            return Ok(Exit::Spec.into());
        }
        looked => looked.map_err(|unread| unread.report)?,
    };
    let count = looked.count();
    if json {
        print::json(&looked.json());
    } else {
        looked.print(workshop.color_data);
    }
    Ok(if count == 0 { Exit::Done } else { Exit::Spec }.into())
}

/// A definition that was looked through.
pub(crate) struct Looked {
    definition: Definition,
    checked: Checked,
    findings: Vec<(StepId, Finding)>,
    offers: Vec<(StepId, Offer)>,
}

/// Why a definition cannot be looked through.
pub(crate) struct Unread {
    pub(crate) report: Report,
    /// Where its text is at fault: all that is wrong with it.
    errors: Option<(SourceText, Vec<Diagnostic>)>,
}

impl From<Report> for Unread {
    fn from(report: Report) -> Self {
        Self { report, errors: None }
    }
}

/// Plans all steps anew, as far as that goes, and keeps what planners say.
pub(crate) fn look(workshop: &Workshop, wanted: &arguments::Definition) -> Result<Looked, Unread> {
    let store = workshop.store()?;
    let plugins = Arc::new(workshop.plugins(Some(&store))?);
    let wanted = contexts::prepared(workshop, &store, &plugins, wanted, None)?;
    let mut errors = None;
    let read = Definition::read_telling(workshop, &wanted, &all_kinds(&plugins), &mut errors);
    let definition =
        read.map_err(|report| Unread { report, errors: errors.map(|one| (one.source, one.diagnostics)) })?;
    let order = definition.order(workshop, LockUse::Use, Force::default())?;
    let heard = Arc::new(Heard::default());
    let checked = block_on(async {
        let stops = Stops::listen()?;
        let events = Arc::<Heard>::clone(&heard);
        let engine = Engine::new(workshop.parts(&store, plugins, Grants::default(), events, &stops, &wanted)?);
        Ok::<_, Report>(check(&engine, &order).await)
    })?;
    let findings = std::mem::take(&mut *heard.findings.lock().expect("no listening panics"));
    let offers = std::mem::take(&mut *heard.offers.lock().expect("no listening panics"));
    Ok(Looked { definition, checked, findings, offers })
}

/// Keeps what planners say.
#[derive(Default)]
struct Heard {
    findings: Mutex<Vec<(StepId, Finding)>>,
    offers: Mutex<Vec<(StepId, Offer)>>,
}

impl EventSink for Heard {
    fn event(&self, event: Event) {
        match event {
            Event::Found { step, finding } => {
                self.findings.lock().expect("no listening panics").push((step, finding));
            }
            Event::Offered { step, offer } => self.offers.lock().expect("no listening panics").push((step, offer)),
            _ => {}
        }
    }
}

impl Looked {
    /// Returns what can be chosen, or why that is not known.
    pub(crate) fn offers(self) -> Result<Vec<(StepId, Offer)>, Report> {
        let reports = self.checked.errors.iter().map(|error| self.definition.explain(error));
        match reports.reduce(Report::join) {
            Some(report) => Err(report),
            None => Ok(self.offers),
        }
    }

    fn count(&self) -> usize {
        self.checked.errors.len() + self.findings.len() + self.definition.spec.warnings.len()
    }

    fn print(&self, color: bool) {
        let texts = self.definition.texts();
        let findings = self.findings.iter().map(|(step, finding)| texts.report(finding, step));
        let errors = self.checked.errors.iter().map(|error| self.definition.explain(error));
        for report in findings.chain(errors) {
            print::to_stdout(&format!("{}\n", report.render(color)));
        }
        for step in &self.checked.unplanned {
            print::to_stderr(&format!("note: step `{step}` is planned when the image below it is built"));
        }
        print::to_stderr(&match (self.count(), self.checked.errors.len()) {
            (0, _) => "nothing found".to_owned(),
            (all, 0) => plural(all, "warning"),
            (all, errors) if all == errors => plural(errors, "error"),
            (all, errors) => format!("{}, {}", plural(errors, "error"), plural(all - errors, "warning")),
        });
    }

    fn json(&self) -> Vec<Value> {
        let source = &self.definition.spec.source;
        let warnings = self.definition.spec.warnings.iter().map(|one| of_diagnostic(one, source));
        let findings = self.findings.iter().map(|(step, finding)| self.of_finding(step, finding));
        warnings.chain(findings).chain(self.checked.errors.iter().flat_map(|error| self.of_error(error))).collect()
    }

    fn of_error(&self, error: &BuildError) -> Vec<Value> {
        let Cause::Plan(PlanError::Declined(problems)) = &*error.cause else {
            let message = self.definition.explain(error).what();
            return vec![json!({"severity": "error", "rule": "", "message": message, "step": error.step})];
        };
        let finding = |problem: &Problem| {
            let problem = Problem { severity: Severity::Error, ..problem.clone() };
            self.of_finding(&error.step, &Finding { rule: String::new(), problem })
        };
        problems.iter().map(finding).collect()
    }

    fn of_finding(&self, step: &StepId, finding: &Finding) -> Value {
        let (texts, problem) = (self.definition.texts(), &finding.problem);
        let place = match problem.place.as_ref().and_then(|place| Some((place, texts.find(place, step)?))) {
            Some((place, (source, _))) => Some((source.name().to_owned(), place.line as usize, place.column as usize)),
            None => texts.step(step).map(|found| {
                let source = &self.definition.spec.source;
                let (line, column) = source.line_column(found.span_of(&problem.path).start);
                (source.name().to_owned(), line, column)
            }),
        };
        let (file, line, column) = place.map_or((None, None, None), |(file, line, column)| {
            (Some(file).filter(|file| !file.is_empty()), Some(line), Some(column))
        });
        json!({
            "severity": problem.severity,
            "rule": finding.rule,
            "message": problem.message,
            "hints": problem.hint.iter().collect::<Vec<_>>(),
            "file": file,
            "line": line,
            "column": column,
            "step": step,
        })
    }
}

fn of_diagnostic(one: &Diagnostic, source: &SourceText) -> Value {
    let place = one.span.as_ref().map(|span| source.line_column(span.start));
    json!({
        "severity": one.severity,
        "rule": one.code,
        "message": one.message,
        "hints": one.hints,
        "file": source.name(),
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
        "step": null,
    })
}
