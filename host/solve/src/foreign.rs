// SPDX-License-Identifier: Apache-2.0
//! Commands of another platform than this machine's: whether they can be run here.

use std::collections::BTreeSet;
use std::sync::Arc;

use wythe_image::Platform;
use wythe_plan::Vertex;
use wythe_sandbox::foreign::{ForeignError, way_to_run};

use crate::chain::Chain;
use crate::error::Cause;
use crate::machine::Machine;

/// A platform whose programs are not run here.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Foreign {
    /// The platform.
    pub platform: Platform,
    /// What this machine is.
    pub machine: Platform,
    /// What stands in the way.
    pub why: ForeignError,
}

/// Makes sure that programs of a platform can be run. Looked at before each of them and not once: whoever is told that an
/// emulator is missing registers one.
pub(crate) fn check_runs(machine: &Machine, platform: &Platform, command: &str) -> Result<(), Cause> {
    try_runs(machine, platform).map_err(|foreign| Cause::Foreign { command: command.to_owned(), foreign })
}

fn try_runs(machine: &Machine, platform: &Platform) -> Result<(), Box<Foreign>> {
    let way = way_to_run(platform.architecture(), machine.platform.architecture(), &machine.binary_formats);
    way.map(drop)
        .map_err(|why| Box::new(Foreign { platform: platform.clone(), machine: machine.platform.clone(), why }))
}

/// What is known of the platforms of a plan before its states are: an hour of work is no good where the last command cannot be
/// run. It is no error yet, since its result may be known.
#[derive(Debug, Default)]
pub(crate) struct Foresight {
    /// The platform of each vertex that was looked at; none where it cannot be told.
    platforms: Vec<Option<Arc<Platform>>>,
    /// Platforms whose commands were looked at.
    tried: BTreeSet<Arc<Platform>>,
}

impl Foresight {
    /// Looks at what was added to the plan, and returns the platforms of commands that cannot be run, each once.
    pub(crate) fn look(&mut self, chain: &Chain) -> Vec<Foreign> {
        let added = chain.with_graph(|graph| graph.vertices_from(self.platforms.len()).to_vec());
        let mut found = Vec::new();
        for vertex in added {
            let platform = match &*vertex {
                Vertex::Base => None,
                Vertex::Scratch => Some(Arc::new(chain.platform.clone())),
                Vertex::ScratchFor { platform } => Some(Arc::new(platform.clone())),
                Vertex::Image { reference } => {
                    chain.stored_image(reference).ok().map(|image| Arc::new(image.platform().clone()))
                }
                Vertex::Files(_) | Vertex::Run(_) | Vertex::Configure { .. } => {
                    vertex.on().and_then(|on| self.platforms.get(on.0 as usize)?.clone())
                }
            };
            if let (Vertex::Run(_), Some(platform)) = (&*vertex, &platform)
                && self.tried.insert(Arc::clone(platform))
            {
                found.extend(try_runs(&chain.engine.machine, platform).err().map(|foreign| *foreign));
            }
            self.platforms.push(platform);
        }
        found
    }
}
