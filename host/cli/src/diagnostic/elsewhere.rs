// SPDX-License-Identifier: Apache-2.0
//! Why a build context that lies elsewhere was not had.

use std::error::Error as _;

use wythe_remote::GitError;
use wythe_solve::{Cause, REDIRECTED};

use super::Report;
use crate::exit::Exit;

/// Explains it: `what` was to be done.
pub(crate) fn of_bringing(what: &str, cause: &Cause) -> Report {
    let exit = match cause {
        Cause::Cancelled => return Report::new(Exit::Interrupted, "stopped"),
        Cause::Git(GitError::NoCommit { .. } | GitError::NoReference { .. } | GitError::Directory { .. })
        | Cause::NotGranted { .. }
        | Cause::Context { .. }
        // What was sent is at fault, and not the machine, as far as that can be told.
        | Cause::Files(_) => Exit::Spec,
        Cause::Git(error) if error.is_redirect() => Exit::Spec,
        Cause::Fetch(error) if !error.is_transient() => Exit::Spec,
        _ => Exit::World,
    };
    let report = match cause {
        // Their own words name what went wrong, and the first line the rest.
        Cause::Git(error) => Report::caused(exit, what, error),
        Cause::Fetch(error) => Report::caused(exit, what, error),
        Cause::Files(error) => Report::caused(exit, what, &**error),
        cause => cause
            .source()
            .map_or_else(|| Report::new(exit, what).note(cause.to_string()), |_| Report::caused(exit, what, cause)),
    };
    match cause {
        Cause::NotFetched { .. } => report.hint("build without `--offline`"),
        Cause::NotGranted { id, .. } => report.hint(format!("give it with `--ssh {id}`")),
        Cause::Git(error) if error.is_closed() => {
            report.hint("give a token with `--secret id=GIT_AUTH_TOKEN,env=NAME`")
        }
        Cause::Git(error) if error.is_redirect() => report.hint(REDIRECTED),
        Cause::Git(GitError::NotInstalled { .. }) => report.hint("install git, or name an archive of the commit"),
        _ => report,
    }
}
