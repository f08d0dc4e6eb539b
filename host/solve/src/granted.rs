// SPDX-License-Identifier: Apache-2.0
//! What a command asks for by name and a person has granted: secrets, the ssh agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wythe_plan::spec::SSH_SOCKET;
use wythe_plan::{Run, Severity};
use wythe_sandbox::{Mount, MountSource, Secret, User, UserError};
use wythe_store::Active;
use wythe_sys::root::Root;

use crate::chain::{Need, Want};
use crate::engine::Engine;
use crate::error::{Cause, describe_leaks};
use crate::mounts::Laid;
use crate::operation::Operation;
use crate::secret::{Agent, Secrets, Traces, as_variable, masked};
use crate::snapshot::Made;
use crate::state::StateFiles;
use crate::words::Effective;
use crate::{Event, StepId};

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
fn no_insecure() -> Cause {
    let what = "`security.insecure`, to run without what confines other commands".to_owned();
    Cause::NotGranted { what, id: INSECURE.to_owned(), why: "it is not allowed".to_owned() }
}

/// Refuses a command that asks to run without what confines others, where nobody has granted that.
pub(crate) fn check_insecure(engine: &Engine, run: &Run) -> Result<(), Cause> {
    if run.insecure && !engine.grants.insecure { Err(no_insecure()) } else { Ok(()) }
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

/// Which secret is where.
pub(crate) type Leaks = Vec<(String, String)>;

fn failed() -> impl FnOnce(std::io::Error) -> Cause {
    Cause::doing("cannot search the files of the step for secrets")
}

/// Warns of what was in caches where another error is in the foreground.
pub(crate) fn tell_of(leaks: &[(String, String)], engine: &Engine, step: &StepId) {
    if !leaks.is_empty() {
        let text = format!("{}; it was removed from its cache", describe_leaks(leaks));
        engine.tell(Event::Message { step: step.clone(), severity: Severity::Warning, text });
    }
}

/// Returns where in a layer there is something of what the command was given.
pub(crate) fn leaks_of_layer(secrets: &[(&str, &Secret)], made: &Made) -> Result<Leaks, Cause> {
    let Some(traces) = Traces::of(secrets.iter().copied()).filter(|_| made.layer.is_some()) else {
        return Ok(Leaks::new());
    };
    let found = Root::open(&made.upper()).and_then(|root| traces.search(&root, None)).map_err(failed())?;
    Ok(found.into_iter().map(|trace| (trace.id, format!("/{}", masked(secrets, &trace.path)))).collect())
}

/// Removes what a command, however it ended, has put of its secrets into caches: nobody asked for it to be there. Returns where.
pub(crate) fn purge_caches(secrets: &[(&str, &Secret)], laid: &[Laid], began: i64) -> Result<Leaks, Cause> {
    let mut leaks = Leaks::new();
    let Some(traces) = Traces::of(secrets.iter().copied()) else { return Ok(leaks) };
    for laid in laid {
        let Some(dir) = laid.cache() else { continue };
        let root = Root::open(dir).map_err(failed())?;
        let mut found = traces.search(&root, Some(began)).map_err(failed())?;
        for trace in &found {
            let (target, path) = (laid.point().target.trim_end_matches('/'), masked(secrets, &trace.path));
            leaks.push((trace.id.clone(), format!("{target}/{path}")));
        }
        // A search ends when it has found enough for a person, and more may be left.
        while !found.is_empty() {
            // What is in a directory comes after it.
            for trace in found.iter().rev() {
                root.remove_tree(&trace.path).map_err(failed())?;
            }
            found = traces.search(&root, Some(began)).map_err(failed())?;
        }
    }
    Ok(leaks)
}
