// SPDX-License-Identifier: Apache-2.0
//! Version 0.1 of the step interface, adapted to the types of `wythe-plan`: bindings, calls, and what comes back.

use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre, Linker, Resource};
use wythe_plan::{Finding, PlanError, Problem, Severity, VertexId};

use crate::draft::State;
use crate::guest::Guest;
use crate::plugin::Provides;
use crate::untrusted;

#[allow(missing_docs, reason = "generated; the documentation is in the WIT")]
#[allow(clippy::all, unreachable_pub, missing_debug_implementations, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package wythe:host;
            world everything {
                include wythe:step/resolving-step@0.1.0;
                include wythe:step/composite-step@0.1.0;
                include wythe:step/inventory-step@0.1.0;
                include wythe:step/recognising-step@0.1.0;
                include wythe:step/importing-step@0.1.0;
            }
        ",
        imports: { default: trappable },
        with: {
            "wythe:step/graph.state": crate::draft::State,
            "wythe:step/graph.artifact": crate::draft::ArtifactHandle,
            "wythe:step/graph.checkout": wythe_plan::Checkout,
            "wythe:step/graph.files": crate::draft::Batch,
            "wythe:step/graph.command": crate::draft::OpenCommand,
        },
    });
}

pub(crate) use bindings::exports::wythe::step::importer::{Definition as Translated, Step as TranslatedStep};
pub(crate) use bindings::exports::wythe::step::inventory::Installed;
use bindings::exports::wythe::step::{importer, inventory, plugin, recogniser, resolver};
use bindings::wythe::step::types;
pub(crate) use bindings::wythe::step::{
    build, commands, fetch, graph, probe, recognition, report, steps, types::Failure,
};

impl types::Host for Guest {}
impl graph::Host for Guest {}
impl commands::Host for Guest {}

/// Gives a linker all interfaces of this version. Which of them a component may import is decided before.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    report::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    build::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    types::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    graph::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    fetch::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    probe::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    steps::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    commands::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)?;
    recognition::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
}

/// Where a component's exports are.
pub(crate) struct Exports {
    plugin: plugin::GuestIndices,
    resolver: Option<resolver::GuestIndices>,
    inventory: Option<inventory::GuestIndices>,
    importer: Option<importer::GuestIndices>,
    recogniser: Option<recogniser::GuestIndices>,
}

impl Exports {
    /// Finds them. A plugin that resolves nothing exports no `resolver`, one that lists nothing no `inventory`, and so on.
    pub(crate) fn find(component: &InstancePre<Guest>, provides: Provides) -> wasmtime::Result<Self> {
        Ok(Self {
            plugin: plugin::GuestIndices::new(component)?,
            resolver: provides.resolver.then(|| resolver::GuestIndices::new(component)).transpose()?,
            inventory: provides.inventory.then(|| inventory::GuestIndices::new(component)).transpose()?,
            importer: provides.importer.then(|| importer::GuestIndices::new(component)).transpose()?,
            recogniser: provides.recogniser.then(|| recogniser::GuestIndices::new(component)).transpose()?,
        })
    }

    /// Calls `plan`. The head of the guest's plan is set where it answers one.
    pub(crate) fn plan(
        &self,
        store: &mut Store<Guest>,
        component: &InstancePre<Guest>,
        options: &str,
        lock: Option<&str>,
    ) -> wasmtime::Result<Result<(), Failure>> {
        let instance = component.instantiate(&mut *store)?;
        let plugin = self.plugin.load(&mut *store, &instance)?;
        let answer = plugin.call_plan(&mut *store, base(), options, lock)?;
        Ok(answer.map(|head| store.data_mut().draft.fragment.set_head(VertexId(head.rep()))))
    }

    /// Calls `resolve`.
    pub(crate) fn resolve(
        &self,
        store: &mut Store<Guest>,
        component: &InstancePre<Guest>,
        options: &str,
        previous: Option<&str>,
    ) -> wasmtime::Result<Result<String, Failure>> {
        let resolver = self.resolver.as_ref().expect("only kinds that resolve are resolved");
        let instance = component.instantiate(&mut *store)?;
        resolver.load(&mut *store, &instance)?.call_resolve(&mut *store, base(), options, previous)
    }

    /// Calls `packages`.
    pub(crate) fn packages(
        &self,
        store: &mut Store<Guest>,
        component: &InstancePre<Guest>,
    ) -> wasmtime::Result<Result<Vec<Installed>, Failure>> {
        let inventory = self.inventory.as_ref().expect("only plugins that announce an inventory are asked for it");
        let instance = component.instantiate(&mut *store)?;
        inventory.load(&mut *store, &instance)?.call_packages(&mut *store, base())
    }

    /// Calls `translate`.
    pub(crate) fn translate(
        &self,
        store: &mut Store<Guest>,
        component: &InstancePre<Guest>,
        options: &str,
        exact: bool,
        added: &[String],
    ) -> wasmtime::Result<Result<Translated, Failure>> {
        let importer = self.importer.as_ref().expect("only plugins that announce it are asked to translate");
        let instance = component.instantiate(&mut *store)?;
        importer.load(&mut *store, &instance)?.call_translate(&mut *store, options, exact, added)
    }

    /// Calls `recognise`.
    pub(crate) fn recognise(
        &self,
        store: &mut Store<Guest>,
        component: &InstancePre<Guest>,
        command: &commands::Command,
    ) -> wasmtime::Result<Result<commands::Verdict, Failure>> {
        let recogniser = self.recogniser.as_ref().expect("only plugins that announce it are shown commands");
        let instance = component.instantiate(&mut *store)?;
        recogniser.load(&mut *store, &instance)?.call_recognise(&mut *store, command).map(Ok)
    }
}

/// The state that the step is given: lent, not given away.
fn base() -> Resource<State> {
    Resource::new_borrow(VertexId::BASE.0)
}

/// Turns a plugin's refusal into the planner's.
///
/// Errors that were reported say the same with their places.
pub(crate) fn error_of(failure: Failure, reported: &[Finding]) -> PlanError {
    match failure {
        Failure::Options(_) if !reported.is_empty() => {
            let problem = |finding: &Finding| match finding.rule.as_str() {
                "" => finding.problem.clone(),
                rule => Problem { message: format!("{rule}: {}", finding.problem.message), ..finding.problem.clone() },
            };
            PlanError::Declined(reported.iter().map(problem).collect())
        }
        Failure::Options(problems) => PlanError::Declined(problems.into_iter().map(problem).collect()),
        Failure::Failed(why) => PlanError::Failed(untrusted::lines(&why)),
    }
}

pub(crate) fn severity(severity: types::Severity) -> Severity {
    match severity {
        types::Severity::Error => Severity::Error,
        types::Severity::Warning => Severity::Warning,
        types::Severity::Note => Severity::Note,
    }
}

fn problem(problem: types::Problem) -> Problem {
    Problem {
        severity: severity(problem.severity),
        path: untrusted::line(&problem.path),
        message: untrusted::lines(&problem.message),
        hint: problem.hint.as_deref().map(untrusted::lines),
        place: None,
    }
}

/// Turns a planner's refusal into a plugin's, for a plugin that asked for another step. What is no refusal stays an error.
pub(crate) fn failure_of(error: PlanError) -> Result<Failure, PlanError> {
    match error {
        PlanError::Failed(why) => Ok(Failure::Failed(why)),
        PlanError::Declined(problems) => Ok(Failure::Options(
            problems
                .into_iter()
                .map(|problem| types::Problem {
                    severity: match problem.severity {
                        Severity::Error => types::Severity::Error,
                        Severity::Warning => types::Severity::Warning,
                        Severity::Note => types::Severity::Note,
                    },
                    path: problem.path,
                    message: problem.message,
                    hint: problem.hint,
                })
                .collect(),
        )),
        other => Err(other),
    }
}
