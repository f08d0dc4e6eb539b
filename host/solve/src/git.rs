// SPDX-License-Identifier: Apache-2.0
//! Commits of git repositories: what opens the door, where they are fetched to, and who hears of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wythe_plan::{Checkout, GitTransport, GitUrl};
use wythe_remote::{Git, GitAccess, GitOptions, GitProgress};
use wythe_store::Active;

use crate::Event;
use crate::engine::Engine;
use crate::error::Cause;
use crate::machine::Machine;
use crate::operation::Operation;
use crate::secret::as_variable;

/// Secrets that open a repository, by the names that other builders have for them: with `.` and the host they are for that host
/// only, which counts for more. The one is the value of a header, the other a token.
const HEADER: &str = "GIT_AUTH_HEADER";
const TOKEN: &str = "GIT_AUTH_TOKEN";

/// The agent that speaks for a person by ssh.
const AGENT: &str = "default";

/// What to do where a server redirects and a token was given.
pub const REDIRECTED: &str =
    "the server sends whoever asks to another address, where a token does not follow: name that address in its place";

/// Commits in directories, for as long as the value lives: each with the place that it is in.
#[derive(Debug, Default)]
pub(crate) struct Fetched(BTreeMap<Checkout, (Active, PathBuf)>);

impl Fetched {
    /// Returns where the files of a commit are.
    pub(crate) fn tree(&self, checkout: &Checkout) -> &PathBuf {
        &self.0[checkout].1
    }
}

/// Returns how `git` is called on a machine.
pub(crate) fn options(machine: &Machine) -> GitOptions {
    GitOptions {
        proxies: machine.proxies.clone(),
        ca_bundle: machine.ca_bundle.clone(),
        known_hosts: machine.known_hosts.clone(),
        ..GitOptions::new(machine.programs.clone())
    }
}

/// Returns the commit that a reference stands for, and the full name of the reference.
pub(crate) async fn commit_of(
    engine: &Arc<Engine>,
    url: &GitUrl,
    reference: Option<&str>,
) -> Result<(String, String), Cause> {
    let (access, place) = (access(engine, url).await?, begin(engine).await?);
    let git = Git::new(&engine.git, url, &access, place.dir()).map_err(Cause::Git)?;
    git.commit_of(reference).await.map_err(Cause::Git)
}

/// Fetches commits on behalf of a step, each once.
pub(crate) async fn check_out(operation: &Operation<'_>, wanted: &[&Checkout]) -> Result<Fetched, Cause> {
    let engine = &operation.chain.engine;
    let mut fetched = Fetched::default();
    if let Some(checkout) = wanted.first().filter(|_| engine.fetcher.is_offline()) {
        return Err(Cause::NotFetched { missing: vec![format!("{} of {}", checkout.commit, checkout.url)] });
    }
    for checkout in wanted {
        if fetched.0.contains_key(*checkout) {
            continue;
        }
        let work = one(operation, checkout);
        let placed = tokio::select! {
            done = work => done?,
            () = engine.stop.cancelled() => return Err(Cause::Cancelled),
            // Who began the ration says why.
            () = operation.exceeded() => return Err(Cause::Cancelled),
        };
        fetched.0.insert((*checkout).clone(), placed);
    }
    Ok(fetched)
}

async fn one(operation: &Operation<'_>, checkout: &Checkout) -> Result<(Active, PathBuf), Cause> {
    let engine = &operation.chain.engine;
    let report = |done| {
        let (step, label) = (operation.turn.step.clone(), "1 commit".to_owned());
        engine.tell(Event::Progress { step, label, done, total: 0 });
    };
    bring(engine, checkout, &report).await
}

/// Fetches a commit into a place of its own.
pub(crate) async fn bring(
    engine: &Arc<Engine>,
    checkout: &Checkout,
    report: GitProgress<'_>,
) -> Result<(Active, PathBuf), Cause> {
    let (access, place) = (access(engine, &checkout.url).await?, begin(engine).await?);
    let git = Git::new(&engine.git, &checkout.url, &access, place.dir()).map_err(Cause::Git)?;
    let tree = git.check_out(checkout, report).await.map_err(Cause::Git)?;
    Ok((place, tree))
}

/// Says why a reference was not looked up, to a plugin that passes it on: with what opens the door, where it is closed,
/// and with what to do where it is another one.
pub(crate) fn told(cause: &Cause) -> String {
    match cause {
        Cause::Git(error) if error.is_closed() => {
            format!("{}; `--secret id={TOKEN},env=NAME` gives a token", crate::trace::full_text(error))
        }
        Cause::Git(error) if error.is_redirect() => format!("{}; {REDIRECTED}", crate::trace::full_text(error)),
        // Its own text names the repository.
        Cause::Git(error) => crate::trace::full_text(error),
        Cause::NotGranted { id, .. } if id == AGENT => format!("{cause}; `--ssh {AGENT}` gives it"),
        other => crate::trace::full_text(other),
    }
}

async fn begin(engine: &Arc<Engine>) -> Result<Active, Cause> {
    let store = Arc::clone(&engine.store);
    engine.blocking(move || store.begin().map_err(Cause::store)).await
}

/// Returns what the person who builds has given for a repository.
async fn access(engine: &Arc<Engine>, url: &GitUrl) -> Result<GitAccess, Cause> {
    let secrets = &engine.grants.secrets;
    let agent = secrets.agent(AGENT).cloned();
    if url.transport() == GitTransport::Ssh && agent.is_none() {
        let what = format!("the ssh agent `{AGENT}`");
        return Err(Cause::NotGranted { what, id: AGENT.to_owned(), why: "it is not given".to_owned() });
    }
    let names = [format!("{HEADER}.{}", url.host()), format!("{TOKEN}.{}", url.host()), HEADER.into(), TOKEN.into()];
    let Some(id) = names.into_iter().find(|name| secrets.ids().any(|known| known == name)) else {
        return Ok(GitAccess { authorization: None, agent });
    };
    let (of, name) = (Arc::clone(engine), id.clone());
    // A value may come from a program that asks a person.
    let value = engine.blocking(move || Ok(of.grants.secrets.value(&name))).await?;
    let value = value.map_err(|why| Cause::NotGranted { what: format!("the secret `{id}`"), id: id.clone(), why })?;
    let authorization = value.map(|value| match as_variable(&value).bytes() {
        header if id.starts_with(HEADER) => header.to_vec(),
        token => GitAccess::of_token(token),
    });
    Ok(GitAccess { authorization, agent })
}
