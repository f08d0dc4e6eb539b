// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a repository.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wythe_plan::GitUrl;

/// A commit that was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// There is no `git`.
    #[error("`git` is not installed: it is in none of {}", shown(.searched))]
    NotInstalled {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// The repository cannot be spoken to in the way that is asked for.
    #[error("`{url}` cannot be asked: {why}")]
    Refused {
        /// The repository.
        url: GitUrl,
        /// Why not.
        why: GitRefusal,
    },
    /// The program failed.
    #[error("`git {command}` of `{url}` failed: {}", joined(.said))]
    Failed {
        /// The repository.
        url: GitUrl,
        /// What it was to do.
        command: String,
        /// The last lines that it said.
        said: Vec<String>,
    },
    /// The repository has no such reference.
    #[error("`{url}` has no branch and no tag `{reference}`")]
    NoReference {
        /// The repository.
        url: GitUrl,
        /// What was looked for.
        reference: String,
    },
    /// The repository has no such commit.
    #[error("`{url}` has no commit {commit}")]
    NoCommit {
        /// The repository.
        url: GitUrl,
        /// What was looked for.
        commit: String,
    },
    /// The directory that is wanted is none.
    #[error("`{path}` of the repository {why}")]
    Directory {
        /// Which.
        path: String,
        /// What it is, in words that follow it.
        why: &'static str,
    },
    /// It is larger than may be.
    #[error("`{url}` takes more than {} MiB, history and files together", limit >> 20)]
    TooLarge {
        /// The repository.
        url: GitUrl,
        /// How much it may take.
        limit: u64,
    },
    /// It takes longer than may be.
    #[error("`{url}` took longer than {} s", limit.as_secs_f64())]
    TooSlow {
        /// The repository.
        url: GitUrl,
        /// How long it may take.
        limit: Duration,
    },
    /// Nothing came for too long.
    #[error("`{url}` was silent for {} s", limit.as_secs_f64())]
    Silent {
        /// The repository.
        url: GitUrl,
        /// How long it may be.
        limit: Duration,
    },
    /// The machine failed, with what was being done.
    #[error("{doing}")]
    Machine {
        /// What was being done, with the path.
        doing: String,
        /// Why.
        source: io::Error,
    },
}

/// Why a repository is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GitRefusal {
    /// A secret would be sent in the clear.
    #[error("a token is given for it, which `http://` would show to everybody on the way")]
    InTheClear,
    /// A secret with a line end in it.
    #[error("what is given to open it has a line end or a NUL in it")]
    OddSecret,
    /// ssh without an agent.
    #[error("ssh needs an agent, and none is given")]
    NoAgent,
}

/// What a server says that does not give out every commit, or has not got it.
const ABOUT_ONE_COMMIT: [&str; 5] = [
    "not our ref",
    "unadvertised object",
    "couldn't find remote ref",
    "does not support shallow",
    "dumb http transport does not support",
];

/// What is said where a network is to blame, or a server that is busy.
const TRANSIENT: [&str; 8] = [
    "Could not resolve host",
    "Connection reset",
    "Connection timed out",
    "early EOF",
    "RPC failed",
    "unexpected disconnect",
    "The requested URL returned error: 5",
    "Operation too slow",
];

/// What is said where a door is closed.
const CLOSED: [&str; 6] = [
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "The requested URL returned error: 401",
    "The requested URL returned error: 403",
    "Permission denied (",
];

/// What is said where a server leads elsewhere and is not followed.
const REDIRECT: [&str; 1] = ["The requested URL returned error: 30"];

impl GitError {
    /// Wraps an input or output error with what was being done.
    pub(crate) fn doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Machine { doing, source }
    }

    fn says(&self, parts: &[&str]) -> bool {
        let Self::Failed { said, .. } = self else { return false };
        said.iter().any(|line| parts.iter().any(|part| line.contains(part)))
    }

    /// Whether another way of asking may bring the commit.
    pub(crate) fn is_about_one_commit(&self) -> bool {
        self.says(&ABOUT_ONE_COMMIT)
    }

    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.says(&TRANSIENT)
    }

    /// Whether something has to be given to open the repository.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.says(&CLOSED)
    }

    /// Whether the server sends whoever asks to another address, where a token does not follow.
    #[must_use]
    pub fn is_redirect(&self) -> bool {
        self.says(&REDIRECT)
    }

    /// Whether the server of an ssh repository is not known.
    #[must_use]
    pub fn is_unknown_host(&self) -> bool {
        self.says(&["Host key verification failed"])
    }
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

/// Joins the lines of a program, the last of which say why.
fn joined(lines: &[String]) -> String {
    const MOST: usize = 4;
    let telling: Vec<&str> = lines.iter().map(|line| line.trim_start_matches("fatal: ").trim()).collect();
    match telling.len() {
        0 => "it said nothing".to_owned(),
        count => telling[count.saturating_sub(MOST)..].join("; "),
    }
}
