// SPDX-License-Identifier: Apache-2.0
//! A program in a finished image: the same sandbox as a step, on a copy that is thrown away.

use std::collections::BTreeMap;

use wythe_image::Image;
use wythe_sandbox::{Network, RunInputs, RunRequest, RunTuning};
use wythe_store::{Active, Store};
use wythe_sys::overlay::Overlay;

use crate::error::Cause;
use crate::machine::Machine;
use crate::plumbing::Plumbing;
use crate::snapshot;
use crate::state::{StateFiles, layer_dirs};
use crate::words::{HOSTNAME, SEARCH_PATH};

/// A program to run in an image. What is not set is as the image's configuration says.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Further variables.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub workdir: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Whether it has the machine's network.
    pub has_network: bool,
}

/// Returns what the sandbox is asked for. What the program writes goes to `active`, which the caller throws away.
///
/// # Errors
///
/// Fails where a layer of the image is not in the store, or the machine does not let the mounts be made.
pub fn program_request(
    store: &Store,
    machine: &Machine,
    active: &Active,
    image: &Image,
    program: Program,
) -> Result<RunRequest, Cause> {
    let config = image.config();
    let files = StateFiles::mount(store, image)?;
    let mut lowers = layer_dirs(store, image)?;
    let workdir = config.workdir_joined(program.workdir.as_deref().unwrap_or(""));
    snapshot::ensure_directory(active, &lowers, &workdir, 0)?;
    let lent = Plumbing::new(machine)
        .lay(&active.plumbing(), active.dir(), files.root(), &[], program.has_network)
        .map_err(Cause::doing("cannot lay out the sandbox"))?;
    lowers.push(active.plumbing());
    let user = program.user.unwrap_or_else(|| config.user.clone());
    let mut env = BTreeMap::from([("PATH".to_owned(), SEARCH_PATH.to_owned())]);
    env.extend(config.env_map());
    env.extend(program.env);
    let env = lent.dress(env, &files, &user);
    Ok(RunRequest {
        inputs: RunInputs {
            root: Overlay { lowers, upper: Some(active.upper()), work: Some(active.work()) },
            argv: program.argv,
            env,
            workdir,
            user,
            stdin: Vec::new(),
            mounts: lent.mounts,
            network: if program.has_network { Network::Host } else { Network::None },
            hostname: HOSTNAME.to_owned(),
            set_id_programs: false,
        },
        tuning: RunTuning { timeout: None },
    })
}
