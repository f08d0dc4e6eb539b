// SPDX-License-Identifier: Apache-2.0
//! Commands of another platform than this machine's: whether they can be run here.

use wythe_image::Platform;
use wythe_sandbox::foreign::{ForeignError, way_to_run};

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
    let way = way_to_run(platform.architecture(), machine.platform.architecture(), &machine.binary_formats);
    way.map(drop).map_err(|why| {
        let foreign = Foreign { platform: platform.clone(), machine: machine.platform.clone(), why };
        Cause::Foreign { command: command.to_owned(), foreign: Box::new(foreign) }
    })
}
