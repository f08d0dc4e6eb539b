// SPDX-License-Identifier: Apache-2.0
//! Gets an ordinary user to stand as root of a user namespace, before anything else happens.

use wythe_sys::userns::{Standing, enter, obstacle, standing};

use crate::diagnostic::Report;
use crate::exit::Exit;

/// Makes sure that this process is root of something. An ordinary user's process executes itself again inside a user
/// namespace; where that is not to be had, `must` decides whether it is an error.
pub(crate) fn ensure_root(must: bool) -> Result<(), Report> {
    if standing() != Standing::Ordinary {
        return Ok(());
    }
    // A failed attempt may leave the process in a namespace without any right, so what is known is asked first.
    let known = obstacle();
    if known.is_some() && !must {
        return Ok(());
    }
    if let Some(found) = known {
        let report = Report::new(Exit::World, "this machine does not let ordinary users create user namespaces");
        let report = report.note(format!("{} is {}", found.setting, found.value));
        return Err(report.hint(format!("set it to {}, or run wythe as root", found.wanted)));
    }
    let Err(error) = enter();
    let report = Report::caused(Exit::World, "cannot become root of a user namespace", &error);
    Err(report.hint("see what this machine allows: `wythe doctor`; as root no user namespace is needed"))
}
