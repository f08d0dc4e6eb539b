// SPDX-License-Identifier: Apache-2.0
//! `wythe run` and `wythe shell`: a program in an image, on a throw-away copy of its files.

use std::path::Path;
use std::process::ExitCode;

use wythe_image::Image;
use wythe_sandbox::{Ending, RunError, Sandbox as _, Stdio};
use wythe_solve::{Program, ProgramVolume, VolumeSource, program_request};
use wythe_store::Store;

use crate::arguments::{Inside, Run, Shell};
use crate::commands::block_on;
use crate::definition::split_assignment;
use crate::diagnostic::{Report, is_the_commands_fault};
use crate::exit::Exit;
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

/// Opens a shell in an image.
pub(crate) fn shell(workshop: &Workshop, shell: &Shell) -> Result<ExitCode, Report> {
    let store = workshop.store()?;
    let (_, image) = find_image(&store, &shell.image)?;
    let argv = vec!["/bin/sh".to_owned(), "-c".to_owned(), "exec \"$(command -v bash || echo /bin/sh)\" -i".to_owned()];
    execute(workshop, &store, &image, &shell.inside, argv)
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

fn execute(
    workshop: &Workshop,
    store: &Store,
    image: &Image,
    inside: &Inside,
    argv: Vec<String>,
) -> Result<ExitCode, Report> {
    let env = inside.env.iter().map(|text| split_assignment(text, "--env")).collect::<Result<Vec<_>, _>>()?;
    let program = Program {
        argv,
        env: env.into_iter().collect(),
        workdir: inside.workdir.clone(),
        user: inside.user.clone(),
        network: inside.network.clone(),
        volumes: inside.volumes.iter().map(|text| volume(store, text)).collect::<Result<_, _>>()?,
    };
    let active = store.begin().map_err(|error| store_failed(&error))?;
    let machine = workshop.surroundings.machine();
    let sandbox = workshop.sandbox();
    let name = program.argv.first().cloned().unwrap_or_default();
    let outcome = block_on(async {
        let stops = Stops::listen()?;
        let request = program_request(store, &machine, &active, image, &program);
        let (request, network) =
            request.map_err(|cause| Report::caused(Exit::World, "cannot lay out the sandbox", &cause))?;
        // The terminal belongs to the program, Ctrl-C too: it is for the program to end.
        let outcome = tokio::task::spawn_blocking(move || sandbox.run(&request, Stdio::Inherited, &stops.cancel))
            .await
            .expect("running a program does not panic");
        network.close().iter().for_each(|line| print::to_stderr(line));
        outcome.map_err(|error| cannot_run(&name, &error))
    })?;
    Ok(status(outcome.ending))
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
        if !dir.is_dir() {
            return Err(fault(Exit::Spec, format!("there is no directory `{from}`")));
        }
        VolumeSource::Directory(dir)
    } else {
        VolumeSource::Named(store.volume(from).map_err(|error| fault(Exit::Spec, error.to_string()))?)
    };
    Ok(ProgramVolume { source, target, read_only })
}

fn cannot_run(name: &str, error: &RunError) -> Report {
    let what = format!("cannot run `{name}`");
    match error {
        RunError::Setup(setup) if is_the_commands_fault(setup) => Report::new(Exit::Spec, what).note(setup.to_string()),
        error => Report::caused(Exit::World, what, error).hint("see what this machine allows: `wythe doctor`"),
    }
}

/// The exit status of a shell for a program that ended so.
fn status(ending: Ending) -> ExitCode {
    match ending {
        Ending::Exited(code) => ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Ending::Signaled(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(255)),
        Ending::TimedOut | Ending::Cancelled => Exit::Interrupted.into(),
    }
}
