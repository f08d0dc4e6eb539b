// SPDX-License-Identifier: Apache-2.0
//! `wythe shell`, and the shell where a build stopped.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use wythe_plan::StepPlanner as _;
use wythe_plan::spec::{BASE_STEP, Spec, known_hint};
use wythe_solve::{Engine, Force, LockUse, Scene, StepId, Visit, scene};

use crate::arguments::{self, Build, Grants, Progress, Shell};
use crate::commands::{block_on, run};
use crate::definition::Definition;
use crate::diagnostic::Report;
use crate::exit::Exit;
use crate::print;
use crate::render::sink;
use crate::workshop::{Stops, Workshop, find_image};

/// A shell with a line editor where the image has one, else the one that every image with a shell has.
fn program() -> Vec<String> {
    // Somebody who types is greeted and prompted, a file that is read is not.
    let option = if std::io::stdin().is_terminal() { " -i" } else { "" };
    let line = format!("exec \"$(command -v bash || echo /bin/sh)\"{option}");
    ["/bin/sh", "-c", &line].map(str::to_owned).to_vec()
}

/// Opens a shell in an image, or in the place of a step's command.
pub(crate) fn run(workshop: &Workshop, shell: &Shell) -> Result<ExitCode, Report> {
    if let Some(step) = &shell.step {
        return at_step(workshop, shell, step);
    }
    let name = shell.image.as_deref().unwrap_or_default();
    let store = workshop.store()?;
    let (_, image) = find_image(&store, name)?;
    run::execute(workshop, &store, &image, &shell.inside, program())
}

fn at_step(workshop: &Workshop, shell: &Shell, step: &str) -> Result<ExitCode, Report> {
    let wanted = arguments::Definition {
        path: shell.image.clone().unwrap_or_else(|| ".".to_owned()).into(),
        args: shell.args.clone(),
        images: shell.images.clone(),
        ..arguments::Definition::default()
    };
    let store = workshop.store()?;
    let plugins = Arc::new(workshop.plugins(Some(&store))?);
    let definition = Definition::read_remembering(workshop, &wanted, plugins.kinds(), &store)?;
    let id = step_meant(step, &definition.spec)?;
    let order = definition.order(workshop, LockUse::Use, Force::default())?;
    let (secrets, volumes) = (shell.inside.secrets.clone(), shell.inside.volumes.clone());
    let given = Grants { secrets, volumes, allow: shell.allow.clone() };
    let grants = crate::grants::read(&given, &workshop.surroundings)?;
    let found = block_on(async {
        let stops = Stops::listen()?;
        let events = sink(Progress::Auto, workshop.is_terminal);
        let engine = Engine::new(workshop.parts(&store, plugins, grants, events, &stops, &wanted)?);
        Ok::<_, Report>(scene(&engine, &order, &id).await)
    })?;
    let scene = found.map_err(|error| definition.explain(&error))?;
    enter(workshop, &scene, &definition)
}

/// Finds a step by its name, or by its number, from 1 on.
fn step_meant(wanted: &str, spec: &Spec) -> Result<StepId, Report> {
    let mut found = Vec::new();
    for image in &spec.images {
        let id = |step: &str| StepId { image: image.name.as_deref().unwrap_or_default().into(), step: step.into() };
        let named = image.all_steps().find(|step| step.id == wanted);
        let number = wanted.parse::<usize>().ok().and_then(|number| image.steps.get(number.checked_sub(1)?));
        found.extend(named.or(number).map(|step| id(&step.id)));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let steps = spec.images.iter().flat_map(|image| &image.steps);
            let known: std::collections::BTreeSet<&str> =
                steps.map(|step| step.id.as_str()).chain([BASE_STEP]).collect();
            let known: Vec<&str> = known.into_iter().collect();
            let report = Report::new(Exit::Usage, format!("`--step {wanted}`: there is no such step"));
            Err(report.hint(known_hint(wanted, "steps", &known)))
        }
        several => {
            let images: Vec<&str> = several.iter().map(|id| &*id.image).collect();
            let report = Report::new(Exit::Usage, format!("`--step {wanted}`: several images have such a step"));
            Err(report.hint(format!("choose one with `--image`: {}", images.join(", "))))
        }
    }
}

/// Refuses a shell where nobody could type into it.
pub(crate) fn check_terminal(build: &Build) -> Result<(), Report> {
    let is_there = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if build.on_failure.is_none() || is_there {
        return Ok(());
    }
    let report = Report::new(Exit::Usage, "`--on-failure=shell` needs a terminal, and there is none")
        .note("standard input and standard output have to be one; nothing was built");
    Err(report.hint("build without it; a step that failed can be entered later: `wythe shell --step STEP`"))
}

/// Opens a shell in the place of a command, and says what is to know of it.
pub(crate) fn enter(workshop: &Workshop, scene: &Scene, definition: &Definition) -> Result<ExitCode, Report> {
    let files = if scene.has_failed() { "as the command left them" } else { "as the command finds them" };
    let command = scene.command().replace('\n', "\n  ");
    print::to_stderr(&format!(
        "a shell in the place of a command of step `{}`; it is in the shell's history:\n  {command}\n\
         the files are {files}; what is changed in them here is thrown away",
        scene.step()
    ));
    let ending = block_on(async {
        let visit = Visit {
            argv: program(),
            terminal: workshop.surroundings.text("TERM").map(str::to_owned),
            cancel: Stops::listen()?.cancel,
        };
        scene.enter(&visit).await.map_err(|error| definition.explain(&error))
    })?;
    Ok(run::status(workshop, "the shell", ending))
}
