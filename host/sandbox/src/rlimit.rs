// SPDX-License-Identifier: Apache-2.0
//! Limits that the kernel keeps for each process by itself (setrlimit(2)).

use std::fmt;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use wythe_sys::process::{self, Fork};

use crate::SetupError;

/// Their names, as Docker and the shell's `ulimit` have them, to the kernel's, and to those of runtime-spec (`config.md`,
/// "POSIX process"). Dumps of memory are not among them: there are none.
const KINDS: [(&str, Resource, &str); 14] = [
    ("cpu", Resource::Cpu, "RLIMIT_CPU"),
    ("data", Resource::Data, "RLIMIT_DATA"),
    ("fsize", Resource::Fsize, "RLIMIT_FSIZE"),
    ("locks", Resource::Locks, "RLIMIT_LOCKS"),
    ("memlock", Resource::Memlock, "RLIMIT_MEMLOCK"),
    ("msgqueue", Resource::Msgqueue, "RLIMIT_MSGQUEUE"),
    ("nice", Resource::Nice, "RLIMIT_NICE"),
    ("nofile", Resource::Nofile, "RLIMIT_NOFILE"),
    ("nproc", Resource::Nproc, "RLIMIT_NPROC"),
    ("rss", Resource::Rss, "RLIMIT_RSS"),
    ("rtprio", Resource::Rtprio, "RLIMIT_RTPRIO"),
    ("rttime", Resource::Rttime, "RLIMIT_RTTIME"),
    ("sigpending", Resource::Sigpending, "RLIMIT_SIGPENDING"),
    ("stack", Resource::Stack, "RLIMIT_STACK"),
];

/// What each process of a run may use by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Of what: one of [`Rlimit::names`].
    pub name: String,
    /// What holds; none is no limit.
    pub soft: Option<u64>,
    /// What a process may raise that to; none is no limit.
    pub hard: Option<u64>,
}

impl Rlimit {
    /// Returns the names of all that can be limited.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, ..)| *name)
    }

    fn kind(&self) -> Option<(Resource, &'static str)> {
        let found = KINDS.iter().find(|(name, ..)| *name == self.name);
        found.map(|(_, resource, of_spec)| (*resource, *of_spec))
    }

    fn refused(&self, errno: Errno) -> SetupError {
        let present = self.kind().and_then(|(resource, _)| getrlimit(resource).maximum);
        SetupError::Rlimit { limit: self.clone(), present, source: errno.into() }
    }

    /// Makes it that of this process and of those that it starts.
    pub(crate) fn set(&self) -> Result<(), SetupError> {
        let (resource, _) = self.kind().ok_or_else(|| self.refused(Errno::INVAL))?;
        let wanted = rustix::process::Rlimit { current: self.soft, maximum: self.hard };
        setrlimit(resource, wanted).map_err(|errno| self.refused(errno))
    }

    /// Returns it in the words of runtime-spec, in which the largest number stands for no limit.
    pub(crate) fn of_spec(&self) -> serde_json::Value {
        let kind = self.kind().map_or("", |(_, of_spec)| of_spec);
        serde_json::json!({"type": kind, "soft": self.soft.unwrap_or(u64::MAX), "hard": self.hard.unwrap_or(u64::MAX)})
    }
}

impl fmt::Display for Rlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |limit: Option<u64>| limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
        write!(f, "{}={}:{}", self.name, shown(self.soft), shown(self.hard))
    }
}

/// Makes sure that limits can be set, in a process of its own: this one goes on as it is.
pub(crate) fn check(limits: &[Rlimit]) -> Result<(), SetupError> {
    if limits.is_empty() {
        return Ok(());
    }
    let system = || SetupError::system("try the limits of processes");
    let first_refused = || limits.iter().position(|limit| limit.set().is_err());
    let refused = match process::fork().map_err(system())? {
        Fork::Child => process::exit_now(first_refused().and_then(|place| i32::try_from(place + 1).ok()).unwrap_or(0)),
        Fork::Parent(child) => process::wait(child).map_err(system())?.code,
    };
    match refused {
        Some(0) => Ok(()),
        Some(place) if let Some(limit) = usize::try_from(place - 1).ok().and_then(|place| limits.get(place)) => {
            Err(limit.refused(Errno::PERM))
        }
        _ => Err(system()(io::ErrorKind::Other.into())),
    }
}
