// SPDX-License-Identifier: Apache-2.0
//! The options that every step has, whatever its kind: they belong to the sandbox around it and not to the tool in it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Fragment, Network};

/// What surrounds a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ambient {
    /// The name that the definition gives it; [`super::Step::id`] is what it goes by.
    pub name: Option<String>,
    /// Environment of the step's commands; never part of the image.
    pub env: BTreeMap<String, String>,
    /// The network of the step's commands, in place of what its kind asks for.
    pub network: Option<Network>,
    /// The user of the step's commands, in place of what its kind asks for.
    pub user: Option<String>,
    /// Whether the step runs although its result is known.
    pub force: bool,
    /// How long one command of the step may take.
    pub timeout: Option<Duration>,
}

impl Ambient {
    /// Lays the options over a plan: they win over what the plan says of its commands.
    ///
    /// `force` and `timeout` are no part of a plan; who runs it reads them here.
    pub fn apply(&self, fragment: &mut Fragment) {
        for run in fragment.runs_mut() {
            run.env.extend(self.env.iter().map(|(name, value)| (name.clone(), value.clone())));
            if let Some(network) = &self.network {
                run.network = network.clone();
            }
            if let Some(user) = &self.user {
                run.user = Some(user.clone());
            }
        }
    }
}
