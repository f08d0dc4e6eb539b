// SPDX-License-Identifier: Apache-2.0
//! Prose for a build that stopped.

use std::io::ErrorKind;
use std::ops::Range;

use wythe_plan::spec::{BASE_STEP, Step};
use wythe_plan::{PlanError, Problem};
use wythe_remote::GitError;
use wythe_sandbox::cdi::{DeviceError, Unusable};
use wythe_sandbox::foreign::ForeignError;
use wythe_sandbox::{Ending, Exceeded, RunError, SetupError, Unlimited, UserError};
use wythe_solve::{BuildError, Cause, Foreign, INSECURE, REDIRECTED, StepId, describe_ending};
use wythe_store::{QuotaError, total};
use wythe_sys::userns::{Standing, standing};

use super::{Report, Texts};
use crate::exit::Exit;
use crate::render::bytes;

/// What a command leaves behind that began and did not end. What came before it may be of the same step.
const KEPT: &str = "nothing of it is kept; what was done before it is";

/// The same of one that did not begin.
const NOT_RUN: &str = "it was not run; what was done before it is kept";

/// The same of a step whose commands are not known yet.
fn not_begun(step: &StepId) -> &'static str {
    match &*step.step {
        BASE_STEP => "nothing was run",
        _ => "nothing was run for this step; the steps before it are kept",
    }
}

/// What is said of our own faults.
const OURS: &str = "this is a bug in wythe; please report it with the command and the definition";

/// What a person can do after a network failed.
const NETWORK_HINT: &str = "check the network and the proxy settings, then build again: what was done is kept";

/// What a person can do where there is no user but root.
const SINGLE_ID_HINT: &str =
    "this user has a single id, so whatever sets another owner fails: `wythe doctor` says what to do";

/// What a person can do where a limit of processes is beyond what may be set.
const RLIMIT_HINT: &str = "ask for no more than that: only root of the machine may raise a hard limit, with `CAP_SYS_RESOURCE`, \
                           and that of open files no further than `sysctl fs.nr_open`";

/// Explains why a build stopped, with the place in its definition.
pub(crate) fn explain(error: &BuildError, texts: &Texts<'_>) -> Report {
    let (step, source) = (texts.step(&error.step), &texts.spec.source);
    let report = match &*error.cause {
        Cause::Plan(PlanError::Declined(problems)) => return declined(error, problems, texts),
        Cause::Plan(plan) => of_plan(error, plan),
        Cause::Command { command, ending, tail, log, .. } => of_command(error, command, *ending, tail, log, step),
        Cause::Quota(quota) => of_quota(error, quota),
        Cause::Cancelled => return Report::new(Exit::Interrupted, "stopped; what was done is kept"),
        cause => of_cause(error, cause),
    };
    // The line of the step's own text is nearer to what is wrong than the step.
    if let Some((text, span)) = error.place.as_ref().and_then(|place| texts.find(place, &error.step)) {
        return report.at(&text, span, "");
    }
    match step {
        Some(step) => report.at(source, header(&step.span, source), ""),
        None => report,
    }
}

/// The first line of a span: a step is pointed at by its header, not by its whole table.
fn header(span: &Range<usize>, source: &wythe_plan::spec::SourceText) -> Range<usize> {
    let text = &source.text()[span.clone()];
    span.start..span.start + text.find('\n').unwrap_or(text.len())
}

fn declined(error: &BuildError, problems: &[Problem], texts: &Texts<'_>) -> Report {
    let one = |problem: &Problem| texts.place(Report::new(Exit::Spec, problem.message.clone()), problem, &error.step);
    let reports = problems.iter().map(one).reduce(Report::join);
    reports.unwrap_or_else(|| {
        let what = format!("step `{}` was declined without a reason", error.step);
        Report::new(Exit::Plugin, what)
            .note("this is a fault in the plugin, not in your definition; no command was run")
    })
}

fn of_plan(error: &BuildError, plan: &PlanError) -> Report {
    let step = &error.step;
    match plan {
        PlanError::Failed(what) => Report::new(Exit::World, format!("step `{step}`: {what}")).note(not_begun(step)),
        PlanError::Broken { plugin, what, frames } => {
            let what = format!("plugin `{plugin}` {what} (step `{step}`)");
            let report = frames.iter().fold(Report::new(Exit::Plugin, what), |report, frame| report.note(frame));
            report.note("this is a fault in the plugin, not in your definition; no command was run")
        }
        PlanError::Refused { plugin, what, hint } => {
            Report::new(Exit::Spec, format!("plugin `{plugin}` {what} (step `{step}`)"))
                .note(not_begun(step))
                .hint(hint)
        }
        PlanError::World(what) => Report::new(Exit::World, format!("step `{step}`: {what}")).note(not_begun(step)),
        PlanError::NotYet => {
            Report::new(Exit::Bug, format!("step `{step}` was planned before the image below it was built")).note(OURS)
        }
        PlanError::Declined(_) => unreachable!("explained before"),
    }
}

fn of_command(
    error: &BuildError,
    command: &str,
    ending: Ending,
    tail: &[String],
    log: &std::path::Path,
    step: Option<&Step>,
) -> Report {
    let what = format!("step `{}`: `{command}` {}", error.step, describe_ending(ending));
    let mut report = Report::new(Exit::Step, what);
    if !tail.is_empty() {
        report = report.note("last lines of its output:");
        report = tail.iter().fold(report, |report, line| report.note(format!("  | {line}")));
    }
    let report = report.note(KEPT);
    let report = report.hint(format!("all of its output: `wythe logs {}`, or {}", error.step.step, log.display()));
    let report = report.hint(match step {
        Some(_) => format!("open a shell in its place: `wythe shell --step {}`", in_words(&error.step)),
        None => "open a shell where it fails: build with `--on-failure=shell`".to_owned(),
    });
    match ending {
        Ending::TimedOut => report.hint("give the step a longer `timeout`"),
        Ending::Exceeded(Exceeded { resource, .. }) => report
            .hint(format!("if it needs that much, give the step a larger `{resource}`; the cache key stays the same")),
        Ending::Exited(_) if standing() == Standing::SingleId => report.hint(SINGLE_ID_HINT),
        _ => report,
    }
}

/// A step as options name it.
fn in_words(id: &StepId) -> String {
    if id.image.is_empty() { id.step.to_string() } else { format!("{} --image {}", id.step, id.image) }
}

/// Adds to a report that a device is missing what was looked at.
pub(crate) fn no_device(report: Report, error: &DeviceError) -> Report {
    let looked = match error {
        DeviceError::TooFew { looked, .. } | DeviceError::Unknown { looked, .. } => looked.clone(),
        DeviceError::Disputed { .. } => Vec::new(),
        DeviceError::Unusable { origin, .. } => vec![format!("what {origin} says")],
    };
    let report = looked.iter().fold(report, |report, line| report.note(format!("looked at {line}")));
    match error {
        DeviceError::Unusable { why: Unusable::Denied { .. }, .. } => {
            report.hint("have this user be in the group of the device, or build as root")
        }
        _ => report.hint("see which devices there are: `wythe doctor`"),
    }
}

/// Says what to do where programs of another architecture cannot be run.
pub(crate) fn foreign(report: Report, found: &Foreign) -> Report {
    let architecture = found.platform.architecture();
    match &found.why {
        ForeignError::NoEmulator => report
            .hint("install the packages qemu-user-static and binfmt-support (Debian, Ubuntu), or qemu-user-static (Fedora)")
            .hint(format!("or have Docker register it: `docker run --privileged --rm tonistiigi/binfmt --install {architecture}`")),
        ForeignError::SwitchedOff { format } => {
            report.hint(format!("switch it on: `echo 1 > /proc/sys/fs/binfmt_misc/{format}`, and `status` beside it"))
        }
        ForeignError::NotFixed { .. } => report.hint(
            "register it with the flag F, as the package qemu-user-static does, and `update-binfmts` with `--fix-binary yes`",
        ),
    }
}

/// Whether what was asked for cannot be had in the image, whatever the machine.
pub(crate) fn is_the_commands_fault(setup: &SetupError) -> bool {
    if let SetupError::MountTarget { source, .. } = setup {
        let kind = std::io::Error::from_raw_os_error(source.errno).kind();
        return matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ReadOnlyFilesystem);
    }
    matches!(
        setup,
        SetupError::NoCommand
            | SetupError::NoProgram { .. }
            | SetupError::ProgramDenied { .. }
            | SetupError::NotAProgram { .. }
            | SetupError::NoInterpreter { .. }
            | SetupError::Workdir { .. }
            | SetupError::MountForbidden { .. }
            | SetupError::User(UserError::NoUser(_) | UserError::NoGroup(_) | UserError::OutOfRange(_))
    )
}

/// Whether the disk has no room left.
fn is_full(cause: &Cause) -> bool {
    let mut layer: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = layer {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::StorageFull) {
            return true;
        }
        layer = error.source();
    }
    false
}

fn of_quota(error: &BuildError, quota: &QuotaError) -> Report {
    let report = Report::new(Exit::World, format!("step `{}`: {}", error.step, error.cause));
    let (limit, occupied, why) = match quota {
        QuotaError::Exceeded { needed, quota, occupied } => {
            (quota, occupied, format!("it needs {} more", bytes(*needed)))
        }
        QuotaError::Outgrown { quota, occupied } => (quota, occupied, "it wrote more than was left".to_owned()),
        other => return Report::caused(Exit::World, format!("step `{}`: {}", error.step, error.cause), other),
    };
    let mut parts: Vec<_> = occupied.iter().filter(|(_, tally)| tally.bytes > 0).collect();
    parts.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.bytes));
    let parts: Vec<String> = parts.iter().map(|(class, tally)| format!("{} {}", bytes(tally.bytes), class)).collect();
    let report = report.note(format!("{why}: the quota is {}, in use are {}", bytes(*limit), bytes(total(occupied))));
    let report = report.note(format!("these are {}", parts.join(", ")));
    let report = report.note("what no image needs is collected already").note(KEPT);
    let report =
        report.hint("remove images that are not needed (`wythe rm NAME`), or cache mounts (`wythe store gc --caches`)");
    report.hint("or allow more: `wythe store quota SIZE`")
}

fn of_cause(error: &BuildError, cause: &Cause) -> Report {
    let exit = match cause {
        Cause::Locked { .. }
        | Cause::NoImage { .. }
        | Cause::PinnedImageGone { .. }
        | Cause::Context { .. }
        | Cause::RunsNothing
        | Cause::NotGranted { .. }
        | Cause::NoDevice { .. } => Exit::Spec,
        Cause::Git(GitError::NoCommit { .. } | GitError::NoReference { .. } | GitError::Directory { .. }) => Exit::Spec,
        Cause::Git(error) if error.is_redirect() => Exit::Spec,
        Cause::Leak { .. } => Exit::Step,
        Cause::Bug(_) => Exit::Bug,
        Cause::Sandbox { source: RunError::Setup(setup), .. } if is_the_commands_fault(setup) => Exit::Step,
        _ => Exit::World,
    };
    let what = format!("step `{}`: {cause}", error.step);
    let report = match (cause, std::error::Error::source(cause)) {
        // That the sandbox could not be set up is what the first line says.
        (Cause::Sandbox { source: RunError::Setup(setup), .. }, _) => Report::caused(exit, what, setup),
        (_, Some(source)) => Report::caused(exit, what, source),
        (_, None) => Report::new(exit, what),
    };
    let report = match cause {
        Cause::Bug(_) => report.note(OURS),
        Cause::Locked { .. }
        | Cause::NoImage { .. }
        | Cause::Context { .. }
        | Cause::NotGranted { .. }
        | Cause::NoDevice { .. }
        | Cause::Foreign { .. }
        | Cause::RunsNothing => report.note(NOT_RUN),
        Cause::WrongContent { .. } => report.note("the download was discarded; nothing was added to the store"),
        _ => report.note(KEPT),
    };
    match cause {
        Cause::Locked { .. } => report.hint("bring wythe.lock up to date: `wythe lock`"),
        Cause::PinnedImageGone { reference, .. } => report.hint(format!(
            "bring it back, or pin what `{reference}` stands for now: `wythe lock --upgrade {}`",
            error.step.step
        )),
        Cause::NotPinned { reason, wanted } => report
            .note(format!("the lock has no valid entry for it: {reason}"))
            .note(format!("what is asked for: {wanted}"))
            .hint("pin it once with a network: `wythe lock`"),
        Cause::NoNetwork { .. } => report
            .note("its result is not in the store")
            .hint("build it once without `--offline`; a step that needs no network says `network = \"none\"`"),
        Cause::NotFetched { missing } => not_fetched(report, missing),
        Cause::RunsNothing => report.hint("see the image instead: build it, then `wythe shell IMAGE`"),
        Cause::NoImage { .. } => report.hint("see which images there are: `wythe images`"),
        Cause::Fetch(source) if source.is_transient() => report.hint(NETWORK_HINT),
        Cause::Fetch(_) => report
            .hint(format!("if it is not offered any more, pin what is: `wythe lock --upgrade {}`", error.step.step)),
        Cause::Git(source) => of_git(report, source, &error.step),
        Cause::NotGranted { what, id, .. } if what.contains("agent") => {
            report.hint(format!("give it with `--ssh {id}` (the agent of SSH_AUTH_SOCK) or `--ssh {id}=SOCKET`"))
        }
        Cause::NotGranted { id, .. } if id == INSECURE => report
            .hint("if you trust what it runs as you trust yourself: `wythe build --allow security.insecure`"),
        Cause::NotGranted { id, .. } => {
            report.hint(format!("give it with `--secret id={id},env=NAME`, or `src=FILE` in place of `env=NAME`"))
        }
        Cause::NoDevice { missing } => no_device(report, missing),
        Cause::Foreign { foreign: found, .. } => foreign(report, found),
        Cause::Leak { .. } => report
            .note("if it is in a cache, the file was removed there")
            .hint("have the command remove the file, or write it to a directory in memory such as /dev/shm"),
        Cause::Files(_) if standing() == Standing::SingleId => report.hint(SINGLE_ID_HINT),
        Cause::Sandbox { source: RunError::Setup(SetupError::Limit { why, .. }), .. } => of_limit(report, why)
            .hint("or go without limits of processors, memory and processes: `--no-limits`; results are the same"),
        Cause::Sandbox { source: RunError::Setup(SetupError::Rlimit { .. }), .. } => report.hint(RLIMIT_HINT),
        Cause::Sandbox { source: RunError::Setup(SetupError::NetworkStack { .. }), .. } => {
            report.hint("mend that, or share this machine's network with the steps: `--share-network`")
        }
        Cause::Sandbox { source: RunError::Setup(SetupError::MountTarget { .. }), .. } if exit == Exit::Step => {
            report.hint("inside another mount its place has to be there, or that one has to be writable")
        }
        Cause::Sandbox { .. } if exit == Exit::World => report.hint("see what this machine allows: `wythe doctor`"),
        cause if is_full(cause) => report.hint("free room: `wythe store gc --older-than 0` leaves what named images need; or name another place with `--store DIR`"),
        Cause::Store(_) => report.hint("see whether all of it is whole: `wythe store verify`"),
        Cause::Sandbox { source: RunError::Setup(SetupError::NoProgram { .. }), .. } => {
            report.hint("it has to be in the image: take a base that has it, or install it in a step")
        }
        Cause::WrongContent { .. } => report.hint(format!(
            "if the file was replaced on purpose, pin what is there: `wythe lock --upgrade {}`",
            error.step.step
        )),
        _ => report,
    }
}

/// Says what to do where a git repository was not had.
fn of_git(report: Report, error: &GitError, step: &StepId) -> Report {
    match error {
        GitError::NotInstalled { .. } => report.hint("install git, or add an archive of the commit by its address"),
        GitError::NoCommit { .. } => report
            .hint(format!("if its history was written anew, pin what is there: `wythe lock --upgrade {}`", step.step)),
        GitError::Refused { .. } => report.hint("name it by `https://`"),
        GitError::TooLarge { .. } | GitError::TooSlow { .. } => {
            report.hint("take an archive of the commit by its address, or clone it in a command of its own")
        }
        closed if closed.is_closed() => report.hint(
            "give a token with `--secret id=GIT_AUTH_TOKEN,env=NAME`, or name it by ssh and build with `--ssh default`",
        ),
        redirect if redirect.is_redirect() => report.hint(REDIRECTED),
        unknown if unknown.is_unknown_host() => report
            .hint("make its key known where you have seen it to be right: `ssh-keyscan HOST >> ~/.ssh/known_hosts`"),
        passing if passing.is_transient() => report.hint(NETWORK_HINT),
        GitError::Silent { .. } => report.hint(NETWORK_HINT),
        _ => report,
    }
}

/// Says what to do where a limit cannot be kept.
pub(crate) fn of_limit(report: Report, why: &Unlimited) -> Report {
    match why {
        Unlimited::NotOurs(_) => {
            report.hint("give wythe a control group of its own: `systemd-run --user --scope -p Delegate=yes wythe …`")
        }
        _ => report,
    }
}

/// Most files that are named.
const SHOWN: usize = 20;

fn not_fetched(report: Report, missing: &[String]) -> Report {
    let report = match missing {
        [_] => report,
        several => several.iter().take(SHOWN).fold(report, |report, url| report.note(url)),
    };
    let report = match missing.len().checked_sub(SHOWN + 1) {
        Some(more) => report.note(format!("and {} more", more + 1)),
        None => report,
    };
    report.hint("build once without `--offline`: what is fetched is kept")
}

#[cfg(test)]
mod tests;
