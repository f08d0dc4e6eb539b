// SPDX-License-Identifier: Apache-2.0
//! What a command asks for by name and a person has granted: secrets, the ssh agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wythe_plan::Run;
use wythe_plan::spec::SSH_SOCKET;
use wythe_sandbox::{Mount, MountSource, Secret, User, UserError};
use wythe_store::Active;
use wythe_sys::root::Root;

use crate::chain::{Need, Want};
use crate::engine::Engine;
use crate::error::Cause;
use crate::mounts::Laid;
use crate::operation::Operation;
use crate::secret::{Agent, Secrets, Traces, as_variable};
use crate::snapshot::Made;
use crate::state::StateFiles;
use crate::words::Effective;

/// Returns the value of a secret; none for an optional one that is not granted.
pub(crate) async fn secret(operation: &Operation<'_>, id: &str, required: bool) -> Result<Option<Secret>, Cause> {
    let (engine, name) = (Arc::clone(&operation.chain.engine), id.to_owned());
    // A value may come from a program that asks a person.
    let value = operation.chain.engine.blocking(move || Ok(engine.grants.secrets.value(&name))).await?;
    let not_granted = |why| Cause::NotGranted { what: format!("the secret `{id}`"), id: id.to_owned(), why };
    match value {
        Ok(Some(value)) => Ok(Some(value)),
        Ok(None) if !required => Ok(None),
        Ok(None) => Err(not_granted("it is not given".to_owned())),
        Err(why) => Err(not_granted(why)),
    }
}

/// Returns the secrets that are to be in variables.
pub(crate) async fn variables(
    operation: &Operation<'_>,
    run: &Run,
) -> Result<BTreeMap<String, (String, Secret)>, Cause> {
    let mut variables = BTreeMap::new();
    for (name, (id, required)) in &run.secret_env {
        if let Some(value) = secret(operation, id, *required).await? {
            variables.insert(name.clone(), (id.clone(), as_variable(&value)));
        }
    }
    Ok(variables)
}

/// Says what of a step's needs nobody has granted. No value is fetched for that.
pub(crate) fn lacking(engine: &Engine, want: &Want) -> Option<Cause> {
    let secrets = &engine.grants.secrets;
    let (id, is_granted, what) = match &want.what {
        Need::Agent(id) => (id, secrets.agent(id).is_some(), format!("the ssh agent `{id}`")),
        Need::Secret(id) => (id, secrets.ids().any(|known| known == id), format!("the secret `{id}`")),
        Need::Devices(wanted) => return engine.stock.supply(wanted).err(),
        Need::Insecure => return (!engine.grants.insecure).then(no_insecure),
    };
    let why = "it is not given".to_owned();
    (!is_granted).then(|| Cause::NotGranted { what, id: id.clone(), why })
}

/// That a command asks to run without what confines others, and nobody has granted it.
pub(crate) fn no_insecure() -> Cause {
    let what = "`security.insecure`, to run without what confines other commands".to_owned();
    Cause::NotGranted { what, id: INSECURE.to_owned(), why: "it is not allowed".to_owned() }
}

/// The name of that grant.
pub const INSECURE: &str = "security.insecure";

/// Returns the socket of an ssh agent; none for an optional one that is not granted.
pub(crate) fn agent(operation: &Operation<'_>, id: &str, required: bool) -> Result<Option<PathBuf>, Cause> {
    match operation.chain.engine.grants.secrets.agent(id) {
        Some(socket) => Ok(Some(socket.clone())),
        None if !required => Ok(None),
        None => Err(Cause::NotGranted {
            what: format!("the ssh agent `{id}`"),
            id: id.to_owned(),
            why: "it is not given".to_owned(),
        }),
    }
}

/// Returns what a program is given of all secrets and of the agent `default`, as mounts, and what has to live meanwhile.
pub(crate) fn for_program(
    secrets: &Secrets,
    active: &Active,
    owner: (u32, u32),
) -> Result<(Vec<Mount>, Option<Agent>), Cause> {
    let mut mounts = Vec::new();
    for id in secrets.ids() {
        let content = value(secrets, id)?;
        let source = MountSource::Secret { content, mode: 0o400, owner };
        mounts.push(Mount { target: format!("/run/secrets/{id}"), source });
    }
    let Some(real) = secrets.agent("default") else { return Ok((mounts, None)) };
    let agent = Agent::listen(active.dir(), "ssh-agent", real, owner);
    let agent = agent.map_err(Cause::doing("cannot reach the ssh agent"))?;
    let source = MountSource::Bind { path: agent.path().to_owned(), subpath: String::new(), read_only: false };
    mounts.push(Mount { target: SSH_SOCKET.to_owned(), source });
    Ok((mounts, Some(agent)))
}

/// Returns variables with the values of secrets in place of their ids.
pub(crate) fn values(secrets: &Secrets, ids: &BTreeMap<String, String>) -> Result<BTreeMap<String, Secret>, Cause> {
    ids.iter().map(|(name, id)| Ok((name.clone(), as_variable(&value(secrets, id)?)))).collect()
}

fn value(secrets: &Secrets, id: &str) -> Result<Secret, Cause> {
    let value = secrets.value(id).and_then(|value| value.ok_or_else(|| "it is not given".to_owned()));
    value.map_err(|why| Cause::NotGranted { what: format!("the secret `{id}`"), id: id.to_owned(), why })
}

/// Returns the ids of who owns what is granted: as asked for, else the user of the command.
pub(crate) fn owner(operation: &Operation<'_>, run: &Run, asked: &str) -> Result<(u32, u32), Cause> {
    let on = operation.input(run.on);
    let user = Effective::of(run, on, &operation.chain.pretence).user;
    let files = operation.chain.engine.views.files(on)?;
    owner_of(if asked.is_empty() { &user } else { asked }, &files)
}

/// Returns the ids of a user of an image.
pub(crate) fn owner_of(wanted: &str, files: &StateFiles) -> Result<(u32, u32), Cause> {
    let found = match files.root() {
        Some(root) => User::find(wanted, root),
        None if wanted.is_empty() => return Ok((0, 0)),
        None => return Err(Cause::Context { what: format!("there is no user `{wanted}` in an image without files") }),
    };
    let found = found.map_err(|error| match error {
        UserError::Unreadable { path, source } => Cause::Machine {
            doing: format!("cannot read `{path}` of the image"),
            source: std::io::Error::from_raw_os_error(source.errno),
        },
        error => Cause::Context { what: error.to_string() },
    })?;
    Ok((found.uid, found.gid))
}

/// Makes sure that nothing of what a command was given is in what is kept of it.
///
/// A file of a cache in which a secret is found is removed: nobody asked for it to be there.
pub(crate) fn check_leaks(secrets: &[(&str, &Secret)], laid: &[Laid], made: &Made, began: i64) -> Result<(), Cause> {
    let Some(traces) = Traces::of(secrets.iter().copied()) else { return Ok(()) };
    let failed = || Cause::doing("cannot search the files of the step for secrets");
    let mut leaks = Vec::new();
    if made.layer.is_some() {
        let root = Root::open(&made.upper()).map_err(failed())?;
        let found = traces.search(&root, None).map_err(failed())?;
        leaks.extend(found.into_iter().map(|trace| (trace.id, format!("/{}", trace.path.display()))));
    }
    for laid in laid {
        let Some(dir) = laid.cache() else { continue };
        let root = Root::open(dir).map_err(failed())?;
        for trace in traces.search(&root, Some(began)).map_err(failed())? {
            root.remove_tree(&trace.path).map_err(failed())?;
            leaks.push((trace.id, format!("{}/{}", laid.point().target.trim_end_matches('/'), trace.path.display())));
        }
    }
    if leaks.is_empty() { Ok(()) } else { Err(Cause::Leak { leaks }) }
}
