// SPDX-License-Identifier: Apache-2.0
//! What a command asks for by name and a person has granted: secrets, the ssh agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wythe_plan::Run;
use wythe_sandbox::{Secret, User, UserError};
use wythe_sys::root::Root;

use crate::error::Cause;
use crate::mounts::Laid;
use crate::operation::Operation;
use crate::secret::{Traces, as_variable};
use crate::snapshot::Made;
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

/// Returns the ids of who owns what is granted: as asked for, else the user of the command.
pub(crate) fn owner(operation: &Operation<'_>, run: &Run, asked: &str) -> Result<(u32, u32), Cause> {
    let on = operation.input(run.on);
    let user = Effective::of(run, on, &operation.chain.pretence).user;
    let files = operation.chain.engine.views.files(on)?;
    let wanted = if asked.is_empty() { &user } else { asked };
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
