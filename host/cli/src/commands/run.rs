// SPDX-License-Identifier: Apache-2.0
//! `wythe run`: a program in an image, on a throw-away copy of its files.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use wythe_image::Image;
use wythe_plan::spec::Limits;
use wythe_sandbox::{Ending, RunError, SetupError, Stdio};
use wythe_solve::{Cause, DiskWatch, Program, ProgramVolume, VolumeSource, describe_ending, program_request};
use wythe_store::Store;

use crate::arguments::{self, Inside, Run};
use crate::commands::block_on;
use crate::definition::split_assignment;
use crate::diagnostic::{Report, foreign, is_the_commands_fault, no_device, of_limit};
use crate::exit::Exit;
use crate::named;
use crate::print;
use crate::workshop::{Stops, Workshop, absolute, find_image, store_failed};

/// Runs a program in an image; the exit status is the program's.
pub(crate) fn run(workshop: &Workshop, run: &Run) -> Result<ExitCode, Report> {
    let store = workshop.store()?;
    let (_, image) = find_image(&store, &run.image)?;
    let argv = command_of(&image, &run.inside, &run.command);
    if argv.is_empty() {
        let report = Report::new(Exit::Spec, format!("image `{}` has no command", run.image));
        return Err(report.hint(format!("name one: `wythe run {} -- PROGRAM`", run.image)));
    }
    execute(workshop, &store, &image, &run.inside, argv)
}

/// What runs: the entry point, then the command or what stands in its place (config.md, `Entrypoint` and `Cmd`).
fn command_of(image: &Image, inside: &Inside, command: &[String]) -> Vec<String> {
    let config = image.config();
    match &inside.entrypoint {
        Some(program) => std::iter::once(program.clone()).chain(command.iter().cloned()).collect(),
        None if command.is_empty() => config.entrypoint.iter().chain(&config.cmd).cloned().collect(),
        None => config.entrypoint.iter().chain(command).cloned().collect(),
    }
}

/// Runs a program in an image, at the terminal of this process.
pub(crate) fn execute(
    workshop: &Workshop,
    store: &Arc<Store>,
    image: &Image,
    inside: &Inside,
    argv: Vec<String>,
) -> Result<ExitCode, Report> {
    let variable = |text: &String| split_assignment(text, "--secret-env");
    let secret_env = inside.secret_env.iter().map(variable).collect::<Result<Vec<_>, _>>()?;
    let env = inside.env.iter().map(|text| split_assignment(text, "--env")).collect::<Result<Vec<_>, _>>()?;
    let given = arguments::Grants { secrets: inside.secrets.clone(), volumes: Vec::new(), allow: Vec::new() };
    let program = Program {
        argv,
        env: env.into_iter().collect(),
        workdir: inside.workdir.clone(),
        user: inside.user.clone(),
        network: inside.network.clone(),
        gpu: inside.gpu.clone(),
        volumes: inside.volumes.iter().map(|text| volume(store, text)).collect::<Result<_, _>>()?,
        limits: limits(&inside.limits)?,
        secrets: crate::grants::read(&given, &workshop.surroundings)?.secrets,
        secret_env: secret_env.into_iter().collect(),
    };
    let active = store.begin().map_err(|error| store_failed(&error))?;
    let machine = workshop.machine();
    let sandbox = workshop.sandbox()?;
    let name = program.argv[0].clone();
    let ending = block_on(async {
        let stops = Stops::listen()?;
        let ready = program_request(store, &machine, &active, image, &program);
        let ready = ready.map_err(|cause| cannot_lay_out(&cause))?;
        // The terminal belongs to the program, Ctrl-C too: it is for the program to end.
        let disk = DiskWatch::begin(program.limits.disk, &active, store, &stops.cancel);
        let disk = disk.map_err(|error| Report::caused(Exit::World, "cannot watch what the program writes", &error))?;
        tokio::task::spawn_blocking(move || {
            let outcome = sandbox.run(&ready.request, Stdio::Inherited, disk.cancel());
            ready.close().iter().for_each(|line| print::to_stderr(line));
            Ok(disk.verdict(outcome?.ending))
        })
        .await
        .expect("running a program does not panic")
        .map_err(|error| cannot_run(&name, &error))
    })?;
    Ok(status(workshop, &program.argv[0], ending))
}

/// Reads `NAME:PATH[:ro]`, where what looks like a path is a directory of the machine.
fn volume(store: &Store, text: &str) -> Result<ProgramVolume, Report> {
    let fault = |exit, what: String| Report::new(exit, format!("`--volume {text}`: {what}"));
    let (rest, read_only) = text.strip_suffix(":ro").map_or((text, false), |rest| (rest, true));
    let (from, target) = match rest.rsplit_once(':') {
        Some((from, target)) if !from.is_empty() && target.starts_with('/') && target.len() > 1 => {
            (from, target.to_owned())
        }
        _ => {
            return Err(fault(
                Exit::Usage,
                "it is not of the form NAME:PATH, DIR:PATH or one of them with `:ro`".to_owned(),
            ));
        }
    };
    let source = if from.starts_with(['/', '.']) {
        let dir = absolute(Path::new(from))?;
        if !named::is_dir(&dir)? {
            return Err(fault(Exit::Spec, format!("there is no directory `{from}`")));
        }
        VolumeSource::Directory(dir)
    } else {
        VolumeSource::Named(store.volume(from).map_err(|error| fault(Exit::Spec, error.to_string()))?)
    };
    Ok(ProgramVolume { source, target, read_only })
}

/// That a secret or a device cannot be had is who asked for it.
fn cannot_lay_out(cause: &Cause) -> Report {
    match cause {
        Cause::NotGranted { .. } => Report::new(Exit::Spec, format!("cannot run the program: {cause}")),
        Cause::NoDevice { missing } => {
            no_device(Report::new(Exit::Spec, format!("cannot run the program: {missing}")), missing)
        }
        Cause::Foreign { foreign: found, .. } => {
            foreign(Report::caused(Exit::World, format!("cannot run the program: {cause}"), &found.why), found)
        }
        cause => Report::caused(Exit::World, "cannot lay out the sandbox", cause),
    }
}

fn cannot_run(name: &str, error: &RunError) -> Report {
    let what = format!("cannot run `{name}`");
    match error {
        RunError::Setup(setup @ SetupError::Limit { why, .. }) => {
            of_limit(Report::caused(Exit::World, what, setup), why).hint("or run it without this limit")
        }
        RunError::Setup(setup @ SetupError::NetworkStack { .. }) => Report::caused(Exit::World, what, setup)
            .hint("mend that, or share this machine's network with the program: `--share-network`"),
        RunError::Setup(setup) if is_the_commands_fault(setup) => Report::new(Exit::Spec, what).note(setup.to_string()),
        error => Report::caused(Exit::World, what, error).hint("see what this machine allows: `wythe doctor`"),
    }
}

/// Reads the limits that the command line gives, as a definition would.
fn limits(given: &arguments::Limits) -> Result<Limits, Report> {
    let mut limits = Limits::default();
    for (name, text) in given.given() {
        // A number is one in a definition, too.
        let value = serde_json::from_str(text).ok().filter(serde_json::Value::is_number);
        limits.set(name, &value.unwrap_or_else(|| text.into())).map_err(|wrong| {
            let report = Report::new(Exit::Usage, format!("`--{name} {text}`: {}", wrong.message));
            wrong.hints.into_iter().fold(report, Report::hint)
        })?;
    }
    Ok(limits)
}

/// The exit status of a program whose limit ended it: what a shell says of one that was killed.
const KILLED: u8 = 137;

/// The exit status of a program whose time was up: that of `timeout`.
const TIMED_OUT: u8 = 124;

/// The exit status of a shell for a program that ended so. What the program cannot say itself is said here.
pub(crate) fn status(workshop: &Workshop, name: &str, ending: Ending) -> ExitCode {
    let (code, option) = match ending {
        Ending::Exited(code) => return ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Ending::Signaled(signal) => return ExitCode::from(u8::try_from(128 + signal).unwrap_or(255)),
        Ending::Cancelled => return Exit::Interrupted.into(),
        Ending::TimedOut => (TIMED_OUT, "timeout"),
        Ending::Exceeded(exceeded) => (KILLED, exceeded.resource.name()),
    };
    let report = Report::new(Exit::Step, format!("`{name}` {}", describe_ending(ending)));
    print::to_stderr(&report.hint(format!("allow more with `--{option}`")).render(workshop.color));
    ExitCode::from(code)
}
