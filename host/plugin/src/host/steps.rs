// SPDX-License-Identifier: Apache-2.0
//! `steps`: planning other kinds of step from within one.

use wasmtime::component::Resource;
use wythe_plan::{Fact, FactAnswer, Finding, Fragment, GitUrl, Offer, PlanError, Severity, StepCall, VertexId, World};

use crate::draft::State;
use crate::guest::Guest;
use crate::host::vertex;
use crate::surroundings::Surroundings;
use crate::untrusted;
use crate::v0_1::steps::Host;
use crate::v0_1::{Failure, failure_of};

impl Host for Guest {
    fn call(
        &mut self,
        kind: String,
        options: String,
        on: Resource<State>,
    ) -> wasmtime::Result<Result<Resource<State>, Failure>> {
        self.charge([kind.as_str(), &options])?;
        self.demand("steps.call", untrusted::name("kind", &kind))?;
        let parsed = serde_json::from_str(&options).map_err(|error| format!("options that are not JSON ({error})"));
        let options: serde_json::Value = self.demand("steps.call", parsed)?;
        let on = vertex(&on);
        let step = StepCall { kind: &kind, options: &options, lock: None };

        match self.wait(|surroundings| plan(surroundings, step, on)) {
            Ok(fragment) => {
                self.meter.check_vertices(self.draft.fragment.vertices().len() + fragment.vertices().len())?;
                let head = self.draft.fragment.graft(on, &fragment);
                self.state(head).map(Ok)
            }
            Err(error) => failure_of(error).map(Err).map_err(|error| self.end(error)),
        }
    }
}

/// Plans a step of another kind: its own store, one level deeper.
fn plan(surroundings: Surroundings<'_>, step: StepCall<'_>, on: VertexId) -> Result<Fragment, PlanError> {
    let depth = surroundings.depth + 1;
    if on == VertexId::BASE {
        return surroundings.plugins.plan_within(step, surroundings.world, depth);
    }
    surroundings.plugins.plan_within(step, &Described(surroundings.world), depth)
}

/// A world in which the state below is only described.
struct Described<'a>(&'a dyn World);

impl World for Described<'_> {
    fn fact(&self, fact: &Fact) -> Result<FactAnswer, PlanError> {
        match fact {
            Fact::BaseConfig | Fact::BaseRead(_) | Fact::BaseExists(_) | Fact::BaseWhich(_) | Fact::BaseGlob(_) => {
                Ok(Err("the state that this step is given is described by a plan and not built yet".to_owned()))
            }
            _ => self.0.fact(fact),
        }
    }

    fn fetch(&self, url: &str) -> Result<FactAnswer, PlanError> {
        self.0.fetch(url)
    }

    fn git_commit(&self, url: &GitUrl, reference: Option<&str>) -> Result<FactAnswer, PlanError> {
        self.0.git_commit(url, reference)
    }

    fn probe(&self, plan: &Fragment, command: VertexId) -> Result<FactAnswer, PlanError> {
        self.0.probe(plan, command)
    }

    fn log(&self, severity: Severity, message: &str) {
        self.0.log(severity, message);
    }

    fn found(&self, finding: &Finding) {
        self.0.found(finding);
    }

    fn offers(&self, offer: &Offer) {
        self.0.offers(offer);
    }

    fn progress(&self, label: &str, done: u64, total: u64) {
        self.0.progress(label, done, total);
    }
}
