// SPDX-License-Identifier: Apache-2.0
//! Secrets: what steps ask for by name, and what must not be found anywhere afterwards.
//!
//! A value is fetched when the first command that needs it is about to run, and lives in the memory of this process and of
//! the sandbox. What a command writes is searched for it on the way out: its output by [`Redactor`], its files by
//! [`Traces`].

mod agent;
mod forms;
mod redact;
mod traces;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use wythe_sandbox::Secret;

pub(crate) use agent::Agent;
pub(crate) use redact::{Redactor, masked};
pub(crate) use traces::Traces;

/// The longest secret that is taken.
pub const LONGEST_SECRET: usize = 512 << 10;

/// What fetches a value; its error is for people, and names no value.
type Fetch = Box<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>;

/// The secrets and ssh agents that the person who builds has granted.
#[derive(Default)]
pub struct Secrets {
    sources: BTreeMap<String, Source>,
    agents: BTreeMap<String, PathBuf>,
}

struct Source {
    fetch: Fetch,
    value: OnceLock<Result<Secret, String>>,
}

impl Secrets {
    /// Grants a secret. `fetch` is called once, and only if a command needs it.
    pub fn grant(&mut self, id: &str, fetch: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static) {
        self.sources.insert(id.to_owned(), Source { fetch: Box::new(fetch), value: OnceLock::new() });
    }

    /// Grants the agent that listens on a socket.
    pub fn grant_agent(&mut self, id: &str, socket: PathBuf) {
        self.agents.insert(id.to_owned(), socket);
    }

    /// Returns the value of a secret: none where nobody has granted it.
    pub(crate) fn value(&self, id: &str) -> Result<Option<Secret>, String> {
        let Some(source) = self.sources.get(id) else { return Ok(None) };
        let value = source.value.get_or_init(|| match (source.fetch)()? {
            bytes if bytes.len() > LONGEST_SECRET => {
                Err(format!("it has {} bytes, and a secret at most {LONGEST_SECRET}", bytes.len()))
            }
            bytes => Ok(Secret::from(bytes)),
        });
        value.clone().map(Some)
    }

    /// Returns the ids of all secrets.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &String> {
        self.sources.keys()
    }

    /// Returns the socket of an agent.
    pub(crate) fn agent(&self, id: &str) -> Option<&PathBuf> {
        self.agents.get(id)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("ids", &self.sources.keys()).field("agents", &self.agents).finish()
    }
}

/// A secret as a variable has it: without the line end that a file has, as a shell's `$(cat file)` would give it.
pub(crate) fn as_variable(secret: &Secret) -> Secret {
    let bytes = secret.bytes();
    let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    Secret::from(bytes.to_vec())
}
