// SPDX-License-Identifier: Apache-2.0
//! A look at what a real tool says: a command of a plan that is not finished, run on what is built so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::OnceCell;
use wythe_plan::{Fragment, Label, PlanError, Vertex, VertexId};

use crate::chain::{Chain, Turn};
use crate::error::Cause;
use crate::operation::Operation;
use crate::run;

/// Runs vertex `command` of `plan`, which stands on `base`, and returns its standard output.
pub(crate) fn output(
    chain: Arc<Chain>,
    turn: Arc<Turn>,
    base: Option<VertexId>,
    plan: &Fragment,
    command: VertexId,
) -> impl Future<Output = Result<Result<Vec<u8>, String>, Cause>> + use<> {
    let mut fragment = plan.clone();
    fragment.set_head(command);
    // What resolves a step has what the step has: the index that needs a token is asked by both.
    turn.ambient.apply(&mut fragment);
    let label = plan.labels()[command.0 as usize].clone();
    async move {
        let linked = chain.with_graph(|graph| graph.link_aside(base, fragment));
        let vertex = chain.with_graph(|graph| graph.vertex(linked).clone());
        let Vertex::Run(command) = &*vertex else {
            let what = "probed something that is no command".to_owned();
            return Err(Cause::Plan(PlanError::Broken { plugin: turn.step.to_string(), what, frames: Vec::new() }));
        };
        let mut states = BTreeMap::new();
        for input in vertex.inputs() {
            states.insert(input, chain.state(&turn, input).await?);
        }
        let text = crate::operation::describe(&vertex, &label);
        let label = Label::default();
        let operation = Operation {
            chain: &chain,
            turn: &turn,
            vertex: &vertex,
            label: &label,
            states,
            serves_another: true,
            ration: OnceCell::new(),
        };
        run::output(&operation, command, &text).await
    }
}
