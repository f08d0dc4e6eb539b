// SPDX-License-Identifier: Apache-2.0
//! Why a build stopped. Every variant names the step, so that the roof can point at its place.

use std::path::PathBuf;

use wythe_image::Digest;
use wythe_plan::{PlanError, TextPlace};
use wythe_remote::{ClientError, FetchError, GitError};
use wythe_sandbox::cdi::DeviceError;
use wythe_sandbox::{Ending, Exceeded, Resource, RunError};
use wythe_store::QuotaError;

use crate::{Foreign, Scene, StepId};

/// A build that did not reach its end.
///
/// What was finished before stays in the store: the next build goes on from there.
#[derive(Debug, thiserror::Error)]
#[error("step `{step}`")]
pub struct BuildError {
    /// The step at which it stopped.
    pub step: StepId,
    /// Why.
    #[source]
    pub cause: Box<Cause>,
    /// Where it stands in a text that the step is made of.
    pub place: Option<TextPlace>,
}

impl BuildError {
    /// An error of `step`, unless the cause says that it is of another one.
    pub(crate) fn of(step: &StepId, cause: Cause) -> Self {
        match cause {
            Cause::OfStep { step, cause } => Self { step, cause, place: None },
            Cause::Placed { place, cause } => Self { place: Some(place), ..Self::of(step, *cause) },
            cause => Self { step: step.clone(), cause: Box::new(cause), place: None },
        }
    }

    /// Takes the place where a command failed out of the error, if it was kept.
    pub fn take_scene(&mut self) -> Option<Scene> {
        match &mut *self.cause {
            Cause::Command { scene, .. } => scene.take().map(|scene| *scene),
            _ => None,
        }
    }
}

/// Why a step has no result.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A planner has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A command in the sandbox ended badly.
    #[error("`{command}` {}", describe_ending(*.ending))]
    Command {
        /// The command, shortened to its first line.
        command: String,
        /// How it ended.
        ending: Ending,
        /// The last lines of its output.
        tail: Vec<String>,
        /// Where all of its output is kept.
        log: PathBuf,
        /// The place where it ran, if that is kept.
        scene: Option<Box<Scene>>,
    },
    /// The command that somebody wants to be in the place of is next.
    #[error("the place of a command is reached")]
    Reached(Box<Scene>),
    /// Somebody wants to be in the place of a command where there is none.
    #[error("it runs no command")]
    RunsNothing,
    /// The lock is enforced and does not fit the definition.
    #[error("the lock has no valid entry for it: {reason}")]
    Locked {
        /// What is missing or has changed.
        reason: String,
    },
    /// The image that a step starts from is not here.
    #[error("image `{reference}` is not in the store")]
    NoImage {
        /// The reference as written.
        reference: String,
    },
    /// The image that the lock names is not here any more.
    #[error("image `{reference}` is pinned as {digest}, which is not in the store")]
    PinnedImageGone {
        /// The reference as written.
        reference: String,
        /// What it stood for when it was pinned.
        digest: Digest,
    },
    /// A step has to be resolved, which takes the network, and that is not to be used.
    #[error("it has to be pinned, which takes the network, and the network is not to be used")]
    NotPinned {
        /// Why the lock's entry is not used.
        reason: String,
        /// What wanted the network.
        wanted: String,
    },
    /// A command has to run and has a network, which is not to be used.
    #[error("`{command}` has to run and asks for a network, which is not to be used")]
    NoNetwork {
        /// The command, shortened to its first line.
        command: String,
    },
    /// Files would have to be fetched, and the network is not to be used.
    #[error("{} not in the store, and the network is not to be used", count(missing))]
    NotFetched {
        /// Where they are.
        missing: Vec<String>,
    },
    /// A secret, an ssh agent or a freedom that a command needs cannot be had.
    #[error("it needs {what}: {why}")]
    NotGranted {
        /// `the secret …`, `the ssh agent …`, `security.insecure, …`.
        what: String,
        /// Its name.
        id: String,
        /// Why not, without its value.
        why: String,
    },
    /// A command has written a secret where it would be kept.
    #[error("{}", describe_leaks(.leaks))]
    Leak {
        /// Which secret, and in which file.
        leaks: Vec<(String, String)>,
    },
    /// The machine has no such device as a step asks for.
    #[error("{missing}")]
    NoDevice {
        /// What is missing.
        missing: Box<DeviceError>,
    },
    /// A command is a program of another platform, and the kernel does not run such programs.
    #[error("`{command}` is for {}, and this machine is {}", foreign.platform, foreign.machine)]
    Foreign {
        /// The command, shortened to its first line.
        command: String,
        /// What stands in the way.
        #[source]
        foreign: Box<Foreign>,
    },
    /// Files that a step takes from the build context cannot be had.
    #[error("{what}")]
    Context {
        /// What, with the path.
        what: String,
    },
    /// Files cannot be edited in the image.
    #[error("cannot edit the files of the image")]
    Files(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The network client cannot be set up.
    #[error("cannot set up the network")]
    Client(#[source] ClientError),
    /// A download failed.
    #[error("a download failed")]
    Fetch(#[source] FetchError),
    /// A commit of a git repository was not had.
    #[error("a git repository was not fetched")]
    Git(#[source] GitError),
    /// A download brought other bytes than the plan names.
    #[error("`{url}` is not what the lock promised: expected {expected}, got {actual}")]
    WrongContent {
        /// Where it came from.
        url: String,
        /// Digest in the plan.
        expected: Digest,
        /// Digest of what came.
        actual: Digest,
    },
    /// The sandbox could not be made.
    #[error("cannot run `{command}` in a sandbox")]
    Sandbox {
        /// The command, shortened to its first line.
        command: String,
        /// Why.
        #[source]
        source: RunError,
    },
    /// The store may not become as large as the step makes it.
    #[error("the store would grow beyond its quota")]
    Quota(#[source] QuotaError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The machine failed, with what was being done.
    #[error("{doing}")]
    Machine {
        /// What was being done, with the path.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An operation failed of which it is known where it stands.
    #[error("{cause}")]
    Placed {
        /// Where.
        place: TextPlace,
        /// Why.
        #[source]
        cause: Box<Self>,
    },
    /// Another step than the one that is due cannot have a result.
    #[error("step `{step}`")]
    OfStep {
        /// Which.
        step: StepId,
        /// Why.
        #[source]
        cause: Box<Self>,
    },
    /// Somebody asked to stop.
    #[error("stopped")]
    Cancelled,
    /// A promise between two rooms is broken: our fault.
    #[error("{0}")]
    Bug(String),
}

fn count(missing: &[String]) -> String {
    if let [one] = missing { format!("`{one}` is") } else { format!("{} files are", missing.len()) }
}

/// Says how a command ended, to follow its name.
#[must_use]
pub fn describe_ending(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exited with code {code}"),
        Ending::Signaled(signal) => format!("was ended by signal {signal}"),
        Ending::TimedOut => "ran longer than its `timeout`".to_owned(),
        Ending::Cancelled => "was stopped".to_owned(),
        Ending::Exceeded(exceeded) => format!("was ended: {}", describe_excess(exceeded)),
    }
}

fn describe_excess(Exceeded { resource, limit }: Exceeded) -> String {
    match resource {
        Resource::Cpu => format!("it used more than its `cpu` of {limit}"),
        Resource::Memory => format!("it wanted more than its `memory` of {}", size(limit)),
        Resource::Pids => format!("it wanted more processes and threads at once than its `pids` of {limit}"),
        Resource::Disk => format!("it had written more than its `disk` of {}", size(limit)),
    }
}

/// Writes a size as a definition does.
fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10)];
    let whole = units.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes} bytes"), |(name, unit)| format!("{}{name}", bytes / unit))
}

pub(crate) fn describe_leaks(leaks: &[(String, String)]) -> String {
    let one = |(id, place): &(String, String)| format!("the secret `{id}` is in `{place}`");
    leaks.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Cause {
    /// Returns the log of a command that failed, relative to the store.
    pub(crate) fn log(&self, store: &std::path::Path) -> Option<String> {
        match self {
            Self::Placed { cause, .. } => cause.log(store),
            Self::Command { log, .. } => Some(log.strip_prefix(store).unwrap_or(log).display().to_string()),
            _ => None,
        }
    }

    /// Says what wanted the network, of a cause that is about that.
    pub(crate) fn wanted(&self) -> String {
        match self {
            Self::NoNetwork { command } => format!("`{command}`"),
            Self::NotFetched { missing } => missing.join(", "),
            other => other.to_string(),
        }
    }

    /// Returns what failed, without where it stands.
    pub(crate) fn unplaced(self) -> Self {
        match self {
            Self::Placed { cause, .. } => cause.unplaced(),
            cause => cause,
        }
    }

    /// Says where the operation stands that failed, where that has a part in it: not of what only stops it or looks at it.
    pub(crate) fn placed(self, place: Option<TextPlace>) -> Self {
        match (self, place) {
            (
                cause
                @ (Self::Plan(_) | Self::Reached(_) | Self::OfStep { .. } | Self::Placed { .. } | Self::Cancelled),
                _,
            )
            | (cause, None) => cause,
            (cause, Some(place)) => Self::Placed { place, cause: Box::new(cause) },
        }
    }

    /// Wraps an error of the store.
    pub(crate) fn store(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(Box::new(source))
    }

    /// Wraps an error of the snapshot room.
    pub(crate) fn files(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Files(Box::new(source))
    }

    /// Wraps an input or output error with what was being done.
    pub(crate) fn doing(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Machine { doing, source }
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_said_as_they_are_written() {
        let table =
            [(1 << 30, "1GiB"), (512 << 20, "512MiB"), (2_000_000_000, "2GB"), (8_388_608, "8MiB"), (3, "3 bytes")];
        for (bytes, expected) in table {
            assert_eq!(size(bytes), expected);
        }
    }
}
